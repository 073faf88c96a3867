package order_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// linkLost is a deposit whose first pay URL was lost, before its second create.
func linkLost(t *testing.T) *story {
	t.Helper()
	s := claimed(t, messages.Deposit)
	s.leaseOver(false)
	s.write(order.Change{Input: order.LinkLost, RetryAt: s.now})
	s.is(messages.Retrying, false)
	return s
}

func TestApply_ADepositThatEndsWhileOneStandsAtTheProviderIsWatched(t *testing.T) {
	t.Parallel()
	second := func(s *story) { s.claim(order.Claim, "a2") }
	for name, c := range map[string]struct {
		before func(*story)
		end    order.Change
	}{
		"canceled":                 {nil, order.Change{Input: order.CancelRequest}},
		"expired":                  {nil, order.Change{Input: order.Expire}},
		"refused beforehand":       {nil, order.Change{Input: order.Refuse, Error: refusal("X")}},
		"the second create denied": {second, order.Change{Input: order.OwnRefused, Nonce: "a2", Error: refusal("3")}},
		"the second died at once":  {second, order.Change{Input: order.OwnFailed, Nonce: "a2", Error: refusal("timeout")}},
	} {
		s := linkLost(t)
		if c.before != nil {
			c.before(s)
		}
		s.write(c.end)
		if e := s.last; !e.Terminal() || e.WatchUntil == nil || !e.WatchUntil.Equal(messages.Stamp(s.now.Add(order.DepositWatch))) {
			t.Errorf("%s: %s, watched until %v", name, e.State, e.WatchUntil)
			continue
		}
		if due, ok := order.Next(s.last, times, s.now); !ok || due.Verb != messages.Check {
			t.Errorf("%s: nobody looks: %v", name, due)
		}
		end := s.last.State
		s.write(order.Change{Input: order.SeenRevived, Ref: map[string]string{"transaction_id": "13"}})
		s.expect(messages.LateEvidence, end, true)
		s.write(order.Change{Input: order.SeenSucceeded, Ref: map[string]string{"transaction_id": "13"}, Deliverable: []byte(`{}`)})
		s.expect(messages.LateEvidence, end, true)
	}
}

func TestApply_WhatAnOperatorRuledOutIsWatchedWhereItIsADeposit(t *testing.T) {
	t.Parallel()
	for kind, watched := range map[messages.Kind]bool{messages.Deposit: true, messages.Exchange: false, messages.Offer: false} {
		s := claimed(t, kind)
		s.leaseOver(true)
		s.now = *s.last.NotBefore
		s.write(order.Change{Input: order.DecideFailed})
		if got := s.last.WatchUntil != nil; got != watched {
			t.Errorf("%s: watched until %v", kind, s.last.WatchUntil)
		}
	}
}

func TestApply_WhatALookupEndedIsNotWatched(t *testing.T) {
	t.Parallel()
	until := t0.Add(time.Hour)
	s := claimed(t, messages.Deposit)
	s.write(order.Change{Input: order.OwnOnHold, Nonce: "a1", HoldUntil: &until, WatchUntil: &until})
	s.write(order.Change{Input: order.SeenFailed, Error: refusal("trade_canceled")})
	if s.last.WatchUntil != nil {
		t.Errorf("a failed deposit is watched until %v", s.last.WatchUntil)
	}
	s = linkLost(t)
	s.claim(order.Claim, "a2")
	s.write(order.Change{Input: order.OwnActionRequired, Nonce: "a2", Action: &messages.Action{URL: "https://pay"}})
	s.write(order.Change{Input: order.SeenFailed, Error: refusal("timeout")})
	if s.last.WatchUntil != nil {
		t.Errorf("the lookup saw the end of both, and they are watched until %v", s.last.WatchUntil)
	}
}

