package order_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestApply_AcceptTakesTheOrderOver(t *testing.T) {
	t.Parallel()
	s := begin(t, messages.Offer)
	e, n := s.last, submission(messages.Offer)
	got := order.Submission{Tenant: e.Tenant, OrderID: e.OrderID, Provider: e.Provider, Kind: e.Kind, Metadata: e.Metadata, Order: e.Order}
	if diff := cmp.Diff(*n, got); diff != "" {
		t.Error(diff)
	}
	if e.N != 1 || e.Attempt != 0 || e.Work.Origin != "ORDERS:1" || e.State != messages.Accepted {
		t.Errorf("%+v", e)
	}
}

func TestApply_RejectNamesTheFaults(t *testing.T) {
	t.Parallel()
	fault := &messages.Error{Class: "invalid", Code: "invalid_order", Faults: []messages.Fault{{Pointer: "/kind", Message: "unknown"}}}
	e, v := order.Apply(nil, order.Change{Input: order.Reject, At: t0, New: submission("x"), Error: fault})
	if v != order.Write || e.State != messages.Rejected || !e.Terminal() || e.Error != fault {
		t.Errorf("%s %+v", v, e)
	}
}

func TestApply_AnIntentIsRecordedBeforeTheCall(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	e := s.last
	if e.Attempt != 1 || e.Work.Nonce != "a1" || e.Work.Owner != "worker-1" || e.Work.ReferenceN != 1 ||
		e.ProviderRef["reference"] != "b1ref" || e.LeaseUntil == nil || e.Work.PlacedAt == nil || len(e.Work.Plan) == 0 {
		t.Errorf("%+v %+v", e, e.Work)
	}
	s.leaseOver(false)
	placedAt := *e.Work.PlacedAt
	again := intent(s.last, "a2", s.now)
	again.Plan = nil
	s.write(order.Change{Input: order.Repeat, Intent: again})
	if w := s.last.Work; string(w.Plan) != string(e.Work.Plan) || !w.PlacedAt.Equal(placedAt) || s.last.Attempt != 2 {
		t.Errorf("a repeat must send what the first sent: %+v", w)
	}
}

func TestApply_AnUnsoundIntentIsForbidden(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*order.Intent){
		"no nonce":             func(i *order.Intent) { i.Nonce = "" },
		"the old nonce":        func(i *order.Intent) { i.Nonce = "a1" },
		"no lease":             func(i *order.Intent) { i.LeaseUntil = time.Time{} },
		"another reference":    func(i *order.Intent) { i.ReferenceN++ },
		"an earlier reference": func(i *order.Intent) { i.ReferenceN-- },
	} {
		s := claimed(t, messages.Offer)
		s.write(order.Change{Input: order.OwnRetry, Nonce: "a1"})
		bad := intent(s.last, "a2", s.now)
		spoil(bad)
		if v := s.apply(order.Change{Input: order.Claim, Intent: bad}); v != order.Forbidden {
			t.Errorf("%s: %s, want forbidden", name, v)
		}
	}
	s := begin(t, messages.Offer)
	if v := s.apply(order.Change{Input: order.Claim}); v != order.Forbidden {
		t.Errorf("no intent: %s, want forbidden", v)
	}
	if _, v := order.Apply(nil, order.Change{Input: order.Accept}); v != order.Forbidden {
		t.Errorf("no submission: %s, want forbidden", v)
	}
}

func TestApply_WrongPriceToAFirstRequestIsQuotedAnewFiveTimes(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	for i := range order.MaxQuotes {
		s.write(order.Change{Input: order.OwnRetry, Nonce: s.last.Work.Nonce, Requote: true, Error: refusal("WRONG_PRICE")})
		s.is(messages.Retrying, false)
		if n := order.NextReference(s.last); n != i+2 {
			t.Fatalf("after quote %d the next reference is %d", i, n)
		}
		s.claim(order.Claim, string(rune('b'+i)))
	}
	s.write(order.Change{Input: order.OwnRetry, Nonce: s.last.Work.Nonce, Requote: true, Error: refusal("WRONG_PRICE")})
	s.is(messages.Failed, false)
	if s.last.Error.Code != "WRONG_PRICE" {
		t.Errorf("error %v", s.last.Error)
	}
}

func TestApply_NotSentKeepsItsReference(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	s.write(order.Change{Input: order.OwnRetry, Nonce: "a1", RetryAt: s.now})
	if n := order.NextReference(s.last); n != 1 || s.last.Work.Tries != 1 {
		t.Errorf("next reference %d, tries %d", n, s.last.Work.Tries)
	}
	s.write(order.Change{Input: order.Postpone, Requote: true})
	if n := order.NextReference(s.last); n != 1 || s.last.Work.Quotes != 0 {
		t.Errorf("a quote that was not sent took reference %d", n)
	}
}

