package sweep

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// farthest is the longest distance between two looks at an order that waits.
const farthest = 30 * time.Minute

// item is an unfinished order.
type item struct {
	key      string // "<tenant>/<order_id>"
	provider messages.Provider
	verb     messages.Verb // of the command that is due
	seq      uint64        // of its last event
	due      time.Time     // when it becomes a suspect
	look     time.Time     // when it is looked at next
	step     time.Duration
	absent   int // looks in a row that found no event of it in the ledger
}

// index holds the unfinished orders, and how far EVENTS has been read.
type index struct {
	mu    sync.Mutex
	items map[string]*item
	seq   uint64
	last  time.Time // when the event at seq was stored; zero if that is not known
	fence uint64    // of the bucket when it was begun; it does not change

	times order.Times
	grace time.Duration
	every time.Duration
}

func newIndex(times order.Times, grace, every time.Duration) *index {
	return &index{items: make(map[string]*item), times: times, grace: grace, every: every}
}

// ended reports whether an event of this type ends the order for good, so that
// its body need not be read. What has ended otherwise may still be watched.
func ended(t messages.Type) bool { return t == messages.Rejected || t == messages.Reversed }

// read takes the event at seq with its body. What is bought and for whom does
// not matter here, and would be most of the work.
func (x *index) read(seq uint64, a messages.EventAddress, body []byte) error {
	return x.apply(seq, a, func() (*messages.Event, error) { return messages.DecodeStanding(body) })
}

// apply takes the event at seq. The body is asked for only if it is needed.
func (x *index) apply(seq uint64, a messages.EventAddress, body func() (*messages.Event, error)) error {
	key := a.Tenant + "/" + a.OrderID
	if ended(a.Type) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if seq > x.seq {
			delete(x.items, key)
			x.seq, x.last = seq, time.Time{}
		}
		return nil
	}
	e, err := body()
	x.mu.Lock()
	defer x.mu.Unlock()
	if seq <= x.seq {
		return nil // the subscription was renewed and has begun a little too early
	}
	x.seq, x.last = seq, time.Time{}
	if err != nil {
		return err
	}
	// Seen from the moment it was written: whatever the event asked for must be
	// in the queue since then.
	due, unfinished := order.Next(e, x.times, e.Time)
	if !unfinished {
		delete(x.items, key)
		return nil
	}
	at := due.At.Add(x.grace)
	x.items[key] = &item{key: key, provider: e.Provider, verb: due.Verb, seq: seq, due: at, look: at}
	return nil
}

// suspects returns copies of the items to be looked at by now, longest overdue first.
func (x *index) suspects(now time.Time) []item {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []item
	for _, it := range x.items {
		if !it.look.After(now) {
			all = append(all, *it)
		}
	}
	slices.SortFunc(all, func(a, b item) int {
		if c := a.look.Compare(b.look); c != 0 {
			return c
		}
		return strings.Compare(a.key, b.key)
	})
	return all
}

// postpone puts the next look at an order twice as far away as the last one.
func (x *index) postpone(it item, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if have := x.items[it.key]; have != nil && have.seq == it.seq {
		have.step = min(max(2*have.step, x.every), farthest)
		have.look = now.Add(have.step)
	}
}

// gone is how many looks in a row must miss an order before it is forgotten.
const gone = 3

// missed counts a look that found no event of the order in the ledger. It may
// have been erased by an operator; but a server that is just closing its store
// says the same of an order that is there, so one look proves nothing.
func (x *index) missed(it item, now time.Time) {
	x.postpone(it, now)
	x.mu.Lock()
	defer x.mu.Unlock()
	if have := x.items[it.key]; have != nil && have.seq == it.seq {
		if have.absent++; have.absent >= gone {
			delete(x.items, it.key)
		}
	}
}

// driven starts the distances anew: the order has a command since now.
func (x *index) driven(it item, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if have := x.items[it.key]; have != nil && have.seq == it.seq {
		have.step, have.absent = 0, 0
		have.look = now.Add(x.grace)
	}
}

// drop forgets an order that needs nothing any more.
func (x *index) drop(it item) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if have := x.items[it.key]; have != nil && have.seq == it.seq {
		delete(x.items, it.key)
	}
}

// doubt makes every overdue order a suspect at once, however often it was
// found waiting before, if there are more of them than messages in the queue.
func (x *index) doubt(messages uint64, now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	overdue, far := uint64(0), false
	for _, it := range x.items {
		if !it.due.After(now) {
			overdue++
			far = far || it.step > 0 && it.look.After(now)
		}
	}
	if overdue <= messages || !far {
		return false
	}
	for _, it := range x.items {
		if it.step > 0 && !it.due.After(now) { // the others are near, or were driven just now
			it.look, it.step = now, 0
		}
	}
	return true
}

// size is the number of unfinished orders.
func (x *index) size() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.items)
}

// stored notes when the event at the end of the index was stored.
func (x *index) stored(seq uint64, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if seq == x.seq {
		x.last = at
	}
}

// end is the last event that was applied, and when it was stored.
func (x *index) end() (uint64, time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seq, x.last
}

// position is the sequence of the last event that was applied.
func (x *index) position() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seq
}
