package forget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	heartbeat = 5 * time.Second
	// tellEvery is how many events are read between two words on the progress.
	tellEvery = 1000
)

// row is an order of the ledger.
type row struct {
	tenant, id string
	provider   messages.Provider
	state      messages.Type
	seqs       []uint64 // of its events, but for the tombstone
	stored     time.Time
	tombstone  uint64 // its sequence, 0 for none
}

func (r *row) last() uint64 { return r.seqs[len(r.seqs)-1] }

// Found is what a look at the whole ledger has found.
type Found struct {
	// Events is how many events the orders have that are to be forgotten.
	Events int
	// Kept are orders that are old enough and must be kept, by the reason.
	Kept map[string]int

	orders []*row
	left   []*row // forgotten, and not erased altogether
}

// Orders is how many orders are to be forgotten.
func (f *Found) Orders() int { return len(f.orders) }

// Left is how many orders an earlier run has forgotten and not erased.
func (f *Found) Left() int { return len(f.left) }

// Each names what is to be forgotten, the oldest first.
func (f *Found) Each(next func(tenant, id string, provider messages.Provider, state messages.Type, stored time.Time)) {
	for _, r := range f.orders {
		next(r.tenant, r.id, r.provider, r.state, r.stored)
	}
}

// Find reads the ledger and looks at each order that may be forgotten. It reads
// all of it, whatever was asked for: what earlier runs have left is found by it.
func (e *Eraser) Find(ctx context.Context) (*Found, error) {
	rows, err := e.scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("forget: the ledger was not read: %w", err)
	}
	found := &Found{Kept: map[string]int{}}
	before := e.o.Now().Add(-e.o.OlderThan)
	var old []*row
	for _, r := range rows {
		switch {
		case r.tombstone > 0 && len(r.seqs) > 0:
			found.left = append(found.left, r)
		case r.tombstone > 0, r.stored.After(before), r.state != "" && !r.state.Terminal():
		case e.o.Tenant != "" && r.tenant != e.o.Tenant, e.o.Provider != "" && r.provider != e.o.Provider:
		default:
			old = append(old, r)
		}
	}
	byAge := func(a, b *row) int { return a.stored.Compare(b.stored) }
	slices.SortFunc(found.left, func(a, b *row) int { return int(a.tombstone) - int(b.tombstone) }) //nolint:gosec // no stream has 2^63 events
	slices.SortFunc(old, byAge)
	for i, r := range old {
		e.o.Progress(Progress{Doing: "checking", Done: uint64(i), Of: uint64(len(old))}) //nolint:gosec // small
		last, err := e.ledger.Last(ctx, r.tenant, r.id)
		if err != nil {
			return nil, fmt.Errorf("forget: %w", err)
		}
		err = order.Forgettable(last.Event, e.o.Now())
		switch {
		case last.Seq != r.last():
			found.Kept["it has moved"]++
		case err != nil:
			found.Kept[strings.TrimPrefix(err.Error(), order.ErrKept.Error()+": ")]++
		default:
			found.orders = append(found.orders, r)
			found.Events += len(r.seqs)
		}
	}
	return found, nil
}

// scan reads the subjects of all events that were stored before it began.
func (e *Eraser) scan(ctx context.Context) (map[string]*row, error) {
	info, err := e.stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	rows := make(map[string]*row)
	if info.State.Msgs == 0 {
		return rows, nil
	}
	c, err := e.js.OrderedConsumer(ctx, messages.StreamEvents, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverAllPolicy, HeadersOnly: true,
	})
	if err != nil {
		return nil, err
	}
	events, err := c.Messages(jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return nil, err
	}
	defer events.Stop()
	for read := uint64(0); ; read++ {
		msg, err := events.Next(jetstream.NextContext(ctx))
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue // the client subscribes again by itself
		}
		if err != nil {
			return nil, err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return nil, err
		}
		if err := enter(rows, msg.Subject(), meta); err != nil {
			return nil, err
		}
		if read%tellEvery == 0 {
			e.o.Progress(Progress{Doing: "reading", Done: read, Of: info.State.Msgs})
		}
		if meta.NumPending == 0 || meta.Sequence.Stream >= info.State.LastSeq {
			return rows, nil
		}
	}
}

// enter notes an event. One whose subject is no event's ends the run: it could
// not be told whose it is.
func enter(rows map[string]*row, subject string, meta *jetstream.MsgMetadata) error {
	a, err := messages.ParseEventSubject(subject)
	if err != nil {
		return err
	}
	key := a.Tenant + "/" + a.OrderID
	r := rows[key]
	if r == nil {
		r = &row{tenant: strings.Clone(a.Tenant), id: strings.Clone(a.OrderID)}
		rows[key] = r
	}
	if n := len(r.seqs); n > 0 && r.seqs[n-1] >= meta.Sequence.Stream {
		return nil // read again after the subscription was renewed
	}
	r.stored = meta.Timestamp
	r.provider = messages.Provider(strings.Clone(string(a.Provider)))
	if a.Type == messages.Forgotten {
		r.tombstone = meta.Sequence.Stream
		return nil
	}
	r.seqs = append(r.seqs, meta.Sequence.Stream)
	if a.Type.ChangesState() {
		r.state = messages.Type(strings.Clone(string(a.Type)))
	}
	return nil
}
