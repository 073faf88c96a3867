package order

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
)

// ErrKept is returned by [Forget] and [Forgettable] for an order that must stay as it is.
var ErrKept = errors.New("the order must be kept")

// Forget makes the last event of an order that is to be erased: what the
// business needs of it and nothing that anybody told about themselves. ErrKept
// says that the order has not ended, or that something may still come of it.
//
// Of what the provider and upstream have said only the cost stays: every other
// text may name a person, and the caller has exported it all.
func Forget(last *messages.Event, at time.Time, by string) (*messages.Event, error) {
	if err := Forgettable(last, at); err != nil {
		return nil, err
	}
	e := &messages.Event{
		N: last.N + 1, Type: messages.Forgotten, State: last.State, Time: messages.Stamp(at),
		Tenant: last.Tenant, OrderID: last.OrderID, Provider: last.Provider, Attempt: last.Attempt,
		Cost: last.Cost, CostSource: last.CostSource, Finality: last.Finality,
		Evidence: map[string]any{messages.ForgottenKey: map[string]any{
			messages.ForgottenBy: by, messages.ForgottenContent: messages.ContentDigest(last.Order),
		}},
	}
	// What was rejected may name any kind and provider: they are words of upstream.
	if !e.Provider.Known() {
		e.Provider = ""
	}
	if slices.Contains(messages.Kinds(), last.Kind) {
		e.Kind = last.Kind
	}
	return e, nil
}

// Forgettable returns nil where [Forget] would make an event, at less cost.
func Forgettable(last *messages.Event, at time.Time) error {
	if why := kept(last, at); why != "" {
		return fmt.Errorf("%w: %s", ErrKept, why)
	}
	return nil
}

// kept says why an order must not be erased at that time; empty where it may.
func kept(last *messages.Event, at time.Time) string {
	switch {
	case last.Forgotten():
		return "it is erased already"
	case !last.Terminal():
		return "it has not ended"
	case last.NeedsOperator:
		return "it needs an operator"
	case last.WatchUntil != nil && at.Before(last.WatchUntil.Add(LastLookFor)): // the last look may not have been answered yet
		return "it is watched"
	case last.Kind == messages.Deposit && at.Sub(last.Time) < DepositWatch:
		return "its customer may still pay"
	default:
		return ""
	}
}

// forgotten is what may happen to an order that was erased: nothing that would be
// written. Upstream hears that there is none, an operator that none can be decided.
func forgotten(m move, c *Change) move {
	switch {
	case c.Input == CancelRequest, c.Input == ConfirmRequest:
		return unknown
	case m.verdict == Forbidden:
		return forbidden
	default:
		return ignore
	}
}
