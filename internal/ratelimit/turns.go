package ratelimit

import (
	"slices"
	"time"
)

// note is what a permit bears in its body, and what a replica that begins to
// wait tells the others. It orders replicas among themselves and has no say in
// what is granted.
type note struct {
	Use string `json:"use,omitempty"` // of a permit; people look at it
	By  string `json:"by"`
	// Next names the replicas that wait, in the order in which they take turns.
	// A permit that was taken out of turn has none.
	Next []string `json:"next,omitempty"`
	// Turn says that the permit was taken in turn, and so that Next counts.
	Turn bool `json:"turn,omitempty"`
}

// turns is the order in which the replicas that wait take the permits that
// free. The one that takes a permit writes into it who is next, so all agree
// without asking. It is not safe for concurrent use.
type turns struct {
	self  string
	order []string
	calls []string  // those that called since the last permit in turn
	moved time.Time // when that was, by our clock
	told  time.Time // when this replica called last
}

// most bounds the order: a permit stays a short message.
const mostTurns = 256

// rank is how many replicas go before this one.
func (t *turns) rank() int {
	if i := slices.Index(t.order, t.self); i >= 0 {
		return i
	}
	return len(t.order)
}

// mayCall reports whether this replica is to tell the others that it waits, and
// takes that in. It hears its own calls, and thinks again for each: without a
// pause it would call without end where the order has no place for it.
func (t *turns) mayCall(now time.Time) bool {
	if slices.Contains(t.order, t.self) || now.Sub(t.told) < nap {
		return false
	}
	t.told = now
	t.called(t.self)
	return true
}

// called takes in that a replica has begun to wait.
func (t *turns) called(by string) {
	if by != "" && !slices.Contains(t.order, by) && len(t.order) < mostTurns {
		t.order = append(t.order, by)
		t.calls = append(t.calls, by)
	}
}

// passed takes in a permit that was taken in turn. Who called at the same time
// may not have been known to its taker, and keeps a place at the end.
func (t *turns) passed(n note) {
	t.order = slices.DeleteFunc(slices.Clone(n.Next), func(s string) bool { return s == "" })
	t.order = t.order[:min(len(t.order), mostTurns)]
	for _, by := range t.calls {
		if by != n.By && len(t.order) < mostTurns && !slices.Contains(t.order, by) {
			t.order = append(t.order, by)
		}
	}
	t.calls = t.calls[:0]
}

// take returns the order after this replica's turn: those before it did not
// take theirs, and are dropped until they call again. These are all of them
// where it has no place. again: it wants another.
func (t *turns) take(again bool) (next []string) {
	if i := slices.Index(t.order, t.self); i >= 0 {
		next = slices.Clone(t.order[i+1:])
	}
	// Where there are more replicas than places it leaves its place to those that
	// have none, and calls again.
	if again && len(next) < mostTurns-1 {
		next = append(next, t.self)
	}
	return next
}
