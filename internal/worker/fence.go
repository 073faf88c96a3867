package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// noFence is the fence of a worker without one.
type noFence struct{}

func (noFence) Allows() error                 { return nil }
func (noFence) Wait(ctx context.Context) bool { return ctx.Err() == nil }
func (noFence) Halted() context.Context       { return context.Background() }
func (noFence) Held(*ledger.Entry, func() ([]ledger.Entry, error)) (bool, error) {
	return false, nil
}
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

// fenced keeps everybody from saying of a waiting order that it was not bought, as
// long as the ledger is in doubt: it is put off while buying is stopped, and held
// back where it waited when an operator let buying go on. done: that was it, and
// nothing else may be done with the order.
func (t *task) fenced(ctx context.Context) (done bool, err error) {
	if s := t.entry.Event.State; s != messages.Accepted && s != messages.Retrying {
		return false, nil
	}
	if err := t.o.Fence.Allows(); err != nil {
		return true, t.awaitFence(ctx, err)
	}
	return t.heldBack(ctx)
}

// awaitFence puts an order off. Place commands lie in the queue while buying is
// stopped; a check by a timer would only come back, and waits by a timer again.
func (t *task) awaitFence(ctx context.Context, why error) error {
	if t.addr.Verb == messages.Place || t.o.Fence.Halted().Err() == nil {
		return &errLater{t.fencePause(), why.Error()}
	}
	now := t.now()
	return t.putOff(ctx, now.Add(order.Backoff(t.entry.Event, t.o.Times, now)))
}

// setAside gives an order up whose command kills its workers.
func (t *task) setAside(ctx context.Context) error {
	if done, err := t.fenced(ctx); done || err != nil {
		return err
	}
	return t.giveUp(ctx)
}

// held reports whether the order may have been bought by what the ledger has lost.
func (t *task) held(ctx context.Context) (bool, error) {
	return t.o.Fence.Held(t.entry, func() ([]ledger.Entry, error) {
		return t.ledger.History(ctx, t.addr.Tenant, t.addr.OrderID)
	})
}

// heldBack puts an order in doubt that may have been bought by a part of the
// ledger that was lost. A key of ours would not show it: nobody knows under which
// reference that was, nor what the shop would say to the price of today. Whoever
// can be asked by our reference is asked; all other orders are the operator's.
func (t *task) heldBack(ctx context.Context) (bool, error) {
	if held, err := t.held(ctx); !held || err != nil {
		return false, err
	}
	e := t.entry.Event
	byLookup := t.reg.Recovery == providers.RecoverByLookup && e.Kind.ReferenceField() != ""
	c := order.Change{
		// The owner is the part of the ledger that is gone: nobody can say which.
		Input: order.OwnUnknown, Nonce: codeLedgerLost, NeedsOperator: !byLookup, RetryAt: t.now(), NotBefore: t.notBefore(),
		Error: &messages.Error{
			Class: providers.Ambiguous.String(), Code: codeLedgerLost,
			Message: "the ledger has lost events, and one of them may have bought this order",
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
// its reference.
func (t *task) first(in order.Input) bool {
	w := t.entry.Event.Work
	return in == order.Claim && (w == nil || w.ReferenceN != order.NextReference(t.entry.Event))
}

// waited reports whether the order was there when an operator took the ledger for
// right: it may have had an intent that is gone, and that its provider knows the
// reference is no news then.
func (t *task) waited(ctx context.Context) bool {
	all, err := t.ledger.History(ctx, t.addr.Tenant, t.addr.OrderID)
	if err != nil || len(all) == 0 {
		return false
	}
	held, err := t.o.Fence.Held(&all[0], func() ([]ledger.Entry, error) { return all[:1], nil })
	return held && err == nil
}

// surprised stops all buying when a provider has seen a reference under which
// the ledger knows no earlier request: the ledger has lost it, and others.
func (t *task) surprised(ctx context.Context, c order.Change) {
	if c.Input != order.OwnDuplicate || !t.fresh || t.waited(ctx) {
		return
	}
	t.o.Fence.Surprised(ctx, fmt.Sprintf("%s knows the reference of order %s, whose first request this was",
		t.o.Provider, t.entry.Event.Key()))
}
