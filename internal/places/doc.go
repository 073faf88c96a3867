// Package places finds where in memory a thing lies, by a digest of its name,
// for indexes that hold a million of them.
//
// It promises that a [Table] keeps 9 to 18 bytes for each place that it was told
// (to half full, down from seven eighths) and gives memory back as places go; that
// nothing in it is a pointer to a thing, so that the garbage collector has nothing
// to follow; and that no call moves more than one part in 256 of what it holds, so
// that nobody waits for a whole table to be copied.
//
// It never keeps a name: whoever asks compares what lies at the place, and two
// names with one digest are only looked at one after the other. It knows nothing
// of orders, and is not safe for concurrent use.
//
// The indexes of the dispatcher import it: those of lists and of the sweeper.
package places
