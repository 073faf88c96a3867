package dispatcher

import (
	"context"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Fence says whether the ledger is the one that is remembered. What waits in one
// that is not may have been bought.
type Fence interface {
	// Allows returns nil while the ledger is believed. It makes no request.
	Allows() error
	// Held reports whether an order, by its last event, may have been bought by
	// what the ledger has lost. It calls history only where that event cannot tell.
	Held(last *ledger.Entry, history func() ([]ledger.Entry, error)) (bool, error)
}

// noFence is the fence of a dispatcher without one.
type noFence struct{}

func (noFence) Allows() error { return nil }
func (noFence) Held(*ledger.Entry, func() ([]ledger.Entry, error)) (bool, error) {
	return false, nil
}

// inDoubt reports whether nobody can answer upstream just now, because the order
// may have been bought by what the ledger has lost: as long as buying is stopped,
// and afterwards until a worker has said what is to become of it. To call such an
// order canceled would be a promise that nobody can keep.
func (d *Dispatcher) inDoubt(ctx context.Context, r request, last *ledger.Entry) (bool, error) {
	if last.Event == nil {
		return false, nil
	}
	e := last.Event
	switch e.State {
	case messages.Accepted, messages.Retrying, messages.Placing:
	default:
		return false, nil
	}
	if err := d.o.Fence.Allows(); err != nil {
		d.log.Debug().Err(err).Str(logkey.Tenant, r.tenant).Str(logkey.OrderID, e.OrderID).Msg("a request waits until the ledger is believed again")
		return true, nil
	}
	return d.o.Fence.Held(last, func() ([]ledger.Entry, error) { return d.ledger.History(ctx, e.Tenant, e.OrderID) })
}
