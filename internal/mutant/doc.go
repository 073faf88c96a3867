// Package mutant breaks the pipeline on purpose, to see whether the tests and
// the crash rig notice. A judge that passes a broken program has shown nothing
// about the whole one.
//
// It promises that without the build tag "mutant" [Is] is constantly false, so
// that the compiler leaves the broken code out. With the tag, the variable
// MUTANT chooses one mutant of the build, and none where it is empty.
//
// [All] says what each mutant does and which invariant must catch it; make
// mutants runs them. It is never part of a program that is released. Every
// package that a mutant breaks may import it; it imports nothing of ours.
package mutant
