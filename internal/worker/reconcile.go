package worker

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// codeNoAnswer is the code of a doubt whose owner never reported.
const codeNoAnswer = "no_answer"

// reconcile meets an intent of somebody else. While its lease runs, its owner
// may still be calling; afterwards nobody knows whether the provider acted.
func (t *task) reconcile(ctx context.Context) error {
	e := t.entry.Event
	if t.o.Now().Before(*e.LeaseUntil) {
		return t.succeedBy(ctx)
	}
	err := t.record(ctx, order.Change{
		Input: order.LeaseOver, RetryAt: t.o.Now(), NotBefore: t.notBefore(),
		NeedsOperator: t.reg.Recovery == providers.RecoverByOperator,
		Error: &messages.Error{
			Class: providers.Ambiguous.String(), Code: codeNoAnswer,
			Message: "the worker that placed the order ended before it recorded an answer",
		},
	})
	if err != nil {
		return err
	}
	if e := t.entry.Event; e.State == messages.Unresolved && e.NeedsOperator {
		plan, err := t.plan()
		if err != nil {
			return err
		}
		t.witness(ctx, order.AddEvidence, plan)
	}
	return t.succeedBy(ctx)
}

// resolve works on a doubt: by asking, by repeating where the provider refuses
// what it has seen, or by handing it to the operator.
func (t *task) resolve(ctx context.Context) error {
	e, now := t.entry.Event, t.o.Now()
	if e.NeedsOperator {
		return nil
	}
	if e.RetryAt != nil && now.Before(*e.RetryAt) {
		return t.succeedBy(ctx)
	}
	plan, err := t.plan()
	if err != nil {
		return err
	}
	spent := e.Work.DoubtSince != nil && now.Sub(*e.Work.DoubtSince) >= t.o.AbsenceWait
	switch t.reg.Recovery {
	case providers.RecoverByRepeat:
		if spent {
			t.witness(ctx, order.AskOperator, plan)
			return t.succeedBy(ctx)
		}
		return t.repeat(ctx, plan)
	case providers.RecoverByLookup:
		absent, err := t.ask(ctx)
		if err != nil {
			return err
		}
		if t.entry.Event.State != messages.Unresolved {
			return t.succeedBy(ctx)
		}
		if absent && spent {
			return t.repeat(ctx, plan)
		}
		return t.putOff(ctx, t.o.Now().Add(order.Backoff(e, t.o.Times, now)))
	case providers.RecoverByOperator:
		t.witness(ctx, order.AskOperator, plan)
		return t.succeedBy(ctx)
	default:
		return nil
	}
}

// repeat sends an unanswered request again, under the same reference and with
// the same plan. It is a purchase like the first: a permit, an intent, a call.
func (t *task) repeat(ctx context.Context, plan providers.Plan) error {
	if !t.mayPlace() {
		return t.putOff(ctx, later(t.lane.closedUntil(), t.o.Now().Add(t.o.Times.PollFirst)))
	}
	permit, err := t.limiter.Take(ctx, ratelimit.ForPlace)
	if err != nil {
		return err
	}
	return t.call(ctx, order.Repeat, plan, permit)
}

// putOff looks at the order again at a time that is not worth an event.
func (t *task) putOff(ctx context.Context, at time.Time) error {
	c := messages.CommandFor(t.entry.Event, t.entry.Seq)
	return t.queue.Schedule(ctx, t.o.Provider, messages.Check, c, jitter(at, t.o.Now()))
}

// witness gathers evidence for the operator and records it. It decides
// nothing, and its failure stops nothing.
func (t *task) witness(ctx context.Context, in order.Input, plan providers.Plan) {
	c := order.Change{Input: in, NeedsOperator: true, NotBefore: t.notBefore()}
	if n := t.entry.Event.NotBefore; n != nil {
		c.NotBefore = *n // it was promised to the operator already
	}
	if p, ok := t.provider.(providers.Witness); ok {
		asked, cancel := context.WithTimeout(ctx, t.o.Timeout)
		evidence, err := p.Witness(asked, t.purchase(t.reference()), plan)
		cancel()
		if err != nil {
			t.log.Warn().Err(err).Msg("no evidence could be gathered")
		}
		c.Evidence = evidence
	}
	if in == order.AddEvidence && len(c.Evidence) == 0 {
		return
	}
	if err := t.record(ctx, c); err != nil {
		t.log.Warn().Err(err).Msg("evidence was not recorded")
	}
}

// look asks the provider what has become of a placed order, and looks again
// later where it has not ended.
func (t *task) look(ctx context.Context) error {
	if _, err := t.ask(ctx); err != nil {
		return err
	}
	return t.succeedBy(ctx)
}

// ask makes one lookup and records what it finds; a lookup that changes nothing
// writes nothing.
func (t *task) ask(ctx context.Context) (absent bool, err error) {
	answer, err := t.provider.Lookup(ctx, t.purchase(t.reference()))
	if err != nil {
		if ctx.Err() != nil {
			return false, err
		}
		e := providers.AsError(err)
		t.log.Warn().Str(logkey.Class, e.Class.String()).Str(logkey.Code, e.Code).Err(err).Msg("lookup failed; the order is looked at again later")
		if e.Class == providers.Blocked || e.RetryAfter > 0 {
			t.tellLane(ctx, e)
		}
		return false, nil
	}
	c, ok := seen(answer)
	if !ok {
		return answer.Status == providers.StatusAbsent, nil
	}
	return false, t.insist(ctx, t.checkPrice(c))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// jitter spreads a time by up to a tenth of the wait, so that orders put off
// together do not come back together.
func jitter(at, now time.Time) time.Time {
	if wait := at.Sub(now); wait > 0 {
		return at.Add(time.Duration(rand.Int64N(int64(wait)/10 + 1))) //nolint:gosec // spreads load, guards nothing
	}
	return at
}
