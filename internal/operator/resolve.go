package operator

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// codeDecision is the code of the errors that a decision leads to.
const codeDecision = "operator_decision"

// evidenceKey is where an event says who decided what, and why.
const evidenceKey = "decision"

// resolve takes a decision.
func (d *desk) resolve(ctx context.Context, body []byte) (service.Answer, error) {
	asked, err := messages.DecodeResolve(body)
	if err != nil {
		return service.Answer{}, service.Refused(err)
	}
	last, err := d.ledger.Last(ctx, asked.Tenant, asked.ID)
	if err != nil {
		return service.Answer{}, err
	}
	if last.Event.N != asked.ExpectedN {
		return service.Answer{}, moved(asked, last.Event.N)
	}
	now := d.o.Now()
	e, verdict := order.Apply(last.Event, change(asked, last.Event, now))
	if verdict != order.Write {
		return service.Answer{}, undecided(last.Event, verdict)
	}
	if asked.DryRun {
		return d.decided(asked, e), nil
	}
	seq, err := d.ledger.Append(telemetry.Extract(ctx, last.Trace), e, last.Seq)
	if err != nil {
		return service.Answer{}, d.unwritten(ctx, asked, err)
	}
	d.log.Warn().Str(logkey.Tenant, e.Tenant).Str(logkey.OrderID, e.OrderID).Str(logkey.Provider, string(e.Provider)).
		Uint64(logkey.N, e.N).Str(logkey.From, string(last.Event.State)).Str(logkey.To, string(e.State)).
		Str("decision", string(asked.Decision)).Str("by", asked.By).Msg("an operator decided about an order")
	if err := d.o.Drive(ctx, &ledger.Entry{Seq: seq, Event: e, Stored: e.Time}); err != nil {
		d.log.Warn().Err(err).Str(logkey.Tenant, e.Tenant).Str(logkey.OrderID, e.OrderID).
			Msg("an order that was decided about was not driven yet; the sweeper will find it")
	}
	return d.decided(asked, e), nil
}

// change is what a decision does to an order.
func change(asked messages.Resolve, last *messages.Event, now time.Time) order.Change {
	decision := map[string]any{
		"decision": string(asked.Decision), "by": asked.By, "evidence": asked.Evidence, "expected_n": asked.ExpectedN,
	}
	c := order.Change{At: now, Evidence: map[string]any{evidenceKey: decision}}
	switch asked.Decision {
	case messages.DecidedSucceeded:
		c.Input = order.DecideSucceeded
		c.Finality = finality(last.Provider)
		if last.Deliverable == nil && (last.Kind == messages.Topup || last.Kind == messages.GiftCard) {
			c.Deliverable = json.RawMessage(`{}`) // these kinds never have another
		}
	case messages.DecidedFailed:
		c.Input = order.DecideFailed
		c.Error = &messages.Error{
			Class: providers.Rejected.String(), Code: codeDecision, Message: "an operator decided that it was not delivered",
		}
	case messages.DecidedPlaceAgain:
		c.Input, c.NewReference, c.RetryAt = order.DecidePlaceAgain, asked.NewReference, now
		decision["new_reference"] = asked.NewReference
		c.Error = &messages.Error{
			Class: providers.Retryable.String(), Code: codeDecision, Message: "an operator decided that it is placed again", Retryable: true,
		}
	}
	return c
}

// finality: where no status can be asked for, nobody knows more than that the
// provider took it.
func finality(p messages.Provider) messages.Finality {
	if reg, ok := providers.Lookup(p); ok && reg.Recovery == providers.RecoverByOperator {
		return messages.ProviderAccepted
	}
	return messages.Final
}

// decided is the answer to a decision that was, or would be, written.
func (d *desk) decided(asked messages.Resolve, e *messages.Event) service.Answer {
	r := messages.Resolution{DryRun: asked.DryRun, Event: *e}
	if due, ok := order.Next(e, d.o.Times, e.Time); ok {
		r.Next = &messages.NextStep{Verb: due.Verb, At: messages.Stamp(due.At)}
	}
	return service.Answer{Body: r, Instead: "the decision is in the order's last event"}
}

func moved(asked messages.Resolve, n uint64) *service.Failure {
	f := service.Fail(service.Conflict, messages.ProblemMoved,
		"the order has moved: its last event is %d, the decision rests on %d; look at it again", n, asked.ExpectedN)
	f.Problem.N = n
	return f
}

// undecided says why an order cannot be decided about now.
func undecided(last *messages.Event, v order.Verdict) *service.Failure {
	var f *service.Failure
	switch {
	case v != order.Wait:
		f = service.Fail(service.Conflict, messages.ProblemWrongState,
			"the order is %s: only what is unresolved can be decided about", last.State)
	case !last.NeedsOperator:
		f = service.Fail(service.Conflict, messages.ProblemHoldDown,
			"the order is still being looked up; that it was not bought can be decided only when it needs an operator")
	default:
		f = service.Fail(service.Conflict, messages.ProblemHoldDown,
			"before %s a worker may still wake up and buy; until then only succeeded can be decided", last.NotBefore.Format(time.RFC3339))
		f.Problem.NotBefore = last.NotBefore
	}
	f.Problem.N = last.N
	return f
}

// unwritten explains why a decision was not written, or may not be.
func (d *desk) unwritten(ctx context.Context, asked messages.Resolve, err error) error {
	switch {
	case errors.Is(err, ledger.ErrConflict):
		last, err := d.ledger.Last(ctx, asked.Tenant, asked.ID)
		if err != nil {
			return err
		}
		return moved(asked, last.Event.N)
	case errors.Is(err, ledger.ErrNoRoom):
		return service.Fail(service.Unavailable, messages.ProblemUnavailable, "the ledger has no room; nothing was written")
	case errors.Is(err, ledger.ErrInvalid):
		return service.Fail(service.BadRequest, messages.ProblemBadRequest, "the decision does not fit into an event; shorten its evidence")
	case errors.Is(err, ledger.ErrUnknown):
		d.log.Warn().Err(err).Str(logkey.Tenant, asked.Tenant).Str(logkey.OrderID, asked.ID).Msg("it is not known whether a decision was written")
		return service.Fail(service.Unavailable, messages.ProblemUnavailable,
			"it is not known whether the decision was written; look at the order before you decide again")
	default:
		return err
	}
}
