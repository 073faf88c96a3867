package orders

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Index is the index without a ledger.
type Index struct{ x *index }

// NewIndex returns an empty one.
func NewIndex() Index { return Index{newIndex()} }

// Apply takes an event in.
func (i Index) Apply(seq uint64, tenant, id string, p messages.Provider, typ messages.Type) {
	i.x.apply(seq, messages.EventAddress{Provider: p, Tenant: tenant, OrderID: id, Type: typ}, time.Now(), false)
}

// Size is the number of orders.
func (i Index) Size() int { return i.x.size() }

// Scan returns the keys of rows that may be in a list.
func (i Index) Scan(asked messages.OrdersAsked, before uint64, most int) (keys []string, more bool) {
	rows, more := i.x.scan(wanted{OrdersAsked: asked, before: time.Now().UnixNano()}, before, most)
	for _, r := range rows {
		keys = append(keys, r.tenant+"/"+r.id)
	}
	return keys, more
}

// CountOnce counts now.
func (r *Reader) CountOnce(ctx context.Context, reg prometheus.Registerer) {
	newCensus(r, reg).once(ctx)
}

// Known is the number of orders that the reader has read of.
func (r *Reader) Known() int { return r.index.size() }
