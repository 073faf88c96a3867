// Package messages is the wire contract of Beltline, version 1: the subjects,
// the orders that upstream systems submit, the commands between dispatcher and
// workers, the events that upstream follows, and the headers of dead letters.
//
// It promises that orders are decoded strictly and completely: [DecodeOrder]
// names every fault at once, each with its JSON pointer. Events are decoded
// leniently: unknown fields and types are for newer readers.
//
// It never imports NATS or a logger, so that any program may use it.
package messages
