package order

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

// MaxQuotes is how often an order is priced anew after WRONG_PRICE.
const MaxQuotes = 5

// Change is an input with all that is known about it. Fields that do not
// belong to the input stay zero.
type Change struct {
	Input Input
	At    time.Time
	// Origin is the message that caused it ("ORDERS:17"); with it the
	// redelivery of a request is told from a second request.
	Origin string

	// New describes the order, for Accept and Reject.
	New *Submission
	// Intent describes the claim, for Claim and Repeat.
	Intent *Intent
	// Nonce names the attempt an Own… input answers to.
	Nonce string

	// What the provider said. Zero fields keep what was known.
	Ref         map[string]string
	Cost        *money.Money
	CostSource  messages.CostSource
	Deliverable json.RawMessage
	Finality    messages.Finality
	Action      *messages.Action
	HoldUntil   *time.Time
	WatchUntil  *time.Time
	Error       *messages.Error
	Evidence    map[string]any

	// RetryAt is when to go on, for inputs that lead to retrying or unresolved.
	RetryAt time.Time
	// Requote: the refusal was about the price; a new quote takes a new reference.
	Requote bool
	// Blocked: the cause is our account at the provider.
	Blocked bool
	// BlockedMax ends an order that was blocked for so long.
	BlockedMax time.Duration
	// NeedsOperator and NotBefore go into unresolved.
	NeedsOperator bool
	NotBefore     time.Time
	// NewReference: the operator's place_again takes a new reference.
	NewReference bool
}

// Submission is an order as it enters the ledger.
type Submission struct {
	Tenant, OrderID string
	Provider        messages.Provider
	Kind            messages.Kind
	Metadata        map[string]string
	Order           json.RawMessage
}

// Intent is a worker's claim: from the moment its event is stored, this worker
// and nobody else may send this request, until the lease is over.
type Intent struct {
	Nonce, Owner string
	Reference    string
	ReferenceN   int
	LeaseUntil   time.Time
	Plan         json.RawMessage
}

// Apply makes the event that follows last (nil for an order that has none).
// The event is nil unless the verdict is Write. Apply is the only code that
// sets a state.
func Apply(last *messages.Event, c Change) (*messages.Event, Verdict) {
	state := None
	if last != nil {
		state = last.State
	}
	m := lookup(state, c.Input)
	m = guard(last, m, &c)
	if m.verdict != Write {
		return nil, m.verdict
	}
	e := follow(last, c)
	e.Type = m.event
	if m.event.ChangesState() {
		e.State = m.event
		enter(e, last, c)
	} else {
		remark(e, last, c)
	}
	return e, Write
}

// guard refines a cell of the table by what the state alone does not say.
func guard(last *messages.Event, m move, c *Change) move {
	switch {
	case last == nil:
		return m
	case c.Origin != "" && c.Origin == work(last).Origin && (c.Input == CancelRequest || c.Input == ConfirmRequest):
		return ignore // the same request again: its acknowledgement was lost
	case c.Input.own() && work(last).Nonce != c.Nonce:
		return foreign(last, m, c)
	case (c.Input == OwnRefused || c.Input == OwnRetry) && m.verdict == Write && m.event.ChangesState() && work(last).InDoubt:
		// The rule for repeats: a refusal speaks of the repeat only. The first
		// request may have bought; perhaps that is why this one was refused.
		c.NeedsOperator = c.NeedsOperator || c.Input == OwnRefused || c.Requote
		return to(unresolved)
	case c.Input == OwnRetry && m.event == retrying && c.Requote && work(last).Quotes >= MaxQuotes:
		return to(failed)
	case (c.Input == OwnRetry || c.Input == Postpone) && m.event == retrying && blockedTooLong(last, c):
		return to(failed)
	case c.Input == Repeat && last.NeedsOperator:
		return ignore
	case c.Input == AskOperator && m.verdict == Write && last.NeedsOperator:
		return ignore
	case c.Input == CancelRequest && m.verdict == Ask && (last.Action == nil || !last.Action.Cancel):
		return to(messages.CancelRefused)
	case c.Input == ConfirmRequest && m.verdict == Ask && (last.Action == nil || !last.Action.Confirm):
		return to(messages.ConfirmRefused)
	default:
		return m
	}
}

// foreign is an answer to an attempt that is not the last one: another has
// begun, so it decides nothing. Only where no attempt is under way may "the
// provider did it" still stop the next purchase.
func foreign(last *messages.Event, m move, c *Change) move {
	switch {
	case c.Input == OwnUnknown:
		return ignore
	case last.State == retrying && c.Input.acted():
		return m
	default:
		return late
	}
}

func work(e *messages.Event) messages.Work {
	if e == nil || e.Work == nil {
		return messages.Work{}
	}
	return *e.Work
}

func blockedTooLong(last *messages.Event, c *Change) bool {
	since := work(last).BlockedSince
	return c.Blocked && since != nil && c.BlockedMax > 0 && c.At.Sub(*since) >= c.BlockedMax
}

