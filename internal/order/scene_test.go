package order_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

var t0 = time.Date(2026, 11, 21, 20, 54, 1, 123456000, time.UTC)

// submission is an order of the given kind.
func submission(kind messages.Kind) *order.Submission {
	return &order.Submission{
		Tenant: "acme", OrderID: "ord-1", Provider: messages.GamesDrop, Kind: kind,
		Metadata: map[string]string{"cart": "981"}, Order: json.RawMessage(`{"v":1,"id":"ord-1"}`),
	}
}

// intent is a sound claim on the order whose last event is last.
func intent(last *messages.Event, nonce string, at time.Time) *order.Intent {
	return &order.Intent{
		Nonce: nonce, Owner: "worker-1", Reference: "b1ref", ReferenceN: order.NextReference(last),
		LeaseUntil: at.Add(25 * time.Second), Plan: json.RawMessage(`{"data":{"price":"560.10"}}`),
	}
}

// story drives one order, and fails the test where a step is not written.
type story struct {
	t    *testing.T
	now  time.Time
	last *messages.Event
}

// begin accepts an order of the kind.
func begin(t *testing.T, kind messages.Kind) *story {
	t.Helper()
	s := &story{t: t, now: t0}
	s.write(order.Change{Input: order.Accept, Origin: "ORDERS:1", New: submission(kind)})
	return s
}

// claimed is an order whose first request is under way under nonce a1.
func claimed(t *testing.T, kind messages.Kind) *story {
	t.Helper()
	s := begin(t, kind)
	s.claim(order.Claim, "a1")
	return s
}

// apply applies the change a second later, and moves on where it is written.
func (s *story) apply(c order.Change) order.Verdict {
	s.t.Helper()
	s.now = s.now.Add(time.Second)
	c.At = s.now
	e, v := order.Apply(s.last, c)
	if (e != nil) != (v == order.Write) {
		s.t.Fatalf("%s: verdict %s with event %v", c.Input, v, e)
	}
	if e != nil {
		s.last = e
	}
	return v
}

func (s *story) write(c order.Change) {
	s.t.Helper()
	if v := s.apply(c); v != order.Write {
		s.t.Fatalf("%s in state %q: %s, want write", c.Input, s.last.State, v)
	}
}

func (s *story) claim(in order.Input, nonce string) {
	s.t.Helper()
	s.write(order.Change{Input: in, Intent: intent(s.last, nonce, s.now)})
}

// leaseOver lets the lease of the present attempt pass unanswered.
func (s *story) leaseOver(needsOperator bool) {
	s.t.Helper()
	s.now = *s.last.LeaseUntil
	s.write(order.Change{Input: order.LeaseOver, NeedsOperator: needsOperator, Error: ambiguous()})
}

// expect checks the last event's type, its state and whether it asks for an operator.
func (s *story) expect(typ, state messages.Type, needsOperator bool) {
	s.t.Helper()
	if e := s.last; e.Type != typ || e.State != state || e.NeedsOperator != needsOperator {
		s.t.Fatalf("got event %s in state %s, needs_operator %t; want %s in %s, %t",
			e.Type, e.State, e.NeedsOperator, typ, state, needsOperator)
	}
}

// is expects an event that changed the state.
func (s *story) is(state messages.Type, needsOperator bool) {
	s.t.Helper()
	s.expect(state, state, needsOperator)
}

func ambiguous() *messages.Error { return &messages.Error{Class: "ambiguous", Code: "timeout"} }

func refusal(code string) *messages.Error { return &messages.Error{Class: "rejected", Code: code} }

func rubles(amount string) *money.Money {
	return &money.Money{Amount: money.MustDecimal(amount), Currency: "RUB"}
}

// wire writes the event and reads it back, as a worker that restarts does.
func wire(t interface{ Fatal(...any) }, e *messages.Event) *messages.Event {
	if e == nil {
		return nil
	}
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	back, err := messages.DecodeEvent(body)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// text is the event as on the wire, for comparing.
func text(t interface{ Fatal(...any) }, e *messages.Event) string {
	if e == nil {
		return ""
	}
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
