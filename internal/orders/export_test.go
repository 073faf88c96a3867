package orders

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Index is the index without a ledger.
type Index struct {
	x     *index
	names map[uint64]string // of the orders, by the sequences of their events
}

// NewIndex returns an empty one.
func NewIndex() Index { return Index{newIndex(), make(map[uint64]string)} }

// NewIndexOfSmallChunks returns an empty one whose chunks hold four rows.
func NewIndexOfSmallChunks() Index {
	i := NewIndex()
	i.x.bits = 2
	return i
}

// Apply takes an event in.
func (i Index) Apply(seq uint64, tenant, id string, p messages.Provider, typ messages.Type) {
	i.TakeNamed(seq, messages.EventAddress{Provider: p, Tenant: tenant, OrderID: id, Type: typ}, time.Now())
}

// TakeNamed takes an event in and remembers its order's name.
func (i Index) TakeNamed(seq uint64, a messages.EventAddress, stored time.Time) {
	i.names[seq] = a.Tenant + "/" + a.OrderID
	i.Take(seq, a, stored)
}

// Take takes an event in, as the follower does.
func (i Index) Take(seq uint64, a messages.EventAddress, stored time.Time) {
	i.x.apply(seq, a, stored, false)
}

// Size is the number of orders.
func (i Index) Size() int { return i.x.size() }

// Scan returns the keys of rows that may be in a list.
func (i Index) Scan(asked messages.OrdersAsked, before uint64, most int) (keys []string, more bool) {
	rows, more := i.Look(asked, time.Now(), before, most)
	for _, r := range rows {
		keys = append(keys, r.Key)
	}
	return keys, more
}

// Seen is a row that may be in a list.
type Seen struct {
	Key        string
	First, Seq uint64
	r          seen
}

// Look returns the rows that may be in a list, of events that were stored no
// later than a moment if it has OlderThan.
func (i Index) Look(asked messages.OrdersAsked, stored time.Time, before uint64, most int) (all []Seen, more bool) {
	rows, more := i.x.scan(list(asked, stored.UnixNano()), before, most)
	for _, r := range rows {
		all = append(all, Seen{i.names[r.seq], r.first, r.seq, r})
	}
	return all, more
}

// Learned notes what reading the row's event has told; nil for nothing there.
func (i Index) Learned(s Seen, e *messages.Event) { i.x.learned(s.r, e) }

// Reset forgets everything.
func (i Index) Reset() {
	clear(i.names)
	i.x.reset()
}

// Room is what an index has memory for.
type Room struct{ Rows, Chunks, Tenants, Digests int }

// Room tells it.
func (i Index) Room() Room {
	r := Room{Chunks: len(i.x.chunks), Tenants: len(i.x.tenants), Digests: i.x.table.Len()}
	for _, c := range i.x.chunks {
		if c != nil {
			r.Rows += cap(c.rows)
		}
	}
	return r
}

// Counted is what a count tells.
type Counted struct {
	Orders, Needy map[string]int
	Oldest        map[string]int64
	Unread        []uint64 // the sequences of events that must be read
}

// Count counts once.
func (i Index) Count() Counted {
	n, c := i.x.count(), Counted{map[string]int{}, map[string]int{}, map[string]int64{}, nil}
	for at, orders := range n.orders {
		c.Orders[string(at.provider)+" "+string(at.state)] = orders
	}
	for at, born := range n.oldest {
		c.Oldest[string(at.provider)+" "+string(at.state)] = born.Unix()
	}
	for p, needy := range n.needy {
		c.Needy[string(p)] = needy
	}
	for _, r := range n.unread {
		c.Unread = append(c.Unread, r.seq)
	}
	slices.Sort(c.Unread)
	return c
}

// CountOnce counts now.
func (r *Reader) CountOnce(ctx context.Context, reg prometheus.Registerer) {
	newCensus(r, reg).once(ctx)
}

// Known is the number of orders that the reader has read of.
func (r *Reader) Known() int { return r.index.size() }
