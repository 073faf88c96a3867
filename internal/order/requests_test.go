package order_test

import (
	"testing"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestApply_ARequestDeliveredAgainHasNoSecondAnswer(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Exchange)
	s.write(order.Change{Input: order.OwnProcessing, Nonce: "a1"})
	for _, in := range []order.Input{order.CancelRequest, order.CancelDenied, order.ConfirmRequest, order.ConfirmDenied} {
		branch := *s
		branch.write(order.Change{Input: in, Origin: "ORDERS:7"})
		if v := branch.apply(order.Change{Input: in, Origin: "ORDERS:7"}); v != order.Ignore {
			t.Errorf("%s delivered again: %s, want ignore", in, v)
		}
		branch.write(order.Change{Input: in, Origin: "ORDERS:8"})
	}
	s = begin(t, messages.Exchange)
	s.write(order.Change{Input: order.CancelRequest, Origin: "ORDERS:7"})
	s.is(messages.Canceled, false)
	if v := s.apply(order.Change{Input: order.CancelRequest, Origin: "ORDERS:7"}); v != order.Ignore {
		t.Errorf("the cancel that canceled: %s, want ignore", v)
	}
}

func TestApply_ARequestIsAnsweredThoughItsCommandWroteAnotherEventFirst(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Exchange)
	s.now = *s.last.LeaseUntil
	s.write(order.Change{Input: order.LeaseOver, Origin: "COMMANDS:7"})
	s.write(order.Change{Input: order.CancelRequest, Origin: "COMMANDS:7"})
	s.expect(messages.CancelRefused, messages.Unresolved, false)
}

func TestApply_AConfirmIsAskedOfTheProviderWhereTheActionAllowsIt(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Exchange)
	s.write(order.Change{Input: order.OwnActionRequired, Nonce: "a1", Action: &messages.Action{Confirm: true}})
	if v := s.apply(order.Change{Input: order.ConfirmRequest, Origin: "ORDERS:7"}); v != order.Ask {
		t.Fatalf("verdict %s, want ask", v)
	}
	refused := *s
	refused.write(order.Change{Input: order.CancelRequest, Origin: "ORDERS:8"})
	refused.expect(messages.CancelRefused, messages.ActionRequired, false)
	if refused.last.Action == nil {
		t.Error("a refused cancel lost the action")
	}
	s.write(order.Change{Input: order.ConfirmDone, Origin: "ORDERS:7"})
	s.is(messages.Processing, false)
	if v := s.apply(order.Change{Input: order.ConfirmRequest, Origin: "ORDERS:7"}); v != order.Ignore {
		t.Errorf("the confirm that was taken: %s, want ignore", v)
	}
}

func TestApply_ARefusalDoesNotHideWhyTheOrderIsWhereItIs(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Exchange)
	s.leaseOver(false)
	s.write(order.Change{Input: order.CancelDenied, Error: refusal("too_late")})
	if s.last.Error.Code != "timeout" || s.last.Evidence["cancel_refused"] == nil {
		t.Errorf("error %v, evidence %v", s.last.Error, s.last.Evidence)
	}
	s.write(order.Change{Input: order.ConfirmRequest})
	if s.last.Error.Code != "timeout" {
		t.Errorf("error %v", s.last.Error)
	}
	s.write(order.Change{Input: order.SeenProcessing})
	s.write(order.Change{Input: order.CancelDenied, Error: refusal("too_late"), Evidence: map[string]any{"a": "b"}})
	if s.last.Error.Code != "too_late" || s.last.Evidence["a"] != "b" {
		t.Errorf("error %v: a state without an error shows the refusal's", s.last.Error)
	}
	s.write(order.Change{Input: order.ConfirmDenied})
	if s.last.Error != nil {
		t.Errorf("error %v: that was the cancel's", s.last.Error)
	}
}
