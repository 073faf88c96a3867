package worker

import (
	"time"

	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// owned turns the answer to the owner's own call into an input. This switch and
// the two below are the only places where classes and statuses become inputs.
func owned(a providers.Answer, err error) order.Change {
	if err != nil {
		e := providers.AsError(err)
		c := order.Change{Error: wireError(e), Requote: e.Requote, Blocked: e.Class == providers.Blocked}
		c.Input = ownedClass(e)
		if mutant.Is("M16") && e.Exists {
			c.Input, c.Requote = order.OwnRetry, true
		}
		return c
	}
	c := told(a)
	switch a.Status {
	case providers.StatusSucceeded:
		c.Input = order.OwnSucceeded
	case providers.StatusProcessing:
		c.Input = order.OwnProcessing
	case providers.StatusActionRequired:
		c.Input = order.OwnActionRequired
	case providers.StatusOnHold:
		c.Input = order.OwnOnHold
	case providers.StatusFailed, providers.StatusReversed:
		c.Input = order.OwnFailed
	case providers.StatusUnknown, providers.StatusAbsent:
		fallthrough
	default: // the zero input would say that nothing happened
		c.Input = order.OwnUnknown
		c.Error = &messages.Error{Class: providers.Ambiguous.String(), Code: providers.CodeUnreadable}
	}
	return c
}

func ownedClass(e *providers.Error) order.Input {
	if e.Exists {
		// Whatever the class: a reference that exists was used by a request of
		// ours, which may have bought.
		return order.OwnDuplicate
	}
	switch e.Class {
	case providers.Ambiguous:
		if mutant.Is("M3") {
			return order.OwnRetry
		}
		if mutant.Is("M4") {
			return order.OwnRefused
		}
		return order.OwnUnknown
	case providers.Rejected:
		return order.OwnRefused
	case providers.Retryable, providers.Blocked:
		return order.OwnRetry
	case providers.Invalid:
		// The adapter could not make a request of the order: nothing was sent.
		return order.OwnRefused
	default:
		return order.OwnUnknown
	}
}

// prepared turns a failure before the intent into an input. Nothing that could
// buy was sent, so all but a definite no, a time-out too, means: later.
func prepared(err error) order.Change {
	e := providers.AsError(err)
	c := order.Change{Input: order.Postpone, Error: wireError(e)}
	switch e.Class {
	case providers.Rejected, providers.Invalid:
		c.Input = order.Refuse
	case providers.Blocked:
		c.Blocked = true
	case providers.Ambiguous, providers.Retryable:
		c.Error.Class, c.Error.Retryable = providers.Retryable.String(), true
	}
	return c
}

// seen turns what a lookup found into an input; false where it found nothing new.
func seen(a providers.Answer) (order.Change, bool) {
	c := told(a)
	switch a.Status {
	case providers.StatusProcessing:
		c.Input = order.SeenProcessing
	case providers.StatusActionRequired:
		c.Input = order.SeenActionRequired
	case providers.StatusOnHold:
		c.Input = order.SeenOnHold
	case providers.StatusSucceeded:
		c.Input = order.SeenSucceeded
	case providers.StatusFailed:
		c.Input = order.SeenFailed
	case providers.StatusReversed:
		c.Input = order.SeenReversed
	case providers.StatusUnknown, providers.StatusAbsent:
		return c, false
	default:
		return c, false
	}
	return c, true
}

// told carries over what an answer says besides its status.
func told(a providers.Answer) order.Change {
	c := order.Change{
		Ref: a.Ref, Cost: a.Cost, CostSource: a.CostSource, Deliverable: a.Deliverable, Finality: a.Finality,
		Action: a.Action, HoldUntil: a.HoldUntil, WatchUntil: a.WatchUntil, Evidence: a.Evidence,
	}
	if mutant.Is("M14") {
		c.Cost = inexact(c.Cost)
	}
	if a.Status == providers.StatusFailed || a.Status == providers.StatusReversed {
		c.Error = &messages.Error{Class: providers.Rejected.String(), Code: a.Code, Message: a.Message}
	}
	return c
}

func wireError(e *providers.Error) *messages.Error {
	message := e.Message
	if message == "" && e.Err != nil {
		message = e.Err.Error()
	}
	return &messages.Error{
		Class: e.Class.String(), Code: e.Code, Message: message,
		Retryable: e.Class == providers.Retryable || e.Class == providers.Blocked,
	}
}

// wait is how long an order is put off: longer each time, as long as the
// provider says at least.
func (t *task) wait(e *providers.Error) time.Duration {
	const longest = time.Minute
	tries := 0
	if w := t.entry.Event.Work; w != nil {
		tries = min(w.Tries, 16)
	}
	d := min(t.o.Times.PollFirst<<tries, max(longest, t.o.Times.PollFirst))
	if e != nil {
		d = max(d, e.RetryAfter)
	}
	return d
}
