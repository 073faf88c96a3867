package messages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
)

// Errors of decoding; callers branch on them.
var (
	// ErrVersion is returned for a body of a version this program does not know.
	ErrVersion = errors.New("unknown version")
	// ErrMalformed is returned for a body that cannot be read at all.
	ErrMalformed = errors.New("malformed body")
)

// Event is one change of an order, and at the same time all that is known of
// the order so far: the last event is enough. Zero values are written as null.
type Event struct {
	N        uint64
	Type     Type
	State    Type
	Time     time.Time
	Tenant   string
	OrderID  string
	Provider Provider // empty where unknown (rejected only)
	Kind     Kind
	Attempt  int

	ProviderRef map[string]string
	Cost        *money.Money
	CostSource  CostSource
	Deliverable json.RawMessage // an object
	Finality    Finality
	Action      *Action
	Error       *Error
	Evidence    map[string]any

	NeedsOperator bool
	LeaseUntil    *time.Time
	RetryAt       *time.Time
	HoldUntil     *time.Time
	NotBefore     *time.Time
	WatchUntil    *time.Time

	Metadata map[string]string
	Order    json.RawMessage
	Work     *Work
}

// Action is what the customer must do.
type Action struct {
	Type        string       `json:"type,omitempty"`
	URL         string       `json:"url,omitempty"`
	Instruction string       `json:"instruction,omitempty"` // plain text
	PayAmount   *money.Money `json:"pay_amount,omitempty"`
	Address     string       `json:"address,omitempty"`
	DestTag     string       `json:"dest_tag,omitempty"`
	Confirm     bool         `json:"confirm,omitempty"` // upstream may publish a confirm
	Cancel      bool         `json:"cancel,omitempty"`  // upstream may publish a cancel
}

// MarshalJSON writes an action that has a type (an exchange) with all its keys,
// null where unknown, and one without (a deposit) as its URL alone.
func (a Action) MarshalJSON() ([]byte, error) {
	if a.Type == "" {
		type short Action // drops this method
		return marshalPlain(short(a))
	}
	return marshalPlain(struct {
		Type        string       `json:"type"`
		URL         *string      `json:"url"`
		Instruction *string      `json:"instruction"`
		PayAmount   *money.Money `json:"pay_amount"`
		Address     *string      `json:"address"`
		DestTag     *string      `json:"dest_tag"`
		Confirm     bool         `json:"confirm"`
		Cancel      bool         `json:"cancel"`
	}{
		a.Type, orNull(a.URL), orNull(a.Instruction), a.PayAmount, orNull(a.Address), orNull(a.DestTag), a.Confirm, a.Cancel,
	})
}

// Error says what went wrong.
type Error struct {
	Class     string  `json:"class"`
	Code      string  `json:"code"`
	Message   string  `json:"message"`
	Retryable bool    `json:"retryable"`
	Faults    []Fault `json:"faults"` // written as [] where there are none
}

// MarshalJSON writes the error with a list of faults in any case.
func (e Error) MarshalJSON() ([]byte, error) {
	if e.Faults == nil {
		e.Faults = []Fault{}
	}
	type plain Error // drops this method
	return marshalPlain(plain(e))
}

