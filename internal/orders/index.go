package orders

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/beltline-io/beltline/internal/places"
	"github.com/beltline-io/beltline/pkg/messages"
)

// index holds a row for each order of the ledger, so that a list costs nothing
// but the events that it shows. It is made from the subjects of the events
// alone, and is safe for concurrent use.
type index struct {
	seeds [2]maphash.Seed
	bits  uint // how many bits of a place say which row of its chunk is meant

	mu       sync.Mutex
	chunks   []*chunk // by number; nil where there is none any more
	free     []uint32 // the numbers of those
	tenants  map[string]*shelf
	table    places.Table // where the order of a digest lies
	orders   int
	era      int // how many ledgers there were before this one
	seq      uint64
	passed   uint64 // sequences that will not come any more
	caughtUp bool
	moved    chan struct{} // closed when any of these changes; nil while nobody waits
}

func newIndex() *index {
	return &index{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, bits: rowBits,
		tenants: make(map[string]*shelf),
	}
}

// digest stands for an order's name: 128 bits that nobody can foresee, so that no
// two of any number of orders share them by chance, and none on purpose.
type digest [2]uint64

func (x *index) digest(tenant, id string) digest {
	name := make([]byte, 0, 160) // on the stack: a name has 129 at most
	name = append(append(append(name, tenant...), '/'), id...)
	return digest{maphash.Bytes(x.seeds[0], name), maphash.Bytes(x.seeds[1], name)}
}

func (x *index) tell() {
	if x.moved != nil {
		close(x.moved)
		x.moved = nil
	}
}

// reset forgets everything: the ledger is another one.
func (x *index) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.chunks, x.free, x.tenants, x.table, x.orders = nil, nil, make(map[string]*shelf), places.Table{}, 0
	x.era, x.seq, x.passed, x.caughtUp = x.era+1, 0, 0, false
	x.tell()
}

// apply takes an event's subject in.
func (x *index) apply(seq uint64, a messages.EventAddress, stored time.Time, last bool) {
	name := x.digest(a.Tenant, a.OrderID)
	x.mu.Lock()
	defer x.mu.Unlock()
	if seq > x.seq {
		x.seq = seq
		x.enter(seq, name, a, stored)
	}
	if last {
		x.caughtUp = true
	}
	x.tell()
}

func (x *index) enter(seq uint64, name digest, a messages.EventAddress, stored time.Time) {
	place, known := x.table.Find(name[0], func(place uint32) bool {
		_, r := x.at(place)
		return r.digest == name
	})
	if known {
		c, r := x.at(place)
		c.turn(r, r.follow(seq, a, stored))
		c.since = min(c.since, r.at)
		return
	}
	r := row{digest: name, first: seq, born: seconds(stored)}
	r.class = r.follow(seq, a, stored)
	number, c := x.room(a.Tenant)
	if len(c.rows) == 0 {
		c.since = r.at
	}
	c.since = min(c.since, r.at)
	c.push(r, 1<<x.bits)
	x.table.Add(name[0], x.place(number, len(c.rows)-1))
	x.orders++
}

// seconds is a moment as a row has it. The server's clock says it, and may be
// very wrong.
func seconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), 1<<32-1)) //nolint:gosec // it is between
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
	if x.moved == nil {
		x.moved = make(chan struct{})
	}
	return max(x.seq, x.passed) >= seq, x.caughtUp, x.moved
}

func (x *index) position() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seq
}

// learned notes what reading an event has told; nil for one that is not there.
func (x *index) learned(r seen, e *messages.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.era != x.era || x.chunks[r.number] == nil {
		return // of a ledger before, or erased
	}
	c := x.chunks[r.number]
	i, ok := c.find(r.first)
	if !ok || c.rows[i].seq != r.seq || c.rows[i].gone() {
		return // it has moved since
	}
	have := &c.rows[i]
	if e == nil {
		if have.absent++; have.gone() {
			c.erase(have)
			x.table.Remove(have.digest[0], x.place(r.number, i))
			x.orders--
			x.compact(r.number)
		}
		return
	}
	have.absent = 0
	c.turn(have, have.class.kind().told(e).class())
}

// size is the number of orders.
func (x *index) size() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.orders
}
