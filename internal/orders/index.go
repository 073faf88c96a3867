package orders

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
)

// needs is what is known of whether an order needs an operator.
type needs uint8

const (
	unread needs = iota // its event must be read to know
	needsNone
	needsOne
)

// row is what the index keeps of an order: where its last event is, and what
// the subjects of its events tell.
type row struct {
	tenant, id string
	provider   messages.Provider
	state      messages.Type // "" where no event has told it
	first      uint64        // sequence of its first event: the order of the list
	seq        uint64        // of its last event
	at         int64         // when that was stored, in nanoseconds since 1970
	born       int64         // when its first event was stored
	needs      needs
	late       bool // some late evidence has come: any event may need an operator
	absent     int  // looks in a row that did not find its event
	gone       bool
}

// goneAfter is how many looks in a row must miss an event before its order is taken
// to be erased: a server that is closing its store says the same of what is there.
const goneAfter = 3

// index holds a row for each order of the ledger, so that a list costs nothing
// but the events that it shows. It is made from the subjects of the events
// alone, and is safe for concurrent use.
type index struct {
	mu       sync.Mutex
	all      []*row // by first
	tenants  map[string]*shelf
	seq      uint64
	passed   uint64 // sequences that will not come any more
	caughtUp bool
	erased   int
	moved    chan struct{} // closed and replaced when any of these changes
}

// shelf is one tenant's part.
type shelf struct {
	name string
	rows []*row // by first
	byID map[string]*row
}

func newIndex() *index {
	return &index{tenants: make(map[string]*shelf), moved: make(chan struct{})}
}

func (x *index) tell() {
	close(x.moved)
	x.moved = make(chan struct{})
}

// reset forgets everything: the ledger is another one.
func (x *index) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all, x.tenants, x.seq, x.passed, x.caughtUp, x.erased = nil, make(map[string]*shelf), 0, 0, false, 0
	x.tell()
}

// apply takes an event's subject in.
func (x *index) apply(seq uint64, a messages.EventAddress, stored time.Time, last bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if seq > x.seq {
		x.seq = seq
		x.enter(seq, a, stored)
	}
	if last {
		x.caughtUp = true
	}
	x.tell()
}

func (x *index) enter(seq uint64, a messages.EventAddress, stored time.Time) {
	s := x.tenants[a.Tenant]
	if s == nil {
		s = &shelf{name: strings.Clone(a.Tenant), byID: make(map[string]*row)}
		x.tenants[s.name] = s
	}
	r := s.byID[a.OrderID]
	if r == nil {
		r = &row{tenant: s.name, id: strings.Clone(a.OrderID), first: seq, born: stored.UnixNano()} // clones: not the whole subject
		s.byID[r.id] = r
		s.rows = append(s.rows, r)
		x.all = append(x.all, r)
	}
	r.seq, r.at, r.absent = seq, stored.UnixNano(), 0
	if i := slices.Index(messages.Providers(), a.Provider); i >= 0 {
		r.provider = messages.Providers()[i]
	}
	if i := slices.Index(messages.States(), a.Type); i >= 0 {
		r.state = messages.States()[i]
	}
	r.late = r.late || a.Type == messages.LateEvidence
	r.needs = needsNone
	if r.late || r.state == messages.Unresolved || r.state == "" {
		r.needs = unread
	}
}

// idle notes that no event is on its way.
func (x *index) idle() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.caughtUp = true
	x.tell()
}

// pass notes that nothing up to seq will come any more: it was erased.
func (x *index) pass(seq uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.passed = max(x.passed, seq)
}

// knows reports whether the index has seen everything up to seq, and whether it
// has ever caught up; changed is closed when that may be different.
func (x *index) knows(seq uint64) (all, ever bool, changed <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return max(x.seq, x.passed) >= seq, x.caughtUp, x.moved
}

func (x *index) position() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seq
}

// wanted is a list that is asked for.
type wanted struct {
	messages.OrdersAsked
	before int64 // stored no later than this, where OlderThan is given
}

// fits reports whether a row may be in the list, as far as the row tells.
func (w wanted) fits(r *row) bool {
	switch {
	case r.gone, w.Provider != "" && r.provider != w.Provider && r.provider != "":
		return false
	case w.State != "" && r.state != w.State && r.state != "":
		return false
	case w.OlderThan > 0 && r.at > w.before:
		return false
	case w.NeedsOperator == nil, r.needs == unread:
		return true
	default:
		return (r.needs == needsOne) == *w.NeedsOperator
	}
}

// fitsEvent reports whether an order is in the list, by its event.
func (w wanted) fitsEvent(e *messages.Event) bool {
	return (w.Provider == "" || e.Provider == w.Provider) && (w.State == "" || e.State == w.State) &&
		(w.NeedsOperator == nil || e.NeedsOperator == *w.NeedsOperator)
}

// scan returns copies of at most most rows that may be in the list, of those
// whose first event lies before a sequence, the last ones first. more is false
// when there are no others.
func (x *index) scan(w wanted, before uint64, most int) (found []row, more bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	rows := x.all
	if w.Tenant != "" {
		s := x.tenants[w.Tenant]
		if s == nil {
			return nil, false
		}
		rows = s.rows
	}
	i := sort.Search(len(rows), func(i int) bool { return rows[i].first >= before })
	for i--; i >= 0; i-- {
		if !w.fits(rows[i]) {
			continue
		}
		if len(found) == most {
			return found, true
		}
		found = append(found, *rows[i])
	}
	return found, false
}

// learned notes what reading an event has told; nil for one that is not there.
func (x *index) learned(r row, e *messages.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.tenants[r.tenant]
	if s == nil {
		return
	}
	have := s.byID[r.id]
	if have == nil || have.seq != r.seq {
		return // it has moved since
	}
	if e == nil {
		if have.absent++; have.absent >= goneAfter {
			have.gone = true
			delete(s.byID, r.id)
			x.erased++
			x.compact()
		}
		return
	}
	have.absent, have.state, have.needs = 0, e.State, needsNone
	if e.NeedsOperator {
		have.needs = needsOne
	}
}

// compact drops erased rows when they are many.
func (x *index) compact() {
	if x.erased < 1000 || x.erased < len(x.all)/4 {
		return
	}
	erased := func(r *row) bool { return r.gone }
	x.all, x.erased = slices.DeleteFunc(x.all, erased), 0
	for _, s := range x.tenants {
		s.rows = slices.DeleteFunc(s.rows, erased)
	}
}

// size is the number of orders.
func (x *index) size() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.all) - x.erased
}