// Work is the pipeline's own part of an event: what a worker needs to go on
// from the ledger alone. Upstream ignores it.
type Work struct {
	// Nonce names the one call of the attempt that may send and record its answer.
	Nonce string `json:"nonce,omitempty"`
	// Owner is the instance that holds the nonce, for the operator's eye.
	Owner string `json:"owner,omitempty"`
	// ReferenceN numbers the reference in provider_ref, from 1.
	ReferenceN int `json:"reference_n,omitempty"`
	// PlacedAt is when the first intent under the present doubt was written.
	PlacedAt *time.Time `json:"placed_at,omitempty"`
	// NewReference: every request under the present reference was answered by a
	// definite no, so the next attempt takes the next reference.
	NewReference bool `json:"new_reference,omitempty"`
	// InDoubt: a request under the present reference may have been executed.
	InDoubt bool `json:"in_doubt,omitempty"`
	// Unheard: the doubt is about the last attempt alone, whose owner has not
	// answered. Its answer decides; a refusal would not if an earlier request
	// were in doubt.
	Unheard bool `json:"unheard,omitempty"`
	// Unsaid are the nonces of earlier attempts, with a space between each two,
	// whose owners may still say that nothing was done, where nothing but these
	// and the last attempt is in doubt. Once all have said it, nothing is.
	Unsaid string `json:"unsaid,omitempty"`
	// Answered: the owner of the last attempt has answered; told again, its
	// answer is the same one whose acknowledgement was lost.
	Answered bool `json:"answered,omitempty"`
	// Acted: the customer has done what action_required asked, so an older look
	// that still asks for it is no news.
	Acted bool `json:"acted,omitempty"`
	// DoubtSince is when the doubt began.
	DoubtSince *time.Time `json:"doubt_since,omitempty"`
	// Contradicted: an answer came late that cannot be true together with the state.
	Contradicted bool `json:"contradicted,omitempty"`
	// Quotes counts the WRONG_PRICE answers so far.
	Quotes int `json:"quotes,omitempty"`
	// Tries counts how often the order was put off since its state was last
	// certain; the waits grow with it.
	Tries int `json:"tries,omitempty"`
	// BlockedSince is when our account at the provider began to refuse this order.
	BlockedSince *time.Time `json:"blocked_since,omitempty"`
	// Plan is what the adapter prepared before the intent, so that a repeat sends the same.
	Plan json.RawMessage `json:"plan,omitempty"`
	// Origin is the last message that caused an event ("ORDERS:17"), so that its redelivery is known.
	Origin string `json:"origin,omitempty"`
}

// Stamp cuts t to what the wire holds: UTC, microseconds.
func Stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Key names the order: "<tenant>/<order_id>".
func (e *Event) Key() string { return e.Tenant + "/" + e.OrderID }

// Terminal reports whether the order has ended.
func (e *Event) Terminal() bool { return e.State.Terminal() }

// wireEvent gives the keys of the contract, all of them always present.
type wireEvent struct {
	V             int               `json:"v"`
	N             uint64            `json:"n"`
	Type          Type              `json:"type"`
	State         *Type             `json:"state"`
	Terminal      bool              `json:"terminal"`
	Time          time.Time         `json:"time"`
	Tenant        string            `json:"tenant"`
	OrderID       string            `json:"order_id"`
	Provider      *Provider         `json:"provider"`
	Kind          *Kind             `json:"kind"`
	Attempt       int               `json:"attempt"`
	ProviderRef   map[string]string `json:"provider_ref"`
	Cost          *money.Money      `json:"cost"`
	CostSource    *CostSource       `json:"cost_source"`
	Deliverable   json.RawMessage   `json:"deliverable"`
	Finality      *Finality         `json:"finality"`
	Action        *Action           `json:"action"`
	Error         *Error            `json:"error"`
	Evidence      map[string]any    `json:"evidence"`
	NeedsOperator bool              `json:"needs_operator"`
	LeaseUntil    *time.Time        `json:"lease_until"`
	RetryAt       *time.Time        `json:"retry_at"`
	HoldUntil     *time.Time        `json:"hold_until"`
	NotBefore     *time.Time        `json:"not_before"`
	WatchUntil    *time.Time        `json:"watch_until"`
	Metadata      map[string]string `json:"metadata"`
	Order         json.RawMessage   `json:"order"`
	Work          *Work             `json:"work,omitempty"`
}