func TestApply_ABlockedOrderEndsAfterBlockedMax(t *testing.T) {
	t.Parallel()
	blocked := func(in order.Input, nonce string) order.Change {
		return order.Change{Input: in, Nonce: nonce, Blocked: true, BlockedMax: 3 * time.Second, Error: refusal("INVALID_TOKEN")}
	}
	s := begin(t, messages.Offer)
	s.write(blocked(order.Postpone, ""))
	since := *s.last.Work.BlockedSince
	s.claim(order.Claim, "a1")
	s.write(blocked(order.OwnRetry, "a1"))
	s.is(messages.Retrying, false)
	if !s.last.Work.BlockedSince.Equal(since) {
		t.Error("an attempt between must not begin the time anew")
	}
	other := *s
	other.write(order.Change{Input: order.Postpone})
	if other.last.Work.BlockedSince != nil {
		t.Error("another cause ends the time")
	}
	s.write(blocked(order.Postpone, ""))
	s.is(messages.Failed, false)
	if s.last.Error.Code != "INVALID_TOKEN" {
		t.Errorf("error %v", s.last.Error)
	}
}

func TestApply_ALeaseThatRunsIsNotOver(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	if v := s.apply(order.Change{Input: order.LeaseOver}); v != order.Wait {
		t.Errorf("verdict %s, want wait", v)
	}
}

func TestApply_NotBeforeIsNeverForgottenAndNeverEarlier(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Topup)
	lease := *s.last.LeaseUntil
	early := *s
	early.write(order.Change{Input: order.OwnUnknown, Nonce: "a1", NeedsOperator: true})
	if n := early.last.NotBefore; n == nil || !n.Equal(lease.Add(order.DefaultHoldDown)) {
		t.Errorf("not_before %v, want the lease and the hold-down", n)
	}
	s.leaseOver(false)
	want := s.now.Add(time.Hour)
	s.write(order.Change{Input: order.AskOperator, NotBefore: want})
	s.write(order.Change{Input: order.AddEvidence, NotBefore: s.now, Evidence: map[string]any{"balance_after": "3"}})
	s.is(messages.Unresolved, true)
	if !s.last.NotBefore.Equal(want) || s.last.Error == nil || s.last.Evidence["balance_after"] != "3" {
		t.Errorf("not_before %v, error %v, evidence %v", s.last.NotBefore, s.last.Error, s.last.Evidence)
	}
	if v := s.apply(order.Change{Input: order.AskOperator}); v != order.Ignore {
		t.Errorf("asked again: %s, want ignore", v)
	}
}

func TestApply_ADepositWhoseLinkWasLostTakesASecondReferenceAndNoThird(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Deposit)
	s.leaseOver(false)
	s.write(order.Change{Input: order.LinkLost, RetryAt: s.now})
	s.is(messages.Retrying, false)
	if n := order.NextReference(s.last); n != 2 {
		t.Fatalf("next reference %d, want 2", n)
	}
	s.claim(order.Claim, "a2")
	s.leaseOver(false)
	s.write(order.Change{Input: order.LinkLost})
	s.is(messages.Unresolved, true)

	s = claimed(t, messages.Offer)
	s.leaseOver(false)
	if v := s.apply(order.Change{Input: order.LinkLost}); v != order.Forbidden {
		t.Errorf("an offer that was found is bought: %s, want forbidden", v)
	}
}

func TestApply_ACheckWritesAnEventOnlyForNews(t *testing.T) {
	t.Parallel()
	pay, hold := &messages.Action{Type: "address", URL: "https://pay", PayAmount: rubles("3000")}, t0.Add(time.Hour)
	told := order.Change{
		Ref: map[string]string{"id": "7"}, Action: pay, HoldUntil: &hold, Cost: rubles("5"), Deliverable: []byte(`{"a":1}`),
		Evidence: map[string]any{"status": "new", "balance": 1},
	}
	for state, in := range map[messages.Type]order.Input{
		messages.ActionRequired: order.SeenActionRequired, messages.OnHold: order.SeenOnHold, messages.Processing: order.SeenProcessing,
	} {
		s := claimed(t, messages.Exchange)
		s.leaseOver(false)
		told.Input = in
		s.write(told)
		s.is(state, false)
		s.last = wire(t, s.last)
		quiet := told
		quiet.Deliverable, quiet.Evidence = []byte(`"sealed anew"`), map[string]any{"status": "new", "balance": 2}
		for _, c := range []order.Change{told, quiet, {Input: in}} {
			if v := s.apply(c); v != order.Ignore {
				t.Errorf("%s without news: %s, want ignore", in, v)
			}
		}
		later := hold.Add(time.Hour)
		for name, c := range map[string]order.Change{
			"status": {Evidence: map[string]any{"status": "verify"}}, "hold": {HoldUntil: &later}, "id": {Ref: map[string]string{"hash": "h"}},
			"action": {Action: &messages.Action{Address: "T1"}}, "cost": {Cost: rubles("6")},
		} {
			if name == "action" && state != messages.ActionRequired || name == "hold" && state != messages.OnHold {
				continue // other states do not hold it
			}
			branch := *s
			c.Input = in
			branch.write(c)
			branch.is(state, false)
			if state == messages.ActionRequired && branch.last.Action == nil || state == messages.OnHold && branch.last.HoldUntil == nil {
				t.Errorf("%s: what the state needs was forgotten", name)
			}
		}
	}
}
