// Package procs starts real programs as child processes, and does to them what
// machines do to programs: kill -9, a pause of any length, a signal to end, a
// new start. A nats-server is one of them; it comes back on its own store.
//
// It promises that every deed is written down with its time before anything can
// follow from it, that a signal reaches the one process that was meant, and that
// no child outlives the process that started it. What children print is kept
// whole, up to the last byte before they were killed.
//
// It knows nothing of orders. The rig in test/crash and test/limit import it.
package procs
