// Package service is the shell of the NATS micro services: it receives
// questions, answers each in its own goroutine, and says what went wrong.
//
// It promises that every question gets an answer, whatever happens while it is
// worked on; that an error bears its number and a line in the headers, and all
// that is known in a body of JSON; that each endpoint says in its metadata what
// may be asked and what is answered, as JSON Schemas; that all replicas share
// the questions (one answers each); and that Stop waits for what is under way.
//
// It never tells what went wrong inside: that is for our log. It knows nothing
// of orders and providers.
//
// The packages that serve something import it.
package service
