package worker

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// codeNoAnswer is the code of a doubt whose owner never reported.
const codeNoAnswer = "no_answer"

// reconcile meets an intent of somebody else. While its lease runs, its owner
// may still be calling; afterwards nobody knows whether the provider acted.
func (t *task) reconcile(ctx context.Context) error {
	e := t.entry.Event
	if t.o.Now().Before(*e.LeaseUntil) { // by our clock, though the server's may be ahead
		return t.putOff(ctx, *e.LeaseUntil)
	}
	if e.Work != nil && t.withdrawals.under(e.Work.Nonce) {
		return &errLater{time.Second, "this process is about to say that nothing was sent"}
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
	e, now := t.entry.Event, t.now()
	if e.NeedsOperator {
		if t.reg.Recovery != providers.RecoverByLookup {
			return nil
		}
		// Somebody has news, a webhook perhaps: what is seen still counts.
		return t.look(ctx)
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
		// However short the wait: without one repeat there is no evidence at all.
		if spent && e.Time.After(*e.Work.DoubtSince) {
			return t.askOperator(ctx, plan, nil)
		}
		return t.repeat(ctx, plan, nil)
	case providers.RecoverByLookup:
		return t.search(ctx, plan, spent)
	case providers.RecoverByOperator:
		return t.askOperator(ctx, plan, nil)
	default:
		return t.askOperator(ctx, plan, nil)
	}
}

// askOperator hands the order to the operator, with what the last lookup told:
// it may say why nobody but a person can find out.
func (t *task) askOperator(ctx context.Context, plan providers.Plan, told map[string]any) error {
	t.witnessed(ctx, order.AskOperator, plan, told)
	return t.succeedBy(ctx)
}

// search looks for the record of a request whose answer was lost. Only a
// provider that says again and again, for long enough, that it does not know
// our reference lets the request be sent again; one that cannot be asked leaves
// it to the operator, and so does one whose record is not the order's; one that
// does not answer is asked again.
func (t *task) search(ctx context.Context, plan providers.Plan, spent bool) error {
	e := t.entry.Event
	found, err := t.ask(ctx)
	if err != nil {
		return err
	}
	if t.entry.Event != e {
		return t.succeedBy(ctx)
	}
	now := t.now()
	next := now.Add(order.Backoff(e, t.o.Times, now))
	switch found.asked {
	case askedAbsent:
		seen := absenceOf(e).again(now, e.Attempt)
		if seen.Lookups >= absentLookups && now.Sub(seen.Since) >= t.absentFor() {
			return t.repeat(ctx, plan, found.told)
		}
		if seen.Lookups <= absentLookups {
			return t.finish(ctx, order.Change{
				Input: order.AddEvidence, Evidence: map[string]any{absenceKey: seen}, RetryAt: next, HTTP: t.records(),
			})
		}
	case askedInVain, askedStrange:
		if spent {
			return t.askOperator(ctx, plan, found.told)
		}
	}
	return t.putOff(ctx, next)
}

// absentFor is how long a record must be absent before its request is sent again.
func (t *task) absentFor() time.Duration {
	if t.reg.AbsentFor > 0 {
		return min(t.reg.AbsentFor, t.o.AbsenceWait)
	}
	return t.o.AbsenceWait
}

// absentLookups is how many lookups in a row must miss a record: a provider's
// own copies may be late, and one look proves nothing.
const absentLookups = 3

const absenceKey = "absence"

// absence counts the lookups that did not find the last attempt. It is kept in
// the ledger, because another replica may make the next lookup.
type absence struct {
	Attempt int       `json:"attempt"`
	Since   time.Time `json:"since"`
	Lookups int       `json:"lookups"`
}

func absenceOf(e *messages.Event) absence {
	var a absence
	if text, err := json.Marshal(e.Evidence[absenceKey]); err == nil {
		_ = json.Unmarshal(text, &a) // what cannot be read counts as none: it only takes longer
	}
	return a
}

func (a absence) again(now time.Time, attempt int) absence {
	if a.Attempt != attempt || a.Since.IsZero() {
		return absence{Attempt: attempt, Since: messages.Stamp(now), Lookups: 1}
	}
	a.Lookups++
	return a
}

// repeat sends an unanswered request again, under the same reference and with
// the same plan. It is a purchase like the first: a permit, an intent, a call.
// What must not be sent again by itself is the operator's, and so is what the
// ledger may have forgotten to be bought: under another reference, perhaps.
func (t *task) repeat(ctx context.Context, plan providers.Plan, told map[string]any) error {
	if t.entry.Event.Kind.ReferenceField() == "" || t.expired(t.now()) {
		return t.askOperator(ctx, plan, told)
	}
	if held, err := t.held(ctx); held || err != nil {
		if err != nil {
			return err
		}
		return t.askOperator(ctx, plan, told)
	}
	wait := func() error {
		return t.putOff(ctx, later(t.lane.closedUntil(), t.o.Now().Add(t.o.Times.PollFirst)))
	}
	if !t.mayPlace() {
		if !t.takeProbe(ctx) {
			return wait()
		}
		defer t.lane.endProbe(ctx)
	}
	permit, err := t.permit(ctx)
	if err != nil {
		return err
	}
	if !t.mayPlace() {
		return wait()
	}
	return t.call(ctx, order.Repeat, plan, permit)
}

// takeProbe makes this repeat the probe of a lane whose time is over; false
// where it is not, or another probes. Place commands do the same, but there may
// be none for days, and an order in doubt must not wait for one.
func (t *task) takeProbe(ctx context.Context) bool {
	if t.stopping.Err() != nil || t.o.Fence.Allows() != nil || !t.lane.tryProbe(ctx) {
		return false
	}
	t.probe = true
	return true
}

// putOff looks at the order again at a time that is not worth an event, and not
// at once where that time has passed by the server's clock.
func (t *task) putOff(ctx context.Context, at time.Time) error {
	c, now := messages.CommandFor(t.entry.Event, t.entry.Seq), t.now()
	at = later(at, now.Add(t.o.Times.PollFirst))
	return t.queue.Schedule(ctx, t.o.Provider, messages.Check, c, jitter(at, now))
}

// witness gathers evidence for the operator and records it. It decides
// nothing, and its failure stops nothing.
func (t *task) witness(ctx context.Context, in order.Input, plan providers.Plan) {
	t.witnessed(ctx, in, plan, nil)
}

// witnessed is witness with something that was told already.
func (t *task) witnessed(ctx context.Context, in order.Input, plan providers.Plan, told map[string]any) {
	c := order.Change{Input: in, NeedsOperator: true, NotBefore: t.notBefore(), Evidence: told, HTTP: t.records()}
	if n := t.entry.Event.NotBefore; n != nil {
		c.NotBefore = *n // it was promised to the operator already
	}
	if p, ok := t.provider.(providers.Witness); ok {
		asked, cancel := context.WithTimeout(ctx, t.o.Timeout)
		asked, heard := t.asking(asked, "witness")
		evidence, err := p.Witness(asked, t.purchase(t.referenceOf(t.recordedN())), plan)
		heard(err)
		cancel()
		if err != nil {
			t.log.Warn().Err(err).Msg("no evidence could be gathered")
		}
		c.Evidence = joined(told, evidence)
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
	found, err := t.ask(ctx)
	if err != nil {
		return err
	}
	return t.lookLater(ctx, found)
}

// asked is what a lookup came to.
type asked uint8

const (
	askedFound   asked = iota // it found a state, which is recorded
	askedFailed               // the provider did not answer
	askedInVain               // it cannot be asked with what is known
	askedStrange              // it answers with what cannot be the order's
	askedAbsent               // it does not know the order
)

// looked is what one lookup came to, and what it told besides: that becomes
// evidence only where the operator is asked, since it may differ at each look.
type looked struct {
	asked asked
	told  map[string]any
}

// ask makes one lookup and records what it finds; a lookup that changes nothing
// writes nothing.
func (t *task) ask(ctx context.Context) (looked, error) {
	attempt := t.entry.Event.Attempt // another may begin while the provider is asked
	answer, seconds, err := t.lookup(t.recording(ctx))
	if err != nil {
		return t.unanswered(ctx, err)
	}
	c, ok := t.found(answer)
	c.Hint, c.Attempt, c.HTTP = t.hint(), attempt, t.records()
	if mutant.Is("M12") && c.Hint["status"] == "success" {
		c.Input, ok = order.SeenSucceeded, true
	}
	if ok {
		err = t.insist(ctx, t.checkPrice(c))
	}
	for _, second := range seconds {
		again := told(second)
		again.Input, again.Hint, again.HTTP = order.SeenSecond, c.Hint, c.HTTP
		if err == nil {
			err = t.insist(ctx, again)
		}
	}
	switch {
	case ok || len(seconds) > 0 || answer.Status > providers.StatusAbsent:
		return looked{asked: askedFound}, err
	case answer.Status == providers.StatusAbsent:
		return looked{askedAbsent, answer.Evidence}, nil
	default:
		return looked{askedInVain, answer.Evidence}, nil
	}
}

// unanswered sorts a lookup that failed. A provider that is away comes back; one
// that holds something else under our reference says the same for ever, and an
// order that the adapter cannot even ask about stays as it is.
func (t *task) unanswered(ctx context.Context, err error) (looked, error) {
	if ctx.Err() != nil {
		return looked{asked: askedFailed}, err
	}
	e := providers.AsError(err)
	t.log.Warn().Str(logkey.Class, e.Class.String()).Str(logkey.Code, e.Code).Err(err).Msg("lookup failed; the order is looked at again later")
	t.tellLane(ctx, e)
	if e.Code != providers.CodeAnswerMismatch && e.Class != providers.Invalid {
		return looked{asked: askedFailed}, nil
	}
	why := wireError(e)
	return looked{askedStrange, map[string]any{"lookup": map[string]any{"code": why.Code, "message": why.Message}}}, nil
}

// joined makes one of two sets of evidence; nil where there is none.
func joined(a, b map[string]any) map[string]any {
	if len(a) == 0 {
		return b
	}
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
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
		return at.Add(time.Duration(rand.Int64N(int64(wait)/10 + 1))) // #nosec G404 -- spreads load, guards nothing
	}
	return at
}
