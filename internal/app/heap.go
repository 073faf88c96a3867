package app

import "runtime/debug"

// mostBallast is how much the collector is made to believe in.
const mostBallast = 32 << 20

// ballast is memory that nobody ever touches, so that it costs address space
// and nothing else. The collector runs when the heap has doubled: with the ten
// megabytes that a worker lives on it would run many times a second under load,
// which was a seventh of all the computing that an order took.
var ballast []byte

// easeCollector takes the ballast, once for a process. It counts towards
// GOMEMLIMIT, so it stays far below that.
func easeCollector() {
	if ballast == nil {
		ballast = make([]byte, min(mostBallast, debug.SetMemoryLimit(-1)/8))
	}
}
