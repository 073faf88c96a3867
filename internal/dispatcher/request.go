package dispatcher

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/messages"
)

// maxRaces is how often another writer may get in between reading an order and
// writing to it before the message is put back.
const maxRaces = 10

// wish is what upstream wants of an order it has submitted before.
type wish struct {
	id       string
	input    order.Input
	verb     messages.Verb
	evidence map[string]any
}

func (d *Dispatcher) cancel(ctx context.Context, r request) fate {
	body, err := messages.DecodeCancel(r.body)
	if err != nil {
		return d.unreadable(ctx, r, err)
	}
	w := wish{id: body.ID, input: order.CancelRequest, verb: messages.Cancel}
	if body.Reason != "" {
		w.evidence = map[string]any{"cancel_reason": body.Reason}
	}
	return d.grant(ctx, r, w)
}

func (d *Dispatcher) confirm(ctx context.Context, r request) fate {
	body, err := messages.DecodeConfirm(r.body)
	if err != nil {
		return d.unreadable(ctx, r, err)
	}
	return d.grant(ctx, r, wish{id: body.ID, input: order.ConfirmRequest, verb: messages.Confirm})
}

func (d *Dispatcher) unreadable(ctx context.Context, r request, err error) fate {
	id := ""
	if invalid := (*messages.InvalidError)(nil); errors.As(err, &invalid) {
		id = invalid.ID
	}
	return d.bury(ctx, r, messages.ReasonInvalidOrder, err.Error(), id)
}

// grant does what the state machine says to the wish.
func (d *Dispatcher) grant(ctx context.Context, r request, w wish) fate {
	for range maxRaces {
		last, err := d.ledger.Last(ctx, r.tenant, w.id)
		if errors.Is(err, ledger.ErrNotFound) {
			last = &ledger.Entry{}
		} else if err != nil {
			return d.trouble(r, w.id, err, "an order was not read")
		}
		if doubt, err := d.inDoubt(ctx, r, last); err != nil {
			return d.trouble(r, w.id, err, "an order was not read")
		} else if doubt {
			return later(growing(d.pace.doubt, r), resultWaiting)
		}
		event, verdict := order.Apply(last.Event, order.Change{
			Input: w.input, At: d.o.Now(), Origin: r.origin(), Evidence: w.evidence,
		})
		if verdict != order.Write {
			return d.unwritten(ctx, r, w, last, verdict)
		}
		seq, err := d.ledger.Append(telemetry.Extract(ctx, last.Trace), event, last.Seq)
		switch {
		case err == nil:
			d.changed(last.Event, event, seq)
			return done(string(event.Type))
		case errors.Is(err, ledger.ErrConflict):
			continue // the order has moved; what it says now counts
		default:
			return d.notWritten(ctx, r, w.id, err)
		}
	}
	return later(d.pace.trouble, resultTrouble)
}

// unwritten handles the verdicts that change nothing by themselves.
func (d *Dispatcher) unwritten(ctx context.Context, r request, w wish, last *ledger.Entry, v order.Verdict) fate {
	switch v {
	case order.Unknown:
		return d.unknown(ctx, r, w)
	case order.Wait:
		return later(d.pace.placing, resultWaiting)
	case order.Ask:
		c := messages.CommandFor(last.Event, last.Seq)
		if len(w.evidence) > 0 {
			c.Hint, _ = json.Marshal(w.evidence) // texts always marshal
		}
		if err := d.queue.Send(ctx, last.Event.Provider, w.verb, c); err != nil {
			return d.trouble(r, w.id, err, "a request was not handed over yet")
		}
		return done(resultAsked)
	case order.Ignore:
		return done(resultDuplicate)
	case order.Write, order.Forbidden:
		fallthrough
	default:
		d.log.Error().Str(logkey.Tenant, r.tenant).Str(logkey.OrderID, w.id).Str(logkey.Subject, r.subject).
			Msg("the state machine forbids a request; it was left in the queue")
		return fate{result: resultTrouble}
	}
}

// leastLooks is how often an unknown order is looked for however old the
// message seems: its age compares the server's clock with ours.
const leastLooks = 3

// unknown waits for an order that its own request may have overtaken.
func (d *Dispatcher) unknown(ctx context.Context, r request, w wish) fate {
	age := d.o.Now().Sub(r.sent)
	if age >= d.o.UnknownFor && r.deliveries >= leastLooks {
		// A server that is just closing its store knows no order at all. It does
		// not answer twice.
		last, err := d.ledger.Last(ctx, r.tenant, w.id)
		if err == nil && last.Event.Forgotten() {
			return d.bury(ctx, r, messages.ReasonUnknownOrder, "the order was erased", w.id)
		}
		if !errors.Is(err, ledger.ErrNotFound) {
			return later(time.Millisecond, resultUnknown)
		}
		return d.bury(ctx, r, messages.ReasonUnknownOrder, "no such order", w.id)
	}
	// The submit is usually a moment behind, so the first looks come quickly.
	return later(growing(d.pace.unknown, r), resultUnknown)
}

// growing is the time until the next look: longer each time, up to longest.
func growing(longest time.Duration, r request) time.Duration {
	step := longest >> max(0, 5-int(min(r.deliveries, 5))) //nolint:gosec // at most 5
	return max(step, time.Millisecond)
}
