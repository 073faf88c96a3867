package client

import "github.com/beltline-io/beltline/pkg/messages"

// remembered is of how many orders a watch knows at least what it has told.
const remembered = 20_000

// told knows which events a watch has yielded. An event is (order, n), and may
// stand in a stream, or come, more than once. Orders that are long silent are
// forgotten, so that a watch may run for years.
type told struct{ young, old map[string]uint64 }

// first reports whether the event is the first one of its number.
func (t *told) first(e *messages.Event) bool {
	n, known := t.young[e.OrderID]
	if !known {
		n, known = t.old[e.OrderID]
	}
	if known && e.N <= n {
		return false
	}
	if t.young == nil || len(t.young) >= remembered {
		t.old, t.young = t.young, make(map[string]uint64)
	}
	t.young[e.OrderID] = e.N
	return true
}
