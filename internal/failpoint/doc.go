// Package failpoint lets a test kill or pause a process at a named point: just
// before and just after everything that outlives the process, which is every
// write to NATS and every request to a provider.
//
// It promises that a program built without the tag "failpoint" bears no trace
// of it: [Hit] is empty then, and the compiler leaves it out. With the tag, the
// variable FAILPOINTS says what happens where:
//
//	FAILPOINTS="ledger.append.after/placing=kill:3,http.create.before=pause:2s"
//
// A point is named alone, or with a slash and the detail that [HitOf] is given
// there. What happens is one of kill (SIGKILL), stop (SIGSTOP), term (SIGTERM)
// and panic, at the n-th hit (":3"; the first one without it) and at no other,
// or pause with a duration, and an n after it ("pause:2s:3"). A variable that
// cannot be read ends the program at its start: a fault that is not there would
// look like one that was survived.
//
// [Points] is the table of all points. A test walks the sources and fails where
// a write or a request has no point before and after it.
//
// It never changes what a program does where no point is set, and is never part
// of a program that is released. Every package that writes may import it; it
// imports nothing of ours.
package failpoint
