package life

import (
	"fmt"
	"sync/atomic"
)

// Point is a place beside which a life can end.
type Point int

// The points. A read is one whose bytes have arrived and are not delivered.
const (
	BeforeNATSWrite Point = iota
	AfterNATSWrite
	BeforeNATSRead
	BeforeHTTPWrite
	AfterHTTPWrite
	BeforeHTTPRead
	points
)

// Points lists all points.
func Points() []Point {
	all := make([]Point, points)
	for i := range all {
		all[i] = Point(i)
	}
	return all
}

// String names the point.
func (p Point) String() string {
	return [points]string{
		"before a write to NATS", "after a write to NATS", "before a read from NATS",
		"before a request", "after a request", "before an answer",
	}[p]
}

// trigger ends a life when it comes to a point for the n-th time from now.
type trigger struct {
	point Point
	left  atomic.Int64
}

// DieAt lets the life end when it comes to the point for the n-th time from now.
// It takes the place of any earlier wish.
func (l *Life) DieAt(p Point, n int) {
	t := &trigger{point: p}
	t.left.Store(int64(max(n, 1)))
	l.trigger.Store(t)
}

// pass is called at each point. It reports whether the life goes on.
func (l *Life) pass(p Point) bool {
	if l.dead.Load() {
		return false
	}
	if t := l.trigger.Load(); t != nil && t.point == p && t.left.Add(-1) == 0 {
		l.Die(fmt.Sprint(p))
		return false
	}
	return true
}