func TestApply_AdviceIsNotToldOfTheNextState(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Exchange)
	s.write(order.Change{Input: order.OwnProcessing, Nonce: "a1", Evidence: map[string]any{"bid_status": "error", "operator_hint": "call them", "kept": "1"}})
	before := s.last
	s.write(order.Change{Input: order.CancelRequest})
	s.expect(messages.CancelRefused, messages.Processing, false)
	if s.last.Evidence["operator_hint"] == nil {
		t.Error("the state is the same, and its advice is gone")
	}
	s.write(order.Change{Input: order.SeenProcessing, Evidence: map[string]any{"bid_status": "payouterror", "operator_hint": "call them again"}})
	if got := s.last.Evidence["operator_hint"]; got != "call them again" {
		t.Errorf("advised %v", got)
	}
	s.write(order.Change{Input: order.SeenProcessing, Evidence: map[string]any{"bid_status": "realpay"}})
	if diff := cmp.Diff(map[string]any{"bid_status": "realpay", "kept": "1"}, s.last.Evidence); diff != "" {
		t.Error(diff)
	}
	if before.Evidence["operator_hint"] != "call them" {
		t.Error("an event that was written before has changed")
	}
}

func TestApply_WhatACallbackClaimedIsEvidenceAndNoNews(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Deposit)
	claim := map[string]string{"status": "success", "received_at": "now"}
	s.write(order.Change{Input: order.OwnActionRequired, Nonce: "a1", Action: &messages.Action{URL: "https://pay"}})
	if v := s.apply(order.Change{Input: order.SeenActionRequired, Hint: claim}); v != order.Ignore {
		t.Errorf("%s, though the lookup saw nothing new", v)
	}
	s.write(order.Change{Input: order.SeenFailed, Error: refusal("timeout"), Hint: claim})
	if diff := cmp.Diff(map[string]any{"webhook": claim}, s.last.Evidence); diff != "" || s.last.State != messages.Failed {
		t.Errorf("%s %s", s.last.State, diff)
	}
	// Told again by another callback, what contradicts the end is written once.
	late := order.Change{Input: order.SeenSucceeded, Ref: map[string]string{"transaction_id": "13"}, Hint: claim}
	s.write(late)
	s.expect(messages.LateEvidence, messages.Failed, true)
	s.last = wire(t, s.last)
	late.Hint = map[string]string{"status": "success", "received_at": "later"}
	if v := s.apply(late); v != order.Ignore {
		t.Errorf("%s, want ignore", v)
	}
}

func TestApply_AFailureOfWhatWasInWorkTellsOfTheRefund(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before messages.Type
		told   map[string]any
		want   any
	}{
		"the provider says nothing": {messages.Processing, map[string]any{"bid_status": "cancel"}, "unconfirmed"},
		"the provider has paid":     {messages.Processing, map[string]any{"refund": "confirmed"}, "confirmed"},
		"nobody had paid yet":       {messages.ActionRequired, nil, nil},
	} {
		s := claimed(t, messages.Exchange)
		s.write(order.Change{Input: order.OwnActionRequired, Nonce: "a1", Action: &messages.Action{URL: "https://pay.example/"}})
		if c.before == messages.Processing {
			s.write(order.Change{Input: order.SeenProcessing})
		}
		s.is(c.before, false)
		s.write(order.Change{Input: order.SeenFailed, Error: refusal("cancel"), Evidence: c.told})
		s.is(messages.Failed, false)
		if got := s.last.Evidence["refund"]; got != c.want {
			t.Errorf("%s: the refund is %v, not %v", name, got, c.want)
		}
	}
}

func TestApply_WhatWasTakenBackIsNeitherFinalNorWatched(t *testing.T) {
	t.Parallel()
	until := t0.Add(8 * 24 * time.Hour)
	s := claimed(t, messages.Deposit)
	s.write(order.Change{Input: order.OwnSucceeded, Nonce: "a1", Deliverable: []byte(`{}`), Finality: messages.Final, WatchUntil: &until})
	s.is(messages.Succeeded, false)
	if s.last.Finality != messages.Final || s.last.WatchUntil == nil {
		t.Fatalf("succeeded: %+v", s.last)
	}
	s.write(order.Change{Input: order.SeenReversed, Error: refusal("hold_returned")})
	s.is(messages.Reversed, false)
	if s.last.Finality != "" || s.last.WatchUntil != nil {
		t.Errorf("reversed: finality %q, watched until %v", s.last.Finality, s.last.WatchUntil)
	}
}
