package sweep

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// farthest is the longest distance between two looks at an order that waits.
const farthest = 30 * time.Minute

// item is an unfinished order that is to be looked at.
type item struct {
	key      string // "<tenant>/<order_id>"
	provider messages.Provider
	verb     messages.Verb // of the command that is due
	seq      uint64        // of its last event
	look     int64         // when it should be looked at
}

// index holds the unfinished orders, and how far EVENTS has been read.
type index struct {
	mu    sync.Mutex
	items store
	seq   uint64
	last  time.Time // when the event at seq was stored; zero if that is not known
	fence uint64    // of the bucket when it was begun; it does not change

	times order.Times
	grace time.Duration
	every time.Duration
}

func newIndex(times order.Times, grace, every time.Duration) *index {
	return &index{items: newStore(), times: times, grace: grace, every: every}
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
	key := make([]byte, 0, 160) // on the stack: a name has 129 at most
	key = append(append(append(key, a.Tenant...), '/'), a.OrderID...)
	if ended(a.Type) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if seq > x.seq {
			x.items.remove(key)
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
	x.keep(key, seq, e)
	return nil
}

// keep notes what an order waits for whose last event is at seq. The lock is held.
func (x *index) keep(key []byte, seq uint64, e *messages.Event) {
	// Seen from the moment it was written: whatever the event asked for must be
	// in the queue since then.
	due, unfinished := order.Next(e, x.times, e.Time)
	if !unfinished {
		x.items.remove(key)
		return
	}
	at := millis(due.At.Add(x.grace))
	x.items.put(key, entry{seq: seq, due: at, look: at, provider: code(providers, e.Provider), verb: code(verbs, due.Verb)})
}

// learn takes an order's last event as the ledger tells it, where the index was
// read beyond it and knows only of an earlier one: an older dispatcher, which
// could not read it, has saved the index. Of one farther on it is about to hear.
func (x *index) learn(it item, last *ledger.Entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if it.seq < last.Seq && last.Seq <= x.seq && x.entry(it) != nil {
		x.keep([]byte(it.key), last.Seq, last.Event)
	}
}

// suspects returns the orders to be looked at by now, longest overdue first.
func (x *index) suspects(now time.Time) []item {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []item
	for name, e := range x.items.all() {
		if e.look <= now.UnixMilli() {
			all = append(all, item{string(name), providers[e.provider], verbs[e.verb], e.seq, e.look})
		}
	}
	slices.SortFunc(all, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.look, b.look), strings.Compare(a.key, b.key))
	})
	return all
}

// entry finds what is kept of an order, nil where it has moved since.
func (x *index) entry(it item) *entry {
	if have := x.items.find([]byte(it.key)); have != nil && have.seq == it.seq {
		return have
	}
	return nil
}

// postpone puts the next look at an order twice as far away as the last one.
func (x *index) postpone(it item, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if have := x.entry(it); have != nil {
		step := min(max(2*time.Duration(have.step)*time.Millisecond, x.every), farthest)
		have.step = uint32(max(1, step.Milliseconds())) //nolint:gosec // half an hour at most
		have.look = millis(now.Add(step))
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
	if have := x.entry(it); have != nil {
		if have.absent++; have.absent >= gone {
			x.items.remove([]byte(it.key))
		}
	}
}

// driven starts the distances anew: the order has a command since now.
func (x *index) driven(it item, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if have := x.entry(it); have != nil {
		have.step, have.absent = 0, 0
		have.look = millis(now.Add(x.grace))
	}
}

// drop forgets an order that needs nothing any more.
func (x *index) drop(it item) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.entry(it) != nil {
		x.items.remove([]byte(it.key))
	}
}

// doubt makes every overdue order a suspect at once, however often it was
// found waiting before, if there are more of them than messages in the queue.
func (x *index) doubt(messages uint64, now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	overdue, far, at := uint64(0), false, now.UnixMilli()
	for _, e := range x.items.all() {
		if e.due <= at {
			overdue++
			far = far || e.step > 0 && e.look > at
		}
	}
	if overdue <= messages || !far {
		return false
	}
	for _, e := range x.items.all() {
		if e.step > 0 && e.due <= at { // the others are near, or were driven just now
			e.look, e.step = at, 0
		}
	}
	return true
}

// size is the number of unfinished orders.
func (x *index) size() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.items.size
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
