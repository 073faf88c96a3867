package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// noFence is the fence of a worker without one.
type noFence struct{}

func (noFence) Allows() error                     { return nil }
func (noFence) Wait(ctx context.Context) bool     { return ctx.Err() == nil }
func (noFence) Halted() context.Context           { return context.Background() }
func (noFence) Held(uint64) bool                  { return false }
func (noFence) Surprised(context.Context, string) {}

// fencePause is how long a command waits that may not be placed just now: where
// the fence has not looked at the ledger yet, commands go on being read.
func (t *task) fencePause() time.Duration {
	if t.o.Fence.Allows() != nil {
		return 200 * time.Millisecond
	}
	return 0
}

// codeLedgerLost is the code of a doubt about what the ledger has lost.
const codeLedgerLost = "ledger_lost"

// heldBack hands an order to the operator that may have been placed by a part of
// the ledger that was lost, where the provider takes no key of ours: it could
// not tell that request from a first one, and would sell again.
func (t *task) heldBack(ctx context.Context) (bool, error) {
	e := t.entry.Event
	if !t.o.Fence.Held(t.entry.Seq) || e.Kind.ReferenceField() != "" {
		return false, nil
	}
	c := order.Change{
		// The owner is the part of the ledger that is gone: nobody can say which.
		Input: order.OwnUnknown, Nonce: codeLedgerLost, NeedsOperator: true, NotBefore: t.notBefore(),
		Error: &messages.Error{
			Class: providers.Ambiguous.String(), Code: codeLedgerLost,
			Message: "the ledger has lost events, and the provider cannot be asked whether one of them bought this order",
		},
	}
	if e.State == messages.Retrying {
		// There the table takes no "unknown" from an attempt that is not the last.
		// That it was done before is what must be supposed.
		c.Input = order.OwnDuplicate
	}
	return true, t.finish(ctx, c)
}

// first reports whether the next intent is the first that the ledger knows under
// its reference. What waited when an operator took the ledger for right may have
// had one that is gone: that its provider knows it is no news then.
func (t *task) first(in order.Input) bool {
	w := t.entry.Event.Work
	return in == order.Claim && (w == nil || w.ReferenceN != order.NextReference(t.entry.Event)) && !t.o.Fence.Held(t.entry.Seq)
}

// surprised stops all buying when a provider has seen a reference under which
// the ledger knows no earlier request: the ledger has lost it, and others.
func (t *task) surprised(ctx context.Context, c order.Change) {
	if c.Input != order.OwnDuplicate || !t.fresh {
		return
	}
	t.o.Fence.Surprised(ctx, fmt.Sprintf("%s knows the reference of order %s, whose first request this was",
		t.o.Provider, t.entry.Event.Key()))
}
