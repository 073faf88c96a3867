package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// An intent may be stored although its owner is not told. Nothing is sent under
// it then, and nobody but its owner can ever say so: whoever finds it must take
// it for a purchase in doubt. So the owner does not let go of its command before
// the ledger has been told. It knows that nothing was sent for as long as it
// lives, and no longer; there is one such intent for each slot at most.

// withdrawals are the intents that this process is taking back.
type withdrawals struct {
	mu     sync.Mutex
	nonces map[string]bool
}

// begin notes an intent until the returned function is called.
func (w *withdrawals) begin(nonce string) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nonces == nil {
		w.nonces = map[string]bool{}
	}
	w.nonces[nonce] = true
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.nonces, nonce)
	}
}

// under reports whether this process is about to say of an intent that nothing
// was sent. Another delivery here must not call it a doubt in the meantime.
func (w *withdrawals) under(nonce string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nonces[nonce]
}

// Waits between two looks at an intent whose fate is unknown.
const (
	firstLook = 50 * time.Millisecond
	lastLook  = time.Second
)

// withdraw takes back an intent of which nobody knows whether it was stored. It
// returns when the ledger has the owner's word, when the intent cannot be stored
// any more, or when the process ends: the lease runs out then.
func (t *task) withdraw(ctx context.Context, in order.Input, nonce string, cause error) error {
	defer t.withdrawals.begin(nonce)()
	before := t.entry.Seq
	for wait, gone := firstLook, 0; ctx.Err() == nil; wait = min(2*wait, lastLook) {
		done, err := t.takeBack(ctx, in, nonce, before, cause)
		if gone++; !errors.Is(err, ledger.ErrNotFound) {
			gone = 0
		}
		if done || gone == looksGone {
			return err
		}
		pause(ctx, wait)
	}
	return cause
}

// takeBack is one try of withdraw; not done where the ledger did not answer, or
// did not know the order.
func (t *task) takeBack(ctx context.Context, in order.Input, nonce string, before uint64, cause error) (done bool, err error) {
	timed, cancel := context.WithTimeout(ctx, t.o.Lease)
	defer cancel()
	last, err := t.ledger.Last(timed, t.addr.Tenant, t.addr.OrderID)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return false, errors.Join(err, cause) // there is no such order any more, if it stays so
	case unreadable(err):
		return true, cause
	case err != nil:
		return false, nil
	}
	t.entry = last
	notSent := &providers.Error{Op: "intent", Class: providers.Retryable, Code: providers.CodeNotSent, Err: cause}
	switch {
	case order.Open(last.Event, nonce):
		return true, t.outcome(ctx, nonce, providers.Plan{}, providers.Answer{}, notSent)
	case last.Seq != before:
		return true, &errLater{100 * time.Millisecond, "another writer was faster"}
	case !errors.Is(cause, ledger.ErrUnknown):
		return true, cause // it was refused, and no copy of it is on its way
	}
	// A copy may still be on its way. Another event in its place keeps it out: the
	// compare-and-set of the copy fails then, whenever it comes.
	c := order.Change{Input: order.Postpone, Error: wireError(notSent), Blocked: isBlocked(last.Event), RetryAt: t.now().Add(t.wait(notSent))}
	if in == order.Repeat {
		c = order.Change{Input: order.AddEvidence, RetryAt: c.RetryAt} // the doubt is about what came before
	}
	if err := t.record(timed, c); err != nil || order.Open(t.entry.Event, nonce) {
		return false, nil // not known either, or the copy was faster: look again
	}
	t.tellProbe(order.Postpone, notSent)
	return true, t.succeedBy(ctx)
}

// isBlocked: our account at the provider holds the order back, and a request
// that was not sent says nothing about that.
func isBlocked(e *messages.Event) bool { return e.Work != nil && e.Work.BlockedSince != nil }
