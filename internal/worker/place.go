package worker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// place brings an accepted or retrying order to its provider. All that can be
// known is found out before the intent; after it there is only the call.
func (t *task) place(ctx context.Context) error {
	if done, err := t.fenced(ctx); done || err != nil {
		return err
	}
	if done, err := t.tooEarlyOrLate(ctx); done || err != nil {
		return err
	}
	if t.addr.Verb != messages.Place {
		return t.enqueue(ctx)
	}
	if !t.mayPlace() {
		return &errLater{t.fencePause(), "the lane or the fence is closed"}
	}
	// Before the plan: it notes what there was before this order.
	if err := t.takeTurn(ctx); err != nil {
		if other := (*errNotOurTurn)(nil); errors.As(err, &other) {
			return t.awaitTurn(ctx, other)
		}
		return err
	}
	plan, err := t.prepare(ratelimit.WithUse(ctx, ratelimit.ForPrepare))
	if err != nil {
		return t.notPlaced(ctx, err)
	}
	permit, err := t.permit(ctx)
	if err != nil {
		return err
	}
	// Waiting for the permit may have taken long.
	if done, err := t.fenced(ctx); done || err != nil {
		return err
	}
	if done, err := t.tooEarlyOrLate(ctx); done || err != nil {
		return err
	}
	if !t.mayPlace() {
		return &errLater{t.fencePause(), "the lane or the fence has closed"}
	}
	return t.call(ctx, order.Claim, plan, permit)
}

// permit waits for the permit of a create. A stop ends the wait: nothing has
// been begun, and another worker may go on at once. So does a lane that closes:
// a permit that nobody may use any more is missing to the checks, which go on.
func (t *task) permit(ctx context.Context) (ratelimit.Permit, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.stopping, cancel)()
	if !t.probe {
		defer context.AfterFunc(t.lane.closing(), cancel)()
	}
	crossing, err := t.passage.enter(waiting)
	var permit ratelimit.Permit
	if err == nil {
		t.crossing = crossing
		permit, err = t.limiter.Take(waiting, ratelimit.ForPlace)
	}
	switch {
	case err != nil && t.stopping.Err() != nil:
		return permit, &errLater{0, "the worker stops"}
	case err != nil && waiting.Err() != nil && ctx.Err() == nil:
		return permit, &errLater{t.fencePause(), "the lane has closed"}
	}
	return permit, err
}

// tooEarlyOrLate ends an order whose time is over, and puts off one whose time
// has not come.
func (t *task) tooEarlyOrLate(ctx context.Context) (done bool, err error) {
	e, now := t.entry.Event, t.now()
	blocked, expired := t.blockedUntil(), t.expired(now)
	switch {
	case !blocked.IsZero() && !now.Before(blocked) && !(expired && t.order.ExpiresAt.Before(blocked)): // whichever came first
		return true, t.finish(ctx, order.Change{Input: order.Refuse, Error: e.Error})
	case expired:
		return true, t.finish(ctx, order.Change{Input: order.Expire, Error: e.Error})
	case e.RetryAt != nil && now.Before(*e.RetryAt):
		return true, t.succeedBy(ctx)
	default:
		return false, nil
	}
}

// now is our clock, or the server's where that is ahead: what fired by the
// server's clock is due, and must not be put off again and again by ours.
func (t *task) now() time.Time { return later(t.o.Now(), t.meta.Timestamp) }

func (t *task) expired(now time.Time) bool {
	return t.order.ExpiresAt != nil && !now.Before(*t.order.ExpiresAt)
}

// blockedUntil is when an order ends that our account blocks; zero for none.
func (t *task) blockedUntil() time.Time {
	w := t.entry.Event.Work
	if w == nil || w.BlockedSince == nil || t.o.Times.BlockedMax <= 0 {
		return time.Time{}
	}
	return w.BlockedSince.Add(t.o.Times.BlockedMax)
}

