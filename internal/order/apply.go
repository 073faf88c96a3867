package order

import (
	"encoding/json"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

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
	// Attempt is, for a Seen… input, the order's last attempt when the lookup
	// began; 0 where the caller does not know it.
	Attempt int

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
	// HTTP are the records of the requests that the change rests on. They are
	// kept beside what they led to, and are never news by themselves.
	HTTP []messages.HTTPRecord
	// Hint is what the callback claimed that caused the lookup. It is kept beside
	// what the lookup found, and is never news by itself: it may be false.
	Hint map[string]string

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
// sets a state. It changes neither last nor what c points at.
func Apply(last *messages.Event, c Change) (*messages.Event, Verdict) {
	m := decide(last, &c)
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
	recorded(e, c.HTTP)
	if len(c.Hint) > 0 {
		e.Evidence = merged(e.Evidence, map[string]any{hintKey: c.Hint})
	}
	return e, Write
}

// follow copies what stays known from one event to the next.
func follow(last *messages.Event, c Change) *messages.Event {
	if last == nil {
		return &messages.Event{
			N: 1, Time: messages.Stamp(c.At), Tenant: c.New.Tenant, OrderID: c.New.OrderID,
			Provider: c.New.Provider, Kind: c.New.Kind, Metadata: c.New.Metadata, Order: c.New.Order,
			Error: c.Error, Evidence: c.Evidence, Work: &messages.Work{Origin: c.Origin},
		}
	}
	e := *last
	w := work(last)
	if c.Origin != "" {
		w.Origin = c.Origin // else the last request stays known: it may be delivered again after whatever came since
	}
	w.Answered = w.Answered || c.Input.own() && c.Nonce == w.Nonce
	e.N, e.Time, e.Work = last.N+1, messages.Stamp(c.At), &w
	e.Error = c.Error
	return &e
}
