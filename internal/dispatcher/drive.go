package dispatcher

import (
	"context"
	"encoding/json"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// driveNow puts what the order needs next into the queue, due at once: for an
// order that is new, or overdue with nothing in the queue.
func (d *Dispatcher) driveNow(ctx context.Context, last *ledger.Entry) error {
	c, unfinished, err := d.send(ctx, last)
	if err != nil || !unfinished {
		return err
	}
	return d.armExpiry(ctx, last, c)
}

// driveNew does the same for an order that was accepted just now: when it
// expires need not be read out of it again.
func (d *Dispatcher) driveNew(ctx context.Context, first *ledger.Entry, expires *time.Time) error {
	c, unfinished, err := d.send(ctx, first)
	if err != nil || !unfinished || expires == nil {
		return err
	}
	return d.queue.ScheduleExpiry(ctx, first.Event.Provider, c, *expires)
}

// send puts the command into the queue that the order needs now.
func (d *Dispatcher) send(ctx context.Context, last *ledger.Entry) (c messages.Command, unfinished bool, err error) {
	e := last.Event
	due, unfinished := order.Next(e, d.o.Times, d.o.Now())
	if !unfinished {
		return c, false, nil
	}
	c = messages.CommandFor(e, last.Seq)
	if err := d.queue.Send(ctx, e.Provider, due.Verb, c); err != nil {
		return c, true, err
	}
	d.count(e.Provider, due.Verb)
	return c, true, nil
}

// driveIdle does the same for an order with nothing in the queue, at the time
// the order is due. It asks the queue first: upstream may send everything
// again, and the workers should not have to look at everything again.
func (d *Dispatcher) driveIdle(ctx context.Context, last *ledger.Entry) error {
	e := last.Event
	due, unfinished := order.Next(e, d.o.Times, d.o.Now())
	if !unfinished {
		return nil
	}
	c := messages.CommandFor(e, last.Seq)
	waiting, err := d.queue.Waiting(ctx, e.Provider, e.Tenant, e.OrderID, due.Verb)
	if err != nil {
		return err
	}
	if !waiting {
		if err := d.queue.Schedule(ctx, e.Provider, due.Verb, c, due.At); err != nil {
			return err
		}
		d.count(e.Provider, due.Verb)
	}
	return d.armExpiry(ctx, last, c)
}

func (d *Dispatcher) count(p messages.Provider, v messages.Verb) {
	if v == messages.Place {
		d.pressure.sent(p)
	}
}

// armExpiry sees to the timer of expires_at. It has a subject of its own, so
// that nothing replaces it: an order that waits behind a closed lane must
// still end in time.
func (d *Dispatcher) armExpiry(ctx context.Context, last *ledger.Entry, c messages.Command) error {
	if last.Event.State != messages.Accepted && last.Event.State != messages.Retrying {
		return nil
	}
	var o struct {
		ExpiresAt *time.Time `json:"expires_at"`
	}
	// The order was decoded strictly before it was accepted.
	if err := json.Unmarshal(last.Event.Order, &o); err != nil || o.ExpiresAt == nil {
		return err
	}
	return d.queue.ScheduleExpiry(ctx, last.Event.Provider, c, *o.ExpiresAt)
}