func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// marshalPlain is json.Marshal without the escapes for HTML: they would make
// six bytes of one, and an order of 32 KB too long for an event.
func marshalPlain(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// stamped is [Stamp] for a time that may be unknown.
func stamped(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	s := Stamp(*t)
	return &s
}

// MarshalJSON writes the event as the contract has it. Call it directly where
// the bytes are stored: json.Marshal would escape what is written for HTML.
func (e Event) MarshalJSON() ([]byte, error) {
	if b, err := writeEvent(&e); err == nil {
		return b, nil
	}
	return e.marshal()
}

// marshal says how an event is written, and why one cannot be.
func (e *Event) marshal() ([]byte, error) {
	return marshalPlain(wireEvent{
		V: Version, N: e.N, Type: e.Type, State: orNull(e.State), Terminal: e.Terminal(), Time: Stamp(e.Time),
		Tenant: e.Tenant, OrderID: e.OrderID, Provider: orNull(e.Provider), Kind: orNull(e.Kind), Attempt: e.Attempt,
		ProviderRef: e.ProviderRef, Cost: e.Cost, CostSource: orNull(e.CostSource), Deliverable: e.Deliverable,
		Finality: orNull(e.Finality), Action: e.Action, Error: e.Error, Evidence: e.Evidence, NeedsOperator: e.NeedsOperator,
		LeaseUntil: stamped(e.LeaseUntil), RetryAt: stamped(e.RetryAt), HoldUntil: stamped(e.HoldUntil),
		NotBefore: stamped(e.NotBefore), WatchUntil: stamped(e.WatchUntil), Metadata: e.Metadata, Order: e.Order, Work: e.Work,
	})
}

// UnmarshalJSON reads an event of version 1 and ignores fields it does not
// know. Numbers in evidence stay literal.
func (e *Event) UnmarshalJSON(b []byte) error {
	if plain, ok := readEvent(b, false); ok {
		*e = *plain
		return nil
	}
	return e.unmarshal(b)
}

// unmarshal says what an event is, however it is written.
func (e *Event) unmarshal(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var w wireEvent
	if err := dec.Decode(&w); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if w.V != Version {
		return fmt.Errorf("%w: event version %d", ErrVersion, w.V)
	}
	read := Event{
		N: w.N, Type: w.Type, State: orZero(w.State), Time: w.Time, Tenant: w.Tenant, OrderID: w.OrderID,
		Provider: orZero(w.Provider), Kind: orZero(w.Kind), Attempt: w.Attempt, ProviderRef: w.ProviderRef,
		Cost: w.Cost, CostSource: orZero(w.CostSource), Deliverable: notNull(w.Deliverable), Finality: orZero(w.Finality),
		Action: w.Action, Error: w.Error, Evidence: w.Evidence, NeedsOperator: w.NeedsOperator,
		LeaseUntil: w.LeaseUntil, RetryAt: w.RetryAt, HoldUntil: w.HoldUntil, NotBefore: w.NotBefore,
		WatchUntil: w.WatchUntil, Metadata: w.Metadata, Order: notNull(w.Order), Work: w.Work,
	}
	for _, t := range read.times() {
		if t != nil && !writable(*t) {
			return fmt.Errorf("%w: a time that cannot be written again", ErrMalformed)
		}
	}
	*e = read
	return nil
}

func notNull(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// DecodeStanding reads of an event where its order stands: all but the order
// itself, its metadata, reference, deliverable, evidence and plan, which stay
// empty. It is for whoever follows many orders, and refuses what [DecodeEvent]
// refuses.
func DecodeStanding(body []byte) (*Event, error) {
	if e, ok := readEvent(body, true); ok {
		return e, nil
	}
	e, err := DecodeEvent(body)
	if err != nil {
		return nil, err
	}
	e.Order, e.Metadata, e.ProviderRef, e.Deliverable, e.Evidence = nil, nil, nil, nil, nil
	if e.Work != nil {
		e.Work.Plan = nil
	}
	return e, nil
}

// DecodeEvent reads the body of an event.
func DecodeEvent(body []byte) (*Event, error) {
	if e, ok := readEvent(body, false); ok {
		return e, nil
	}
	var e Event
	err := json.Unmarshal(body, &e)
	switch {
	case err == nil:
		return &e, nil
	case errors.Is(err, ErrMalformed), errors.Is(err, ErrVersion):
		return nil, err
	default:
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
}
