package worker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// place brings an accepted or retrying order to its provider. All that can be
// known is found out before the intent; after it there is only the call.
func (t *task) place(ctx context.Context) error {
	if done, err := t.tooEarlyOrLate(ctx); done || err != nil {
		return err
	}
	if t.addr.Verb != messages.Place {
		return t.enqueue(ctx)
	}
	if !t.mayPlace() {
		return &errLater{0, "the lane is closed"}
	}
	plan, err := t.prepare(ctx)
	if err != nil {
		return t.notPlaced(ctx, err)
	}
	permit, err := t.limiter.Take(ctx, ratelimit.ForPlace)
	if err != nil {
		return err
	}
	// Waiting for the permit may have taken long.
	if done, err := t.tooEarlyOrLate(ctx); done || err != nil {
		return err
	}
	if !t.mayPlace() {
		return &errLater{0, "the lane has closed"}
	}
	return t.call(ctx, order.Claim, plan, permit)
}

// tooEarlyOrLate ends an order whose time is over, and puts off one whose time
// has not come.
func (t *task) tooEarlyOrLate(ctx context.Context) (done bool, err error) {
	e, now := t.entry.Event, t.o.Now()
	switch {
	case t.order.ExpiresAt != nil && !now.Before(*t.order.ExpiresAt):
		return true, t.finish(ctx, order.Change{Input: order.Expire, Error: e.Error})
	case t.blockedTooLong(now):
		return true, t.finish(ctx, order.Change{Input: order.Refuse, Error: e.Error})
	case e.RetryAt != nil && now.Before(*e.RetryAt):
		return true, t.succeedBy(ctx)
	default:
		return false, nil
	}
}

func (t *task) blockedTooLong(now time.Time) bool {
	w := t.entry.Event.Work
	return w != nil && w.BlockedSince != nil && t.o.Times.BlockedMax > 0 && now.Sub(*w.BlockedSince) >= t.o.Times.BlockedMax
}

// enqueue hands an order that is due over to the place consumer, which keeps
// the order of placing and stands still while the lane is closed. An order
// that our account blocks keeps a timer beside it, so that it ends in time.
func (t *task) enqueue(ctx context.Context) error {
	e, now := t.entry.Event, t.o.Now()
	c := messages.CommandFor(e, t.entry.Seq)
	blocked := e.Work != nil && e.Work.BlockedSince != nil
	if blocked {
		end := e.Work.BlockedSince.Add(t.o.Times.BlockedMax)
		if until := t.lane.closedUntil(); now.Before(until) {
			return t.queue.Schedule(ctx, t.o.Provider, messages.Check, c, jitter(earlier(until, end), now))
		}
		if err := t.queue.Schedule(ctx, t.o.Provider, messages.Check, c, end); err != nil {
			return err
		}
	}
	return t.queue.Send(ctx, t.o.Provider, messages.Place, c)
}

// mayPlace is asked last before anything is sent for an order.
func (t *task) mayPlace() bool { return !t.draining.Load() && (t.probe || t.lane.isOpen()) }

// prepare asks the adapter for checks and price, and holds the price against
// what upstream allows.
func (t *task) prepare(ctx context.Context) (providers.Plan, error) {
	plan, err := t.provider.Prepare(ctx, t.purchase(t.reference()))
	if err != nil {
		return plan, err
	}
	limit := t.order.MaxCost
	if limit == nil || plan.Quote == nil {
		return plan, nil
	}
	cmp, err := plan.Quote.Cmp(*limit)
	if err != nil {
		return plan, &providers.Error{Op: "quote", Class: providers.Rejected, Code: providers.CodeCurrencyMismatch,
			Message: fmt.Sprintf("the price is in %s, max_cost is in %s", plan.Quote.Currency, limit.Currency)}
	}
	if cmp > 0 {
		return plan, &providers.Error{Op: "quote", Class: providers.Rejected, Code: providers.CodeMaxCostExceeded,
			Message: fmt.Sprintf("the price is %s, max_cost is %s", plan.Quote, limit)}
	}
	return plan, nil
}

// notPlaced records why an order was not placed.
func (t *task) notPlaced(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return cause // we are stopping: the command comes back
	}
	e := providers.AsError(cause)
	c := prepared(cause)
	t.tellLane(ctx, e)
	c.BlockedMax = t.o.Times.BlockedMax
	c.RetryAt = t.o.Now().Add(t.wait(e))
	return t.finish(ctx, c)
}

// finish records a change and puts the order's successor into the queue.
func (t *task) finish(ctx context.Context, c order.Change) error {
	if err := t.record(ctx, c); err != nil {
		return err
	}
	return t.succeedBy(ctx)
}

func (t *task) reference() string {
	e, n := t.entry.Event, order.NextReference(t.entry.Event)
	if e.Kind == messages.Exchange {
		return messages.APIID(t.o.Namespace, e.Tenant, e.OrderID, n)
	}
	return messages.Reference(t.o.Namespace, e.Tenant, e.OrderID, n)
}

// call writes the intent, makes the one request that it allows, and records
// what came of it. Between the intent and the request there is nothing else.
func (t *task) call(ctx context.Context, in order.Input, plan providers.Plan, permit ratelimit.Permit) error {
	encoded, err := json.Marshal(plan)
	if err != nil {
		return &errUnprocessable{"the plan cannot be written: " + err.Error()}
	}
	reference, nonce := t.reference(), rand.Text()
	begun := time.Now() // monotonic: the lease must not depend on clock steps
	claimed, err := t.claim(ctx, order.Change{Input: in, Evidence: plan.Evidence, Intent: &order.Intent{
		Nonce: nonce, Owner: t.o.Instance, Reference: reference, ReferenceN: order.NextReference(t.entry.Event),
		LeaseUntil: t.o.Now().Add(t.o.Lease), Plan: encoded,
	}})
	if err != nil || !claimed {
		return err
	}
	answer, err := t.send(ctx, plan, reference, permit, begun)
	return t.outcome(ctx, nonce, plan, answer, err)
}

