// Package life lets a program that runs inside another process die as if a
// process of its own had been killed.
//
// A life owns all ways out of its program: the connections to NATS, the
// connections to a shop, and what is logged. A death closes all of them at one
// instant. What was handed to a socket before may still arrive, as it may after
// a SIGKILL. Nothing that the program's goroutines do afterwards gets out: their
// writes and dials are refused, what arrives for them is not delivered, and what
// they log is dropped; all of it is counted.
//
// A death can be put just before or just after a write, or just before what was
// read is delivered. Requests to a shop go through a front of the life, so that
// the program needs no seam for this: what the program has written, and the
// front has not yet passed on at the death, is lost, as it is when the machine
// dies with the process.
//
// It promises nothing about what no socket shows: there is no kernel here that
// takes back memory, and the goroutines of the dead end only because nothing
// works for them any more. Whoever starts a program in a life must end its
// context and wait for it. Only test/crash/swarm imports this package.
package life
