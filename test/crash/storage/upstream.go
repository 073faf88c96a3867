package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// handIn hands n more orders in, beside everything else: as a careful upstream
// does, again and again until the stream has them.
func (t *trial) handIn(n int) {
	for range n {
		t.mu.Lock()
		i := newItem(t.random, len(t.items))
		t.items = append(t.items, i)
		t.mu.Unlock()
		t.handing.Go(func() {
			t.publish(t.life, "orders."+tenant+".submit", i.body)
			t.mu.Lock()
			defer t.mu.Unlock()
			i.acked = true
		})
	}
}

// handInFresh hands orders in that nothing has happened to.
func (t *trial) handInFresh(n int) {
	before := len(t.known())
	t.handIn(n)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, i := range t.items[before:] {
		i.fresh = true
	}
}

// handInNonsense hands in what becomes dead letters.
func (t *trial) handInNonsense(ctx context.Context, n int) error {
	for range n {
		t.publish(ctx, "orders."+tenant+".submit", []byte("{"))
		t.nonsense++
	}
	return ctx.Err()
}

func (t *trial) publish(ctx context.Context, subject string, body []byte) {
	for ctx.Err() == nil {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		reply, err := t.nc.RequestWithContext(once, subject, body)
		cancel()
		var ack struct {
			Stream    string
			Duplicate bool
			Error     *struct{ Description string }
		}
		if err == nil && json.Unmarshal(reply.Data, &ack) == nil && ack.Error == nil && !ack.Duplicate && ack.Stream != "" {
			return
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// awaitSold waits until the shops have sold n things, or for a while: where the
// store is full they may never.
func (t *trial) awaitSold(ctx context.Context, n int) {
	limited, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	for t.shops.sold() < n && pause(limited, 5*time.Millisecond) {
	}
}

// last is what is read of an order's last event.
type last struct {
	State         messages.Type `json:"state"`
	Terminal      bool          `json:"terminal"`
	NeedsOperator bool          `json:"needs_operator"`
	N             int           `json:"n"`
}

func lastOf(ctx context.Context, events jetstream.Stream, id string) (last, error) {
	var l last
	m, err := events.GetLastMsgForSubject(ctx, messages.OrderEvents(tenant, id))
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal(m.Data, &l)
}

// provider is one by seed.
func (t *trial) provider() messages.Provider {
	all := messages.Providers()
	return all[t.random.IntN(len(all))]
}
