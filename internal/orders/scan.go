package orders

import (
	"container/heap"
	"math"
	"sort"

	"github.com/beltline-io/beltline/pkg/messages"
)

// wanted is a list that is asked for.
type wanted struct {
	messages.OrdersAsked
	before  int64   // stored no later than this, where OlderThan is given
	classes []class // whose rows may be in the list
	fitting []bool  // the same, by class
}

// list says what may be in a list, as far as rows tell.
func list(asked messages.OrdersAsked, before int64) wanted {
	w := wanted{OrdersAsked: asked, before: before, fitting: make([]bool, classes)}
	for c := range classes {
		k := c.kind()
		provider, state := providers[k.provider], states[k.state]
		w.fitting[c] = (w.Provider == "" || provider == w.Provider || k.provider == 0) &&
			(w.State == "" || state == w.State || k.state == untold) &&
			(w.NeedsOperator == nil || k.needs == unread || (k.needs == needsOne) == *w.NeedsOperator)
		if w.fitting[c] {
			w.classes = append(w.classes, c)
		}
	}
	return w
}

// fits reports whether a row may be in the list.
func (w *wanted) fits(r *row) bool {
	return w.fitting[r.class] && !r.gone() && (w.OlderThan <= 0 || r.at <= w.before)
}

// fitsSome reports whether any row of a chunk may be: of a million orders those
// of a rare state are found by looking at few chunks.
func (w *wanted) fitsSome(c *chunk) bool {
	if w.OlderThan > 0 && c.since > w.before {
		return false
	}
	for _, k := range w.classes {
		if c.live[k] > 0 {
			return true
		}
	}
	return false
}

// fitsEvent reports whether an order is in the list, by its event.
func (w *wanted) fitsEvent(e *messages.Event) bool {
	return (w.Provider == "" || e.Provider == w.Provider) && (w.State == "" || e.State == w.State) &&
		(w.NeedsOperator == nil || e.NeedsOperator == *w.NeedsOperator)
}

// seen is a copy of a row.
type seen struct {
	row
	number uint32 // of the chunk where it lies
	era    int    // of the ledger that it is of
}

// scan returns copies of at most most rows that may be in the list, of those
// whose first event lies before a sequence, the last ones first. more is false
// when there are no others.
func (x *index) scan(w wanted, before uint64, most int) (found []seen, more bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var of heads
	begin := func(s *shelf) {
		if h := x.head(s, before); x.step(&h, &w) {
			of = append(of, h)
		}
	}
	if s := x.tenants[w.Tenant]; s != nil {
		begin(s)
	} else if w.Tenant == "" {
		for _, s := range x.tenants {
			begin(s)
		}
	}
	heap.Init(&of)
	for len(of) > 0 {
		if len(found) == most {
			return found, true
		}
		found = append(found, seen{*of[0].row, of[0].number, x.era})
		if x.step(&of[0], &w) {
			heap.Fix(&of, 0)
		} else {
			heap.Pop(&of)
		}
	}
	return found, false
}

// head goes through one tenant's rows, the last ones first.
type head struct {
	chunks []uint32 // not gone through yet
	rows   int      // of the last of them
	row    *row     // where it stands
	number uint32   // of the chunk of that
}

// head begins behind the last row of a tenant whose first event lies before a
// sequence.
func (x *index) head(s *shelf, before uint64) head {
	n := sort.Search(len(s.chunks), func(i int) bool { return x.chunks[s.chunks[i]].rows[0].first >= before })
	h := head{chunks: s.chunks[:n], rows: math.MaxInt}
	if n > 0 {
		h.rows, _ = x.chunks[s.chunks[n-1]].find(before)
	}
	return h
}

// step goes to the next row that may be in the list, and reports whether there
// is one.
func (x *index) step(h *head, w *wanted) bool {
	for n := len(h.chunks); n > 0; n = len(h.chunks) {
		h.number = h.chunks[n-1]
		c := x.chunks[h.number]
		if w.fitsSome(c) {
			for h.rows = min(h.rows, len(c.rows)); h.rows > 0; {
				h.rows--
				if h.row = &c.rows[h.rows]; w.fits(h.row) {
					return true
				}
			}
		}
		h.chunks, h.rows = h.chunks[:n-1], math.MaxInt
	}
	return false
}

// heads is a heap: the one that stands at the last order comes first.
type heads []head

func (h heads) Len() int           { return len(h) }
func (h heads) Less(i, j int) bool { return h[i].row.first > h[j].row.first }
func (h heads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is part of heap.Interface; nothing is pushed.
func (h *heads) Push(any) {}

// Pop takes the last one off.
func (h *heads) Pop() any {
	last := len(*h) - 1
	gone := (*h)[last]
	*h = (*h)[:last]
	return gone
}