// enqueue hands an order that is due over to the place consumer, which keeps
// the order of placing and stands still while the lane is closed. An order
// that our account blocks keeps a timer beside it, so that it ends in time.
func (t *task) enqueue(ctx context.Context) error {
	e, now := t.entry.Event, t.o.Now()
	c := messages.CommandFor(e, t.entry.Seq)
	if end := t.blockedUntil(); !end.IsZero() {
		if until := t.lane.closedUntil(); now.Before(until) {
			return t.queue.Schedule(ctx, t.o.Provider, messages.Check, c, earlier(jitter(until, now), end))
		}
		if err := t.queue.Schedule(ctx, t.o.Provider, messages.Check, c, end); err != nil {
			return err
		}
	}
	return t.queue.Send(ctx, t.o.Provider, messages.Place, c)
}

// mayPlace is asked last before anything is sent for an order. A lane that an
// operator has paused is closed for the order of a probe too.
func (t *task) mayPlace() bool {
	return t.stopping.Err() == nil && t.o.Fence.Allows() == nil && (t.lane.isOpen() || t.probe && !t.lane.isPaused())
}

// prepare asks the adapter for checks and price, and holds the price against
// what upstream allows.
func (t *task) prepare(ctx context.Context) (providers.Plan, error) {
	if err := t.checkSeal(); err != nil {
		return providers.Plan{}, err
	}
	plan, err := t.askToPrepare(ctx)
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

// readAgain is how often the questions before an intent are asked where a permit
// grew old before one of them could be sent. They change nothing, and to ask anew
// here costs a permit; to put the order off costs an event and a timer besides,
// on a machine that has too much to do already.
const readAgain = 3

// askToPrepare asks the adapter, until no permit has grown old on the way.
func (t *task) askToPrepare(ctx context.Context) (plan providers.Plan, err error) {
	for n := 1; ; n++ {
		asked, told := t.answering(t.recording(ctx), preparing, "prepare")
		plan, err = t.provider.Prepare(asked, t.purchase(t.reference()))
		told(err)
		if n == readAgain || !errors.Is(err, ratelimit.ErrStale) || !t.mayPlace() {
			return plan, err
		}
	}
}

// notPlaced records why an order was not placed.
func (t *task) notPlaced(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return cause // we are stopping: the command comes back
	}
	if done, err := t.fenced(ctx); done || err != nil {
		return err
	}
	e := providers.AsError(cause)
	c := prepared(cause)
	t.tellLane(ctx, e)
	t.tellProbe(c.Input, e)
	c.BlockedMax = t.o.Times.BlockedMax
	c.RetryAt = t.now().Add(t.wait(e))
	if c.Input == order.Refuse {
		c.HTTP = t.records()
	}
	return t.finish(ctx, c)
}

// finish records a change and puts the order's successor into the queue.
func (t *task) finish(ctx context.Context, c order.Change) error {
	if err := t.record(ctx, c); err != nil {
		return err
	}
	return t.succeedBy(ctx)
}

// reference is our key at the provider for the next attempt.
func (t *task) reference() string { return t.referenceOf(order.NextReference(t.entry.Event)) }

// recordedN is the number of the reference that the last intent took. What was
// placed is asked about under it, whatever the next attempt will take.
func (t *task) recordedN() int {
	if w := t.entry.Event.Work; w != nil {
		return max(w.ReferenceN, 1)
	}
	return 1
}

func (t *task) referenceOf(n int) string {
	e := t.entry.Event
	if mutant.Is("M24") {
		return messages.Reference(t.o.Namespace, "", e.OrderID, n)
	}
	if e.Kind == messages.Exchange {
		return messages.APIID(t.o.Namespace, e.Tenant, e.OrderID, n)
	}
	return messages.Reference(t.o.Namespace, e.Tenant, e.OrderID, n)
}

