package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

// decided tells what was written, or would be. body is the answer to the letter.
func (d *deciding) decided(r *messages.Resolution, body []byte) int {
	e := &r.Event
	if d.c.json() {
		d.tell("%s", body)
	} else {
		if r.DryRun {
			d.tell("\nnothing was written; this would be event %d of %s:", e.N, e.Key())
			d.tellFacts(e)
		} else {
			d.tell("\n%s\t%s\tevent %d, decided by %s", e.Key(), d.look.Paint(e.State, string(e.State)), e.N, plain.Clean(d.asked.By))
		}
		if r.Next != nil {
			d.tell("next: %s at %s", r.Next.Verb, plain.Moment(r.Next.At))
		}
	}
	if !r.DryRun && !e.Terminal() {
		d.say("`beltline order watch %s --tenant %s` follows it", e.OrderID, e.Tenant)
	}
	return app.ExitOK
}

// found tells of a decision whose answer was lost, as the answer would have been.
func (d *deciding) found(e *messages.Event) int {
	event, err := e.MarshalJSON()
	if err != nil {
		return d.failed(err)
	}
	return d.decided(&messages.Resolution{Event: *e}, fmt.Appendf(nil, `{"dry_run":false,"event":%s,"next":null}`, event))
}

// undecided explains why there is no decision, or none that is known of. That
// nothing was written is said only where it is certain.
func (d *deciding) undecided(ctx context.Context, err error) int {
	var refusal *client.ServiceError
	switch {
	case errors.Is(err, upstream.ErrNotAsked), errors.Is(err, client.ErrDenied):
		d.say("beltline: nothing was written: %s", err)
		return app.ExitFailure
	case !errors.As(err, &refusal):
		return d.unknown(ctx, err)
	}
	p := refusal.Problem
	switch {
	case refusal.Status == http.StatusBadRequest:
		d.unacceptable(p)
		return app.ExitConfig
	case refusal.Status == http.StatusNotFound:
		d.say("beltline: nothing was written: %s: %s/%s", upstream.ErrNotFound, d.tenant, d.id)
		return exitNotFound
	case p.Code == messages.ProblemMoved:
		return d.moved(ctx, p)
	case p.Code == messages.ProblemHoldDown:
		d.tooEarly(p)
		return app.ExitFailure
	case refusal.Status == http.StatusConflict:
		d.say("beltline: nothing was written: %s", p.Message)
		return app.ExitFailure
	default:
		return d.unknown(ctx, err)
	}
}

// unacceptable names all faults of what was asked, by the flags that they are of.
func (d *deciding) unacceptable(p messages.Problem) {
	flags := map[string]string{
		"/evidence": "--evidence", "/by": "--by", "/expected_n": "--expected-n", "/decision": "--decision",
		"/new_reference": "--new-reference", "/tenant": "order", "/id": "order",
	}
	d.say("beltline: nothing was written: the decision is not acceptable")
	if len(p.Faults) == 0 {
		d.say("  %s", p.Message)
	}
	for _, f := range p.Faults {
		name, known := flags[f.Pointer]
		if !known {
			name = f.Pointer
		}
		d.say("  %s: %s", name, f.Message)
	}
}

// tooEarly says from when on the decision may be made.
func (d *deciding) tooEarly(p messages.Problem) {
	d.say("beltline: nothing was written: it is too early for %s: a worker that was paused may still wake up and buy", d.c.Decision)
	if p.NotBefore == nil {
		d.say("The order is still being looked up. Wait until it needs an operator: `beltline order watch %s --tenant %s`", d.id, d.tenant)
	} else {
		d.say("It may be decided from %s on, in %s; give the same command again then",
			plain.Moment(*p.NotBefore), max(0, time.Until(*p.NotBefore)).Round(time.Second))
	}
	d.say("If there is evidence that it was bought, succeeded can be decided now")
}

// moved: the order is not where the decision rests. What stands in its place
// may be this very decision, whose first answer was lost.
func (d *deciding) moved(ctx context.Context, p messages.Problem) int {
	all, err := d.client.OperatorHistory(ctx, d.tenant, d.id)
	if err != nil {
		d.say("beltline: the order has moved: its last event is %d, and the decision rests on %d", p.N, d.asked.ExpectedN)
		d.say("What it is now was not to be seen (%s): `beltline resolve %s/%s`", err, d.tenant, d.id)
		return app.ExitFailure
	}
	if e := d.own(all); e != nil {
		d.say("this decision had been written already")
		return d.found(e)
	}
	last := all[len(all)-1]
	d.say("beltline: nothing was written: the order has moved since event %d", d.asked.ExpectedN)
	d.news(all)
	if last.State == messages.Unresolved {
		d.say("Look at it again before you decide: `beltline resolve %s`", last.Key())
	} else {
		d.adviseOnEnd(last)
	}
	return app.ExitFailure
}

