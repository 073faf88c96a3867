package providers

import (
	"context"
	"encoding/json"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

// Provider is the port. Every method may make several reading requests; only
// Place creates, and sends at most one creating request each time it is called.
type Provider interface {
	// Prepare does all that can be known before the intent: account checks and
	// the price. It only reads. Rejected means the order can never be placed.
	Prepare(ctx context.Context, o Order) (Plan, error)
	// Place sends the one creating request. It is called only by the owner of a
	// recorded intent, with the plan recorded in it.
	Place(ctx context.Context, o Order, plan Plan) (Answer, error)
	// Lookup asks what has become of a placed order. Where the provider cannot
	// be asked with what is known, it returns [StatusUnknown] and no error.
	Lookup(ctx context.Context, o Order) (Answer, error)
}

// Witness is offered by a provider that can gather evidence for the operator
// about a request whose answer was lost. It decides nothing.
type Witness interface {
	Witness(ctx context.Context, o Order, plan Plan) (map[string]any, error)
}

// Follower is offered by a provider whose placed orders the customer can still
// confirm or cancel. Both may be asked again: they change what is there and buy
// nothing. nil means done; Rejected means that the provider would not; after any
// other error nobody knows, and it is asked again.
type Follower interface {
	Confirm(ctx context.Context, o Order) error
	Cancel(ctx context.Context, o Order) error
}

// Order is what an adapter is told of an order.
type Order struct {
	Tenant, ID string
	Kind       messages.Kind
	Params     messages.Params
	MaxCost    *money.Money
	// Reference is our key at the provider, for this reference number.
	Reference string
	// Ref holds the provider's ids as far as they are known (provider_ref).
	Ref map[string]string
	// PlacedAt is when the last intent was recorded; zero before the first.
	PlacedAt time.Time
	// Plan is what the last intent recorded: a lookup compares with it what it
	// finds. Zero before the first, and where the caller does not know it; an
	// adapter then compares less, or answers that it does not know.
	Plan Plan
}

// Plan is what Prepare found. It is recorded in the intent as JSON, so that a
// repeat sends the same request.
type Plan struct {
	// Quote is the price found, nil where the provider tells none beforehand.
	Quote *money.Money `json:"quote,omitempty"`
	// Data is the adapter's own: resolved accounts, the literal of the price.
	Data map[string]string `json:"data,omitempty"`
	// Evidence is shown in the event: what was asked for, balances seen.
	Evidence map[string]any `json:"evidence,omitempty"`
}

// Status is what an answer says of the order.
type Status uint8

// The statuses of an answer.
const (
	// StatusUnknown: nothing was learned.
	StatusUnknown Status = iota
	// StatusAbsent: the provider does not know our reference.
	StatusAbsent
	// StatusProcessing: the provider has it and works on it.
	StatusProcessing
	// StatusActionRequired: the customer must act.
	StatusActionRequired
	// StatusOnHold: the provider holds it until HoldUntil.
	StatusOnHold
	// StatusSucceeded: done.
	StatusSucceeded
	// StatusFailed: certainly not delivered.
	StatusFailed
	// StatusReversed: taken back by the provider.
	StatusReversed
)

// String names the status.
func (s Status) String() string {
	names := [...]string{"unknown", "absent", "processing", "action_required", "on_hold", "succeeded", "failed", "reversed"}
	if int(s) < len(names) {
		return names[s]
	}
	return "status(?)"
}

// Answer is what the provider said of an order. Fields that are not known are
// left zero; what an earlier event knew is kept.
type Answer struct {
	Status      Status
	Ref         map[string]string // ids to add to provider_ref
	Cost        *money.Money
	CostSource  messages.CostSource
	Deliverable json.RawMessage // an object, required with StatusSucceeded
	Finality    messages.Finality
	Action      *messages.Action
	HoldUntil   *time.Time
	WatchUntil  *time.Time
	// Code and Message say why, with StatusFailed and StatusReversed.
	Code, Message string
	// Evidence is added to the event's.
	Evidence map[string]any
}

type guardKey struct{}

// WithSendGuard returns a context in which a creating request may be sent. The
// transport calls guard last, just before the first byte of the request is
// written; if it fails, nothing is written and the request fails as Retryable,
// not_sent. A creating request without a guard in its context is never sent:
// that is what ties every purchase to a permit, a lease and an intent.
func WithSendGuard(ctx context.Context, guard func() error) context.Context {
	return context.WithValue(ctx, guardKey{}, guard)
}

// SendGuard returns the guard of the context, or nil.
func SendGuard(ctx context.Context) func() error {
	guard, _ := ctx.Value(guardKey{}).(func() error)
	return guard
}
