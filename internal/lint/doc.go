// Package lint holds the rules of this house as code: which package may import
// which, what must be documented, how long things may get, and what must not
// appear near money or in a test. Its test applies them to the whole module, so
// they hold wherever `go test ./...` runs, without any tool installed.
//
// It promises that every rule is shown to catch what it is there for, by a
// seeded violation of its own. It never changes a file, never runs a command
// and needs no network. Nobody imports it.
package lint
