package order

import (
	"maps"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
)

// learn adds what the provider said to what is known.
func learn(e *messages.Event, c Change) {
	e.ProviderRef = merged(e.ProviderRef, c.Ref)
	e.Evidence = merged(e.Evidence, c.Evidence)
	if c.Cost != nil {
		e.Cost, e.CostSource = c.Cost, c.CostSource
	}
	if c.Deliverable != nil {
		e.Deliverable = c.Deliverable
	}
	if c.Finality != "" {
		e.Finality = c.Finality
	}
	if c.WatchUntil != nil {
		e.WatchUntil = stamped(*c.WatchUntil)
	}
}

const (
	// hintKey is the evidence of what a callback claimed.
	hintKey = "webhook"
	// adviceSuffix ends the keys of evidence that tells what somebody should do
	// about the state it was told in. It is not true of the next one.
	adviceSuffix = "_hint"
)

// withoutAdvice drops what was advised for the state before.
func withoutAdvice(known map[string]any) map[string]any {
	kept := known
	for key := range known {
		if strings.HasSuffix(key, adviceSuffix) {
			kept = maps.Clone(kept)
			delete(kept, key)
		}
	}
	return kept
}

// enter fills in an event that changes the state.
func enter(e, last *messages.Event, c Change) {
	if last != nil {
		e.Evidence = withoutAdvice(e.Evidence)
		learn(e, c)
	}
	e.Action, e.LeaseUntil, e.RetryAt, e.HoldUntil, e.NotBefore = nil, nil, nil, nil, nil
	if c.Input.decision() {
		e.Work.Contradicted = false
	}
	if last != nil && last.State == actionRequired && e.State == processing {
		e.Work.Acted = true
	}
	if e.CostSource == messages.FromQuote && notBought(e.State) {
		e.Cost, e.CostSource = nil, "" // a price that nobody paid
	}
	// A contradiction that came late stays in sight until an operator decides.
	e.NeedsOperator = e.Work.Contradicted
	switch e.State {
	case placing:
		claim(e, c)
	case retrying:
		postpone(e, last, c)
	case unresolved:
		doubt(e, last, c)
	case actionRequired:
		e.Action = c.Action
		if c.Action == nil && last.State == actionRequired {
			e.Action = last.Action
		}
		settle(e)
	case onHold:
		if c.HoldUntil != nil {
			e.HoldUntil = stamped(*c.HoldUntil)
		} else if last.State == onHold {
			e.HoldUntil = last.HoldUntil
		}
		settle(e)
	case failed, canceled, expired:
		settle(e)
		e.WatchUntil = nil // it spoke of what might be taken back
		if stands(last, c) {
			e.WatchUntil = stamped(c.At.Add(DepositWatch))
		}
		if e.State == failed && last != nil && last.State == processing {
			oweRefund(e)
		}
	case reversed:
		settle(e)
		e.Finality, e.WatchUntil = "", nil // they spoke of the success that was taken back
	default:
		settle(e)
	}
}

// refundKey is the evidence of whether the provider gave back what it had taken.
const refundKey = "refund"

// oweRefund: what was in work at the provider may have been paid for, whoever
// ended it. A failure that kept silent about the money would read as if there
// were none to ask for.
func oweRefund(e *messages.Event) {
	if _, told := e.Evidence[refundKey]; !told {
		e.Evidence = merged(e.Evidence, map[string]any{refundKey: "unconfirmed"})
	}
}

// stands reports whether an order that ends leaves a deposit behind which may
// still be paid. Its link is lost to us, but not for certain to everybody: the
// answer was sent, and a worker that was taken for lost may have it. A lookup
// that ends the order has seen the end of all its deposits.
func stands(last *messages.Event, c Change) bool {
	if last == nil || last.Kind != messages.Deposit || c.Input == SeenFailed || c.Input == SeenReversed {
		return false
	}
	w := work(last)
	return w.NewReference || w.ReferenceN > 1 || c.Input == DecideFailed
}

// settle ends the doubt: the state is known.
func settle(e *messages.Event) {
	certain(e)
	e.Work.Tries = 0
}

func certain(e *messages.Event) {
	e.Work.InDoubt, e.Work.Unheard, e.Work.Unsaid, e.Work.DoubtSince = false, false, "", nil
}

