package worker

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// outcome records the answer to the call. It is tried until it is stored or
// the process ends: after a purchase it must not be lost.
func (t *task) outcome(ctx context.Context, nonce string, plan providers.Plan, answer providers.Answer, cause error) error {
	c := owned(answer, cause)
	c.Nonce, c.BlockedMax, c.NotBefore, c.HTTP = nonce, t.o.Times.BlockedMax, t.notBefore(), t.records()
	var e *providers.Error
	if cause != nil {
		e = providers.AsError(cause)
		t.log.Info().Str(logkey.Class, e.Class.String()).Str(logkey.Code, e.Code).Msg("provider did not take the order")
	}
	c.RetryAt = t.now().Add(t.wait(e))
	if c.Input == order.OwnUnknown || c.Input == order.OwnDuplicate {
		// Looked into once the lease is over, when no request of ours can be under way.
		c.RetryAt = later(c.RetryAt, *t.entry.Event.LeaseUntil)
		c.NeedsOperator = t.reg.Recovery == providers.RecoverByOperator ||
			(c.Input == order.OwnDuplicate && t.reg.Recovery == providers.RecoverByRepeat)
	}
	if c.Input == order.OwnDuplicate {
		c.Evidence = map[string]any{"duplicate": "the provider has this reference already and does not tell the order's id"}
	}
	t.surprised(ctx, c)
	c = t.checkPrice(c)
	if err := t.insist(ctx, c); err != nil {
		return err
	}
	t.tellLane(ctx, e)
	t.tellProbe(c.Input, e)
	if s := t.entry.Event; s.State == messages.Unresolved && s.NeedsOperator {
		t.witness(ctx, order.AddEvidence, plan)
	}
	return t.succeedBy(ctx)
}

// insist records a change though the ledger may be full or away for a while.
func (t *task) insist(ctx context.Context, c order.Change) error {
	c, err := t.sealed(c)
	if err != nil {
		return err
	}
	for gone := 0; ; {
		err := t.record(ctx, c)
		if gone++; !errors.Is(err, ledger.ErrNotFound) {
			gone = 0
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return t.lastWord(ctx, c, err)
		case gone == looksGone:
			// The ledger was rolled back, and has nothing of the order any more. We know
			// all of it, and what came of it: it may have been bought.
			t.log.Error().Err(err).Msg("the ledger has lost the order; it begins anew there with its outcome")
			t.entry = &ledger.Entry{Event: t.entry.Event}
			continue
		case errors.Is(err, ledger.ErrInvalid):
			t.log.Error().Err(err).Msg("an outcome cannot be stored as it is; it is stored without what is too long")
			var less bool
			if c, less = slimmer(c); !less {
				return err
			}
			continue
		}
		t.log.Error().Err(err).Msg("an outcome could not be stored yet; it is kept and tried again")
		pause(ctx, time.Second)
	}
}

// lastWord tries once more for a worker that has been told to end: an answer
// that came after all must not be lost because we were in a hurry.
func (t *task) lastWord(ctx context.Context, c order.Change, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := t.record(ctx, c); err != nil {
		t.log.Error().Err(err).Msg("an outcome could not be stored before the worker had to end; the order is in doubt")
		return cause
	}
	return cause
}

// slimmer leaves out of a change what may be too long for an event: first the
// records, then the evidence, then the texts; never what was bought.
func slimmer(c order.Change) (order.Change, bool) {
	const longText = 512
	if c.HTTP != nil {
		c.HTTP = nil
		return c, true
	}
	if _, tried := c.Evidence["left_out"]; !tried {
		c.Evidence = map[string]any{"left_out": "the provider's evidence was too long for an event"}
		return c, true
	}
	if c.Error != nil && len(c.Error.Message) > longText {
		e := *c.Error
		e.Message = strings.ToValidUTF8(e.Message[:longText], "")
		c.Error = &e
		return c, true
	}
	return c, false
}

// checkPrice flags a purchase that cost more than upstream allowed: it is done
// and paid, so it succeeded, but somebody must know.
func (t *task) checkPrice(c order.Change) order.Change {
	limit := t.order.MaxCost
	if c.Cost == nil || limit == nil {
		return c
	}
	if cmp, err := c.Cost.Cmp(*limit); err == nil && cmp <= 0 {
		return c
	}
	t.log.Error().Stringer("cost", c.Cost).Stringer("max_cost", limit).Msg("the provider charged more than max_cost")
	evidence := map[string]any{"price_violation": map[string]any{"max_cost": limit, "cost": c.Cost}}
	for k, v := range c.Evidence {
		evidence[k] = v
	}
	c.Evidence = evidence
	return c
}

// tellLane closes the lane for all replicas where the cause is our account, or
// the provider says that we ask too often.
func (t *task) tellLane(ctx context.Context, e *providers.Error) {
	switch {
	case e == nil:
	case e.Class == providers.Blocked:
		t.lane.close(ctx, e, 0)
	case e.RetryAfter > 0:
		t.lane.close(ctx, e, e.RetryAfter)
	case e.HTTPStatus == http.StatusTooManyRequests:
		// Without a word on how long: what it counted has left its window then.
		t.lane.close(ctx, e, t.o.Window)
	}
}

// tellProbe remembers what a probe has found out. Only an order that the
// provider took shows that our account is well; a refusal of this one order
// shows nothing: it may come before the balance is looked at.
func (t *task) tellProbe(in order.Input, e *providers.Error) {
	switch {
	case !t.probe:
	case e == nil && in != order.OwnUnknown, in == order.OwnDuplicate:
		t.lane.found(well)
	case e == nil, e.Class == providers.Ambiguous, e.Class == providers.Retryable && !e.Requote:
		t.lane.found(unclear)
	}
}

// notBefore is the earliest time at which an operator may decide that nothing
// was bought: a paused process may still wake up and send until then.
func (t *task) notBefore() time.Time {
	from := t.now()
	if l := t.entry.Event.LeaseUntil; l != nil {
		from = later(from, *l)
	}
	return from.Add(t.o.HoldDown)
}
