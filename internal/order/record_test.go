package order_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// made is the record of a request that was sent at some second.
func made(op, purpose string, second int) messages.HTTPRecord {
	return messages.HTTPRecord{Op: op, Purpose: purpose, Method: "POST", SentAt: new(t0.Add(time.Duration(second) * time.Second))}
}

func ops(e *messages.Event) string {
	var list []string
	for _, r := range messages.HTTPRecords(e) {
		list = append(list, r.Op)
	}
	return strings.Join(list, " ")
}

func TestApply_TheRecordsOfRequestsStandInTheEventThatTheyLedTo(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	lost := made("create-1", messages.PurposeCreate, 1)
	s.write(order.Change{Input: order.OwnUnknown, Nonce: "a1", Error: ambiguous(), HTTP: []messages.HTTPRecord{lost}})
	if got := ops(s.last); got != "create-1" {
		t.Fatalf("got %q", got)
	}
	before := s.last
	s.last = wire(t, s.last)
	s.claim(order.Repeat, "a2")
	if got := ops(s.last); got != "create-1" {
		t.Errorf("the intent that follows bears %q: the last event must be enough", got)
	}
	s.write(order.Change{Input: order.OwnSucceeded, Nonce: "a2", HTTP: []messages.HTTPRecord{made("create-2", messages.PurposeCreate, 2)}})
	if got := ops(s.last); got != "create-1 create-2" || ops(before) != "create-1" {
		t.Errorf("got %q, and the event before has %q", got, ops(before))
	}
	s.write(order.Change{Input: order.OwnSucceeded, Nonce: "a1", Ref: map[string]string{"order_id": "8"}, HTTP: []messages.HTTPRecord{made("late", messages.PurposeCreate, 3)}})
	if s.last.Type != messages.LateEvidence || ops(s.last) != "create-1 create-2 late" {
		t.Errorf("%s bears %q", s.last.Type, ops(s.last))
	}
	if late := fmt.Sprint(s.last.Evidence["late"]); strings.Contains(late, "create") {
		t.Errorf("the records stand twice: %s", late)
	}
}

func TestApply_ARecordToldAgainStandsOnce(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	s.write(order.Change{Input: order.OwnUnknown, Nonce: "a1", Error: ambiguous(), HTTP: []messages.HTTPRecord{made("create", messages.PurposeCreate, 1)}})
	s.last = wire(t, s.last)
	again := order.Change{Input: order.AskOperator, HTTP: []messages.HTTPRecord{made("create", messages.PurposeCreate, 1)}}
	if s.write(again); ops(s.last) != "create" {
		t.Errorf("got %q", ops(s.last))
	}
}

// Three are carried. What may have bought is kept longest, and what this event
// is about is kept in any case.
func TestApply_OfManyRecordsThoseThatMayHaveBoughtAreCarriedLongest(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	add := func(op, purpose string, second int) {
		in := order.AddEvidence
		if s.last.State == messages.Placing {
			in = order.OwnUnknown
		}
		s.write(order.Change{Input: in, Nonce: "a1", Error: ambiguous(), HTTP: []messages.HTTPRecord{made(op, purpose, second)}})
		s.last = wire(t, s.last)
	}
	for i, step := range []struct{ op, purpose, want string }{
		{"create-1", messages.PurposeCreate, "create-1"},
		{"look-1", messages.PurposeRead, "create-1 look-1"},
		{"look-2", messages.PurposeRead, "create-1 look-1 look-2"},
		{"look-3", messages.PurposeRead, "create-1 look-2 look-3"},
		{"create-2", messages.PurposeCreate, "create-1 look-3 create-2"},
		{"create-3", messages.PurposeCreate, "create-1 create-2 create-3"},
		{"look-4", messages.PurposeRead, "create-2 create-3 look-4"},
		{"create-4", messages.PurposeCreate, "create-2 create-3 create-4"},
	} {
		if add(step.op, step.purpose, i); ops(s.last) != step.want {
			t.Errorf("after %s: %q, want %q", step.op, ops(s.last), step.want)
		}
	}
}