// follow copies what stays known from one event to the next, and adds what the
// provider said.
func follow(last *messages.Event, c Change) *messages.Event {
	if last == nil {
		if c.New == nil {
			panic(fmt.Sprintf("order: %s without a submission", c.Input))
		}
		return &messages.Event{
			N: 1, Time: messages.Stamp(c.At), Tenant: c.New.Tenant, OrderID: c.New.OrderID,
			Provider: c.New.Provider, Kind: c.New.Kind, Metadata: c.New.Metadata, Order: c.New.Order,
			Error: c.Error, Evidence: c.Evidence, Work: &messages.Work{Origin: c.Origin},
		}
	}
	e := *last
	w := work(last)
	w.Origin = c.Origin
	e.N, e.Time, e.Work = last.N+1, messages.Stamp(c.At), &w
	e.Error = c.Error
	return &e
}

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

// enter fills in an event that changes the state.
func enter(e, last *messages.Event, c Change) {
	if last != nil {
		learn(e, c)
	}
	e.Action, e.LeaseUntil, e.RetryAt, e.HoldUntil, e.NotBefore = nil, nil, nil, nil, nil
	if c.Input >= DecideSucceeded {
		e.Work.Contradicted = false
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
		settle(e)
	case onHold:
		if c.HoldUntil != nil {
			e.HoldUntil = stamped(*c.HoldUntil)
		}
		settle(e)
	default:
		settle(e)
	}
}

// settle ends the doubt: the state is known.
func settle(e *messages.Event) { e.Work.InDoubt, e.Work.DoubtSince, e.Work.Tries = false, nil, 0 }

// claim makes the intent: a new attempt with its own nonce.
func claim(e *messages.Event, c Change) {
	e.Attempt++
	e.Work.Nonce, e.Work.Owner = c.Intent.Nonce, c.Intent.Owner
	e.Work.ReferenceN, e.Work.NewReference = c.Intent.ReferenceN, false
	e.Work.Plan = c.Intent.Plan
	e.LeaseUntil = stamped(c.Intent.LeaseUntil)
	if !e.Work.InDoubt {
		e.Work.PlacedAt = stamped(c.At)
	}
	if field := e.Kind.ReferenceField(); field != "" {
		e.ProviderRef = merged(e.ProviderRef, map[string]string{field: c.Intent.Reference})
	}
}

// postpone counts quotes and remembers since when the account was blocked.
func postpone(e, last *messages.Event, c Change) {
	e.RetryAt = stamped(c.RetryAt)
	e.Work.Tries++
	if c.Requote {
		e.Work.Quotes++
		e.Work.NewReference = true
	}
	if c.Input == DecidePlaceAgain {
		// The decision settles the doubt, by evidence that we do not have.
		settle(e)
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
	e.Work.InDoubt = true
	e.Work.Tries++
	if e.Work.DoubtSince == nil {
		e.Work.DoubtSince = stamped(c.At)
	}
	if c.Error == nil {
		e.Error = last.Error
	}
	e.NeedsOperator = e.NeedsOperator || c.NeedsOperator || c.Input == AskOperator || c.Input == Unprocessable ||
		(c.Input == AddEvidence && last.NeedsOperator) || (c.Input == OwnDuplicate && last.NeedsOperator)
	if e.NeedsOperator {
		e.NotBefore = stamped(c.NotBefore)
		if c.NotBefore.IsZero() {
			e.NotBefore = last.NotBefore
		}
		return
	}
	if e.RetryAt = stamped(c.RetryAt); e.RetryAt == nil {
		e.RetryAt = last.RetryAt
	}
}

// remark fills in an event that does not change the state.
func remark(e, last *messages.Event, c Change) {
	if e.Error == nil && c.Input != CancelDenied && c.Input != ConfirmDenied {
		e.Error = last.Error
	}
	if e.Type != messages.LateEvidence {
		e.Evidence = merged(e.Evidence, c.Evidence)
		return
	}
	seen := map[string]any{"input": c.Input.String()}
	if len(c.Ref) > 0 {
		seen["provider_ref"] = c.Ref
	}
	if c.Cost != nil {
		seen["cost"] = c.Cost
	}
	if c.Error != nil {
		seen["error"] = map[string]any{"class": c.Error.Class, "code": c.Error.Code, "message": c.Error.Message}
	}
	if len(c.Evidence) > 0 {
		seen["evidence"] = c.Evidence
	}
	e.Error = last.Error
	e.Evidence = merged(e.Evidence, map[string]any{"late": seen})
	if contradicts(last, c) {
		e.Work.Contradicted, e.NeedsOperator = true, true
	}
}

// contradicts reports whether late news cannot be true together with the state.
func contradicts(last *messages.Event, c Change) bool {
	switch last.State {
	case succeeded, processing, onHold, actionRequired, reversed:
		if !c.Input.acted() {
			return true
		}
		for key, id := range c.Ref {
			if known, ok := last.ProviderRef[key]; ok && known != id {
				return true // bought under another id: perhaps twice
			}
		}
		return false
	default:
		return c.Input.acted()
	}
}

func merged[V any](known, news map[string]V) map[string]V {
	if len(news) == 0 {
		return known
	}
	out := make(map[string]V, len(known)+len(news))
	maps.Copy(out, known)
	maps.Copy(out, news)
	return out
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
// answered, to its owner, by a definite no, or by an operator's decision.
func NextReference(last *messages.Event) int {
	w := work(last)
	if w.NewReference && !w.InDoubt {
		return w.ReferenceN + 1
	}
	return max(w.ReferenceN, 1)
}