// news tells what has come since the event that the decision rests on.
func (d *deciding) news(all []*messages.Event) {
	for _, e := range all {
		if e.N > d.asked.ExpectedN {
			d.say("  event %d, %s: %s: %s", e.N, plain.Moment(e.Time), e.Type, plain.Why(e))
		}
	}
}

// adviseOnEnd says what is left to do about an order that is not in doubt.
func (d *deciding) adviseOnEnd(last *messages.Event) {
	switch {
	case last.Terminal() && last.NeedsOperator:
		d.say("It has ended as %s, and an answer that came late contradicts that. Settle it with the provider and with the customer; "+
			"the order stays as it is", last.State)
	case last.Terminal():
		d.say("It has ended as %s; there is nothing left to decide", last.State)
	default:
		d.say("It goes on by itself: `beltline order watch %s --tenant %s`", last.OrderID, last.Tenant)
	}
}

// unknown: the decision may have been written, or may be yet. The ledger says
// what became of it, if it can be asked.
func (d *deciding) unknown(ctx context.Context, err error) int {
	d.say("beltline: %s", err)
	if d.asked.DryRun {
		d.say("It was a dry run: nothing is written by it. Give the same command again")
		return app.ExitFailure
	}
	all, lookErr := d.lookAgain(ctx)
	switch {
	case lookErr != nil:
		d.say("It is not known whether the decision was written, and the order is not to be seen now: %s", lookErr)
	case d.own(all) != nil:
		d.say("The decision was written all the same")
		return d.found(d.own(all))
	case d.overtaken(all):
		d.say("The decision was not written, and cannot be any more: the order has moved since event %d", d.asked.ExpectedN)
		d.news(all)
		return app.ExitFailure
	case all[len(all)-1].N == d.asked.ExpectedN:
		d.say("It is not known whether the decision will be written: so far it is not, event %d is still the last", d.asked.ExpectedN)
	default:
		d.say("It is not known whether the decision was written: the order has moved on to event %d, and event %d was not to be seen",
			all[len(all)-1].N, d.asked.ExpectedN+1)
	}
	d.say("Give the same command again with --expected-n %d: a decision that rests on event %d is written once or not at all",
		d.asked.ExpectedN, d.asked.ExpectedN)
	return app.ExitFailure
}

// lookAgain reads the order again, and waits for a while where that fails: what
// has hidden the answer may hide this one as well. Whoever has interrupted the
// question needs to know its fate all the more; a second signal ends this too.
func (d *deciding) lookAgain(ctx context.Context) (all []*messages.Event, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askFor)
	defer cancel()
	for {
		if all, err = d.client.OperatorHistory(ctx, d.tenant, d.id); err == nil || !sleep(ctx, time.Second) {
			return all, err
		}
	}
}

// own finds the event that this very decision has written; nil where there is
// none. Where only the last event is to be had, one that came later shows it too:
// evidence stays with the order.
func (d *deciding) own(all []*messages.Event) *messages.Event {
	for _, e := range all {
		if e.N > d.asked.ExpectedN && d.sameDecision(e.Evidence["decision"]) {
			return e
		}
	}
	return nil
}

// overtaken reports whether another event stands where the decision would: only
// one can follow the one that it rests on.
func (d *deciding) overtaken(all []*messages.Event) bool {
	return slices.ContainsFunc(all, func(e *messages.Event) bool { return e.N == d.asked.ExpectedN+1 })
}

// sameDecision compares what was asked with what an event says was decided.
func (d *deciding) sameDecision(v any) bool {
	var have struct {
		Decision     messages.Decision `json:"decision"`
		By           string            `json:"by"`
		ExpectedN    uint64            `json:"expected_n"`
		NewReference bool              `json:"new_reference"`
		Evidence     json.RawMessage   `json:"evidence"`
	}
	text, err := json.Marshal(v)
	if err != nil || json.Unmarshal(text, &have) != nil {
		return false
	}
	evidence, err := json.Marshal(d.asked.Evidence)
	return err == nil && have.Decision == d.asked.Decision && have.By == d.asked.By && have.ExpectedN == d.asked.ExpectedN &&
		have.NewReference == d.asked.NewReference && messages.SameContent(have.Evidence, evidence)
}
