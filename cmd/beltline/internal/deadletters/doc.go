// Package deadletters reads the dead letters of a server, sends them back to
// where they came from, and takes them out.
//
// It promises that a letter which is sent back leaves the stream only after the
// server has stored it where it goes; that what goes back is the letter's own
// body, to the letter, and never one that was cut; and that nothing is sent to
// a subject that the letter's origin does not name, or that is not of the
// contract. To send a letter back is safe however often it is done: an order's
// identity and a command's event are looked up in the ledger, which decides.
//
// It never judges whether a letter would be accepted now, and never publishes
// to COMMANDS by itself: internal/queue does.
//
// Only cmd/beltline imports it.
package deadletters
