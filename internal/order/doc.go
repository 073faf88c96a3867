// Package order is the order state machine: a pure table of (state, input) →
// move, and one function, [Apply], that makes the next event of an order out
// of the last one. It knows what may happen to an order and touches nothing:
// no I/O, no clock, no randomness.
//
// The rule for repeats lives here, once, for all providers: while an earlier
// request under the same reference is in doubt, the answer to a repeat speaks
// of the repeat only. Success settles the doubt; a refusal, however definite,
// leaves the order unresolved. docs/state-machine.md shows the whole table.
//
// Dispatcher and worker import it. It imports the wire messages and nothing
// else of ours.
package order

//go:generate go test -run TestDocument -update .