// call writes the intent, makes the one request that it allows, and records
// what came of it. Between the intent and the request there is nothing else but
// the proof that a payout still has its turn, and where storing the intent took
// long the question whether an operator has paused the lane meanwhile.
func (t *task) call(ctx context.Context, in order.Input, plan providers.Plan, permit ratelimit.Permit) error {
	encoded, err := json.Marshal(plan)
	if err != nil {
		return &errUnprocessable{"the plan cannot be written: " + err.Error()}
	}
	if err := t.o.Fence.Allows(); err != nil {
		return &errLater{t.fencePause(), err.Error()}
	}
	if err := t.lane.certify(ctx); err != nil {
		return &errLater{200 * time.Millisecond, err.Error()}
	}
	t.fresh, t.recorder = t.first(in), nil // only the call itself is evidence of what came of it
	reference, nonce := t.reference(), rand.Text()
	begun := time.Now() // monotonic: the lease must not depend on clock steps
	claimed, err := t.claim(ctx, nonce, order.Change{
		Input: in, Evidence: plan.Evidence, Cost: plan.Quote, CostSource: messages.FromQuote,
		Intent: &order.Intent{
			Nonce: nonce, Owner: t.o.Instance, Reference: reference, ReferenceN: order.NextReference(t.entry.Event),
			LeaseUntil: t.o.Now().Add(t.o.Lease), Plan: encoded,
		},
	})
	if err != nil || !claimed {
		return err
	}
	stored := time.Now()
	if mutant.Is("M2") {
		_ = t.acknowledge()
	}
	var answer providers.Answer
	if err = t.lane.standing(ctx, stored); err == nil {
		err = t.keepTurn(ctx)
	}
	if err == nil {
		answer, err = t.send(ctx, plan, reference, permit, begun)
	}
	return t.outcome(ctx, nonce, plan, answer, err)
}

// claim appends the intent once. It is not tried again on a conflict: the
// order has moved, and what it needs now is decided anew.
func (t *task) claim(ctx context.Context, nonce string, c order.Change) (bool, error) {
	c.At = t.o.Now()
	last := t.entry
	e, verdict := order.Apply(last.Event, c)
	if verdict != order.Write {
		return false, fmt.Errorf("%s of an order that is %s: %s", c.Input, last.Event.State, verdict)
	}
	if mutant.Is("M1") {
		t.entry = &ledger.Entry{Seq: last.Seq, Event: e}
		return true, nil
	}
	timed, cancel := context.WithTimeout(ctx, t.o.Lease)
	defer cancel()
	seq, err := t.ledger.Append(timed, e, last.Seq)
	switch {
	case err != nil && mutant.Is("M7"):
		seq = last.Seq
	case errors.Is(err, ledger.ErrConflict):
		t.metrics.conflicts.Inc()
		return false, &errLater{100 * time.Millisecond, "another writer was faster"}
	case errors.Is(err, ledger.ErrNoRoom):
		t.log.Error().Err(err).Msg("no intent was written: the ledger is nearly full; nothing is bought until there is room")
		return false, &errLater{5 * time.Second, "the ledger is nearly full"}
	case err != nil:
		return false, t.withdraw(ctx, c.Input, nonce, err)
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
	until := *t.entry.Event.LeaseUntil
	// The guard runs at the last moment, just before the first byte is written:
	// after a pause of this process, an old permit or a lease that others may
	// take for ended must not let anything out.
	ctx = providers.WithSendGuard(ctx, func() error {
		if mutant.Is("M8") {
			return nil
		}
		if t.lane.isPaused() {
			return errPaused
		}
		now := time.Now()
		if err := permit.Check(); err != nil {
			t.crossing.arrive(false)
			return err
		}
		t.crossing.arrive(true)
		deadline, _ := ctx.Deadline()
		if deadline.After(begun.Add(t.o.Lease)) || now.After(deadline) || until.Sub(t.o.Now()) < deadline.Sub(now) {
			return errLeaseShort
		}
		return nil
	})
	t.metrics.calls.Inc()
	ctx, told := t.answering(t.recording(ctx), placing, "place")
	answer, err := t.provider.Place(ctx, t.purchase(reference), plan)
	told(err)
	return answer, err
}
