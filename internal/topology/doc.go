// Package topology is every stream, consumer and bucket of the contract as
// data, and the code that brings a server into that shape.
//
// It promises that [Setup] may be run at any time, by several programs at
// once, and again after a crash at any point: it creates what is missing and
// changes what differs. It promises too that Setup never costs data: it never
// lowers the max_bytes, the age of dead letters or the number of replicas that
// it found, never deletes a stream or a consumer, and never resumes a consumer
// that a closed lane has paused. Where programs with different settings run it
// in the same instant, the last one wins: the server has no compare-and-set
// for configurations. [Verify] only reads.
//
// It never publishes an order, a command or an event, and it never guesses: a
// namespace that says two different things is an error, because the references
// made from the wrong one would let an order be bought twice.
//
// Why each stream is as it is stands beside its configuration in streams.go.
// The programs in cmd, internal/app and tests may import it.
package topology