// claim makes the intent: a new attempt with its own nonce.
func claim(e *messages.Event, c Change) {
	e.Attempt++
	e.Work.Unsaid = unsaid(e.Work, c.Input)
	e.Work.Nonce, e.Work.Owner = c.Intent.Nonce, c.Intent.Owner
	e.Work.ReferenceN, e.Work.NewReference = c.Intent.ReferenceN, false
	e.Work.Answered, e.Work.Acted = false, false
	e.Work.Unheard = false                         // from now on a refusal speaks of this request only
	if c.Input != Repeat || c.Intent.Plan != nil { // a repeat sends what the first sent
		e.Work.Plan = c.Intent.Plan
	}
	e.LeaseUntil = stamped(c.Intent.LeaseUntil)
	if !e.Work.InDoubt {
		e.Work.PlacedAt = stamped(c.At)
	}
	if field := e.Kind.ReferenceField(); field != "" {
		e.ProviderRef = merged(e.ProviderRef, map[string]string{field: c.Intent.Reference})
	}
}

// postpone counts quotes and remembers since when the account was blocked.
// Whoever comes here knows that nothing was bought.
func postpone(e, last *messages.Event, c Change) {
	e.RetryAt = stamped(c.RetryAt)
	e.Work.Tries++
	certain(e)
	switch {
	case c.Input == OwnRetry && c.Requote:
		e.Work.Quotes++
		e.Work.NewReference = true
	case c.Input == LinkLost:
		e.Work.NewReference = true
	case c.Input == DecidePlaceAgain:
		// The decision settles the doubt, by evidence that we do not have.
		e.Work.Tries = 0
		e.Work.NewReference = c.NewReference
	}
	switch {
	case !c.Blocked:
		e.Work.BlockedSince = nil
	case work(last).BlockedSince == nil:
		e.Work.BlockedSince = stamped(c.At)
	}
}

// doubt records that a request may have been executed.
func doubt(e, last *messages.Event, c Change) {
	e.Work.Unheard = unheard(last, c)
	e.Work.InDoubt = true
	if c.Input == OwnUnknown || c.Input == OwnDuplicate {
		e.Work.Unsaid = "" // no owner's word can end the doubt any more
	}
	e.Work.Tries++
	if e.Work.DoubtSince == nil {
		e.Work.DoubtSince = stamped(c.At)
	}
	if c.Error == nil {
		e.Error = last.Error
	} else if c.Input.no() {
		// The order is in doubt for what happened before. What the repeat met
		// with stands beside it: "retryable" or "refused" is not true of the order.
		if e.Error = last.Error; e.Error == nil {
			e.Error = &messages.Error{Class: "ambiguous", Code: c.Error.Code, Message: c.Error.Message}
		}
		e.Evidence = merged(e.Evidence, map[string]any{"repeat": wireError(c.Error)})
	}
	// Once asked, the operator stays asked until the state is known.
	asked := last.State == unresolved && last.NeedsOperator
	e.NeedsOperator = e.NeedsOperator || asked || c.NeedsOperator || c.Input == AskOperator || c.Input == Unprocessable
	if e.NeedsOperator {
		holdDown(e, last, c)
		return
	}
	if e.RetryAt = stamped(c.RetryAt); e.RetryAt == nil {
		e.RetryAt = last.RetryAt
	}
}

// unheard reports whether the doubt is about the last attempt alone, whose
// owner has not answered: then its answer, if it comes, decides.
func unheard(last *messages.Event, c Change) bool {
	switch {
	case c.Input.own():
		return false
	case last.State == placing:
		return !work(last).InDoubt
	default:
		return last.State == unresolved && work(last).Unheard
	}
}

// holdDown says from when on an operator may decide that nothing was bought:
// never earlier than was said before, and never at once.
func holdDown(e, last *messages.Event, c Change) {
	e.NotBefore = stamped(c.NotBefore)
	if last.State == unresolved && last.NotBefore != nil && (e.NotBefore == nil || last.NotBefore.After(*e.NotBefore)) {
		e.NotBefore = last.NotBefore
	}
	if e.NotBefore == nil {
		from := c.At
		if last.LeaseUntil != nil && last.LeaseUntil.After(from) {
			from = *last.LeaseUntil
		}
		e.NotBefore = stamped(from.Add(DefaultHoldDown))
	}
}

func stamped(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	s := messages.Stamp(t)
	return &s
}

// NextReference is the number of the reference that the next attempt takes. A
// new one is made only when every request ever sent under the old one was
// answered, to its owner, by a definite no, or by an operator's decision, or
// when the customer cannot pay under the old one because its link was lost.
func NextReference(last *messages.Event) int {
	w := work(last)
	if w.NewReference && !w.InDoubt {
		return w.ReferenceN + 1
	}
	return max(w.ReferenceN, 1)
}
