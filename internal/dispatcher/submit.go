package dispatcher

import (
	"context"
	"errors"
	"fmt"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// submit takes an order: accepted, rejected, known already, or not an order.
func (d *Dispatcher) submit(ctx context.Context, r request) fate {
	begun := d.o.Now()
	o, err := messages.DecodeOrder(r.body)
	var invalid *messages.InvalidError
	switch {
	case err == nil:
		f := d.accept(ctx, r, o)
		if f.result == resultAccepted {
			d.metrics.accept.Observe(d.o.Now().Sub(begun).Seconds())
		}
		return f
	case errors.As(err, &invalid) && invalid.ID != "":
		return d.reject(ctx, r, invalid)
	default:
		return d.bury(ctx, r, messages.ReasonInvalidOrder, err.Error(), "")
	}
}

// accept writes the order's first event and hands the order to its worker.
func (d *Dispatcher) accept(ctx context.Context, r request, o *messages.Order) fate {
	first, _ := order.Apply(nil, order.Change{
		Input: order.Accept, At: d.o.Now(), Origin: r.origin(),
		New: &order.Submission{
			Tenant: r.tenant, OrderID: o.ID, Provider: o.Provider, Kind: o.Kind,
			Metadata: o.Metadata, Order: o.Raw,
		},
	})
	seq, err := d.ledger.Append(ctx, first, 0)
	switch {
	case err == nil:
	case errors.Is(err, ledger.ErrConflict):
		return d.known(ctx, r, o.ID)
	default:
		return d.notWritten(ctx, r, o.ID, err)
	}
	d.changed(nil, first, seq)
	// A crash here leaves an order without a command. The message is not
	// acknowledged yet: its redelivery, or else the sweeper, sends one.
	if err := d.driveNew(ctx, &ledger.Entry{Seq: seq, Event: first}, o.ExpiresAt); err != nil {
		return d.trouble(r, o.ID, err, "an accepted order was not handed over yet")
	}
	return done(resultAccepted)
}

// fewFaults is how many faults are told when all of them would not fit.
const fewFaults = 20

// reject uses the id up: upstream learns of every fault from the event.
func (d *Dispatcher) reject(ctx context.Context, r request, invalid *messages.InvalidError) fate {
	faults := invalid.Faults
	for {
		event, _ := order.Apply(nil, order.Change{
			Input: order.Reject, At: d.o.Now(), Origin: r.origin(),
			New: &order.Submission{
				Tenant: r.tenant, OrderID: invalid.ID, Provider: invalid.Provider, Kind: invalid.Kind, Metadata: invalid.Metadata, Order: r.body,
			},
			Error: &messages.Error{
				Class: providers.Invalid.String(), Code: providers.CodeInvalidOrder,
				Message: "the order is not acceptable", Faults: faults,
			},
		})
		seq, err := d.ledger.Append(ctx, event, 0)
		switch {
		case err == nil:
			d.changed(nil, event, seq)
			return done(resultRejected)
		case errors.Is(err, ledger.ErrConflict):
			return d.known(ctx, r, invalid.ID)
		case errors.Is(err, ledger.ErrInvalid) && len(faults) > fewFaults+1:
			faults = shortened(invalid.Faults)
		default:
			return d.notWritten(ctx, r, invalid.ID, err)
		}
	}
}

// shortened keeps the faults that fit into an event beside the order itself.
func shortened(faults []messages.Fault) []messages.Fault {
	rest := len(faults) - fewFaults
	return append(faults[:fewFaults:fewFaults], messages.Fault{Message: fmt.Sprintf("has %d more faults", rest)})
}

// known handles an order whose id is in the ledger. The same content changes
// nothing, but an order that lost its command gets one; other content is a
// mistake of upstream that nobody may act on.
func (d *Dispatcher) known(ctx context.Context, r request, id string) fate {
	last, err := d.ledger.Last(ctx, r.tenant, id)
	if err != nil {
		return d.trouble(r, id, err, "a known order was not read")
	}
	if !last.Event.SameOrder(r.body) {
		return d.bury(ctx, r, messages.ReasonOrderConflict, "the id was used for another order", id)
	}
	if err := d.driveIdle(ctx, last); err != nil {
		return d.trouble(r, id, err, "a known order was not handed over yet")
	}
	d.log.Debug().Str(logkey.Tenant, r.tenant).Str(logkey.OrderID, id).Uint64(logkey.StreamSeq, r.seq).
		Msg("order was known already")
	return done(resultDuplicate)
}

// notWritten sorts the ledger's errors. Only two of them are about the order.
func (d *Dispatcher) notWritten(ctx context.Context, r request, id string, err error) fate {
	switch {
	case errors.Is(err, ledger.ErrNoRoom):
		d.pressure.noRoom(err)
		return later(d.pace.room, resultNoRoom)
	case errors.Is(err, ledger.ErrInvalid):
		// No event can ever hold it, so no redelivery will help.
		return d.bury(ctx, r, messages.ReasonInvalidOrder, err.Error(), id)
	default:
		return d.trouble(r, id, err, "an event was not written yet")
	}
}

// changed logs a transition.
func (d *Dispatcher) changed(last, e *messages.Event, seq uint64) {
	from := order.None
	if last != nil {
		from = last.State
	}
	line := d.log.Info().Str(logkey.OrderID, e.OrderID).Str(logkey.Tenant, e.Tenant).
		Str(logkey.Provider, string(e.Provider)).Str(logkey.Event, string(e.Type)).
		Str(logkey.From, string(from)).Str(logkey.To, string(e.State)).
		Uint64(logkey.N, e.N).Uint64(logkey.StreamSeq, seq)
	if e.Error != nil {
		line = line.Str(logkey.Class, e.Error.Class).Str(logkey.Code, e.Error.Code)
	}
	line.Msg("order changed")
}
