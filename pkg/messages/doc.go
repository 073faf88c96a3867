// Package messages is the wire contract of Beltline, version 1: the subjects,
// the orders that upstream systems submit, the commands between dispatcher and
// workers, the events that upstream follows, and the headers of dead letters.
//
// It promises that orders are decoded strictly and completely: [DecodeOrder]
// names every fault at once, each with its JSON pointer. Events are decoded
// leniently: unknown fields and types are for newer readers.
//
// Decoder and JSON Schemas ([Schemas]) are made from the same tables, so that
// neither can promise what the other does not keep. A body that was once
// accepted keeps its meaning: the golden files of a version are never changed.
//
// It never imports NATS or a logger, and never does any I/O. Every program may
// import it, upstream's as well.
package messages