// claim appends the intent once. It is not tried again on a conflict: the
// order has moved, and what it needs now is decided anew.
func (t *task) claim(ctx context.Context, c order.Change) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, t.o.Lease)
	defer cancel()
	c.At = t.o.Now()
	last := t.entry
	e, verdict := order.Apply(last.Event, c)
	if verdict != order.Write {
		return false, nil
	}
	seq, err := t.ledger.Append(ctx, e, last.Seq)
	switch {
	case errors.Is(err, ledger.ErrConflict):
		t.metrics.conflicts.Inc()
		return false, &errLater{100 * time.Millisecond, "another writer was faster"}
	case errors.Is(err, ledger.ErrNoRoom):
		t.log.Error().Err(err).Msg("no intent was written: the ledger is nearly full; nothing is bought until there is room")
		return false, &errLater{5 * time.Second, "the ledger is nearly full"}
	case err != nil:
		return false, err // unknown: if it was stored, its lease runs and nobody sends
	}
	t.entry = &ledger.Entry{Seq: seq, Event: e, Stored: e.Time}
	t.say(last.Event, e, c.Input)
	return true, nil
}

var errLeaseShort = errors.New("too little of the lease is left to make the call")

// send makes the request. It is not interrupted by a stop: its own deadline,
// which ends before the lease does, is all that may cut it.
func (t *task) send(ctx context.Context, plan providers.Plan, reference string, permit ratelimit.Permit, begun time.Time) (providers.Answer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.o.Timeout)
	defer cancel()
	// The guard runs at the last moment, just before the first byte is written:
	// after a pause of this process, an old permit or a lease that others may
	// take for ended must not let anything out.
	ctx = providers.WithSendGuard(ctx, func() error {
		now := time.Now()
		if !permit.Fresh(now) {
			t.metrics.stalePermits.Inc()
			return errors.New("the permit is too old")
		}
		if deadline, _ := ctx.Deadline(); deadline.After(begun.Add(t.o.Lease)) || now.After(deadline) {
			return errLeaseShort
		}
		return nil
	})
	t.metrics.calls.Inc()
	return t.provider.Place(ctx, t.purchase(reference), plan)
}

// outcome records the answer to the call. It is tried until it is stored or
// the process ends: after a purchase it must not be lost.
func (t *task) outcome(ctx context.Context, nonce string, plan providers.Plan, answer providers.Answer, cause error) error {
	c := owned(answer, cause)
	c.Nonce, c.BlockedMax, c.NotBefore = nonce, t.o.Times.BlockedMax, t.notBefore()
	var e *providers.Error
	if cause != nil {
		e = providers.AsError(cause)
		t.log.Info().Str(logkey.Class, e.Class.String()).Str(logkey.Code, e.Code).Msg("provider did not take the order")
	}
	c.RetryAt = t.o.Now().Add(t.wait(e))
	if c.Input == order.OwnUnknown || c.Input == order.OwnDuplicate {
		// Looked into once the lease is over, when no request of ours can be under way.
		c.RetryAt = later(c.RetryAt, *t.entry.Event.LeaseUntil)
		c.NeedsOperator = t.reg.Recovery == providers.RecoverByOperator ||
			(c.Input == order.OwnDuplicate && t.reg.Recovery == providers.RecoverByRepeat)
	}
	if c.Input == order.OwnDuplicate {
		c.Evidence = map[string]any{"duplicate": "the provider has this reference already and does not tell the order's id"}
	}
	c = t.checkPrice(c)
	if err := t.insist(ctx, c); err != nil {
		return err
	}
	t.tellLane(ctx, e)
	if s := t.entry.Event; s.State == messages.Unresolved && s.NeedsOperator {
		t.witness(ctx, order.AddEvidence, plan)
	}
	return t.succeedBy(ctx)
}

// insist records a change though the ledger may be full or away for a while.
func (t *task) insist(ctx context.Context, c order.Change) error {
	for {
		err := t.record(ctx, c)
		if err == nil || ctx.Err() != nil {
			return err
		}
		t.log.Error().Err(err).Msg("an outcome could not be stored yet; it is kept and tried again")
		pause(ctx, time.Second)
	}
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
// the provider says that we ask too often, and remembers what a probe found.
func (t *task) tellLane(ctx context.Context, e *providers.Error) {
	switch {
	case e == nil:
		t.lane.good(t.probe)
	case e.Class == providers.Blocked:
		t.lane.close(ctx, e, 0)
	case e.Class == providers.Retryable && e.RetryAfter > 0:
		t.lane.close(ctx, e, e.RetryAfter)
	case e.Class == providers.Rejected || e.Requote:
		t.lane.good(t.probe)
	}
}

// notBefore is the earliest time at which an operator may decide that nothing
// was bought: a paused process may still wake up and send until then.
func (t *task) notBefore() time.Time {
	from := t.o.Now()
	if l := t.entry.Event.LeaseUntil; l != nil {
		from = later(from, *l)
	}
	return from.Add(t.o.HoldDown)
}
