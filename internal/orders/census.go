package orders

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	// countEvery is the time between two counts.
	countEvery = 15 * time.Second
	// countAtOnce is how many chunks are counted without letting events in between.
	countAtOnce = 20
	// readEach is how many events one count may read to find out whether their
	// orders need an operator.
	readEach = 200
)

// census counts the orders for the metrics, by what the index knows of them.
// Every dispatcher counts all orders of the ledger, so their figures are not to
// be added up.
type census struct {
	r      *Reader
	orders *prometheus.GaugeVec
	oldest *prometheus.GaugeVec
	needy  *prometheus.GaugeVec
}

func newCensus(r *Reader, reg prometheus.Registerer) *census {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "beltline", Subsystem: "orders", Name: name, Help: help}, labels)
	}
	c := &census{
		r:      r,
		orders: gauge("in_state", "Orders in the ledger, by provider and state. Each dispatcher tells all of them.", "provider", "state"),
		oldest: gauge("oldest_unfinished_seconds", "Age of the oldest order that has not ended, by provider and state; 0 for none.", "provider", "state"),
		needy:  gauge("needing_operator", "Orders that wait for an operator's decision.", "provider"),
	}
	reg.MustRegister(c.orders, c.oldest, c.needy)
	return c
}

// run counts until ctx ends.
func (c *census) run(ctx context.Context) {
	for {
		pause(ctx, countEvery)
		if ctx.Err() != nil {
			return
		}
		c.once(ctx)
	}
}

func (c *census) once(ctx context.Context) {
	n := c.r.index.count()
	if len(n.unread) > 0 {
		c.settle(ctx, n.unread)
		n = c.r.index.count()
	}
	c.publish(n)
}

// settle reads the events of orders of which only that tells whether they need
// an operator.
func (c *census) settle(ctx context.Context, rows []seen) {
	for _, row := range rows {
		entry, err := c.r.ledger.At(ctx, row.seq)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			continue // the next count reads it, or a list
		}
		c.r.index.learned(row, entry.Event)
	}
}

// standing is what was counted of one provider and state.
type standing struct {
	provider messages.Provider
	state    messages.Type
}

// counted is the result of a count.
type counted struct {
	orders map[standing]int
	oldest map[standing]time.Time
	needy  map[messages.Provider]int
	unread []seen // of which only their event tells whether they need an operator
}

func (c *census) publish(n counted) {
	now := c.r.now()
	for _, p := range append([]messages.Provider{messages.NoProvider}, messages.Providers()...) {
		for _, state := range messages.States() {
			at := standing{p, state}
			c.orders.WithLabelValues(string(p), string(state)).Set(float64(n.orders[at]))
			if state.Terminal() {
				continue
			}
			age := 0.0
			if born, ok := n.oldest[at]; ok {
				age = max(0, now.Sub(born).Seconds())
			}
			c.oldest.WithLabelValues(string(p), string(state)).Set(age)
		}
		c.needy.WithLabelValues(string(p)).Set(float64(n.needy[p]))
	}
}

// count counts all rows. It lets events in between, so a count of an index that
// moves is one of slightly different moments.
func (x *index) count() counted {
	n := &counted{orders: map[standing]int{}, oldest: map[standing]time.Time{}, needy: map[messages.Provider]int{}}
	for from, more := 0, true; more; from += countAtOnce {
		more = x.countSome(from, n)
	}
	return *n
}

func (x *index) countSome(from int, n *counted) (more bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for number := from; number < min(from+countAtOnce, len(x.chunks)); number++ {
		if c := x.chunks[number]; c != nil && n.chunk(c) {
			n.rows(c, seen{number: uint32(number), era: x.era}) //nolint:gosec // the number of a chunk
		}
	}
	return from+countAtOnce < len(x.chunks)
}

// chunk counts the rows of a chunk, and reports whether it must be asked about
// each: where all orders have ended, nothing more is to be known of them.
func (n *counted) chunk(c *chunk) (each bool) {
	for class := range classes {
		live, k := int(c.live[class]), class.kind()
		if live == 0 || k.state == untold {
			continue
		}
		at := k.standing()
		n.orders[at] += live
		if k.needs == needsOne {
			n.needy[at.provider] += live
		}
		each = each || k.needs == unread || !at.state.Terminal()
	}
	return each
}

// rows looks for the oldest orders that have not ended, and for those whose
// events must be read. In says where the rows are.
func (n *counted) rows(c *chunk, in seen) {
	for i := range c.rows {
		r := &c.rows[i]
		k := r.class.kind()
		if r.gone() || k.state == untold {
			continue
		}
		if k.needs == unread && len(n.unread) < readEach {
			in.row = *r
			n.unread = append(n.unread, in)
		}
		at := k.standing()
		if at.state.Terminal() {
			continue
		}
		born := time.Unix(int64(r.born), 0)
		if have, ok := n.oldest[at]; !ok || born.Before(have) {
			n.oldest[at] = born
		}
	}
}

func (k kind) standing() standing {
	p := providers[k.provider]
	if p == "" {
		p = messages.NoProvider
	}
	return standing{p, states[k.state]}
}
