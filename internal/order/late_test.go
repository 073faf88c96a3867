package order_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// in is an order in the state, whose last attempt bears nonce a2.
func in(state messages.Type) *messages.Event {
	return &messages.Event{
		N: 9, Type: state, State: state, Time: t0, Tenant: "acme", OrderID: "ord-1", Provider: messages.GamesDrop,
		Kind: messages.Offer, Attempt: 2, ProviderRef: map[string]string{"order_id": "7"},
		Work: &messages.Work{Nonce: "a2", ReferenceN: 1, InDoubt: state == messages.Unresolved},
	}
}

func TestApply_LateEvidenceNeedsAnOperatorOnlyWhereItContradicts(t *testing.T) {
	t.Parallel()
	same, other := map[string]string{"order_id": "7"}, map[string]string{"order_id": "8"}
	for _, tc := range []struct {
		state  messages.Type
		late   order.Change
		attack bool
	}{
		// Bought, and now it comes out that an earlier request was refused: that is why there was a second.
		{messages.Succeeded, order.Change{Input: order.OwnRefused, Nonce: "a1"}, false},
		{messages.Succeeded, order.Change{Input: order.OwnRetry, Nonce: "a1"}, false},
		{messages.Succeeded, order.Change{Input: order.OwnRetry, Nonce: "a2"}, false}, // the first one bought it
		{messages.Succeeded, order.Change{Input: order.OwnSucceeded, Nonce: "a1", Ref: same}, false},
		{messages.Succeeded, order.Change{Input: order.OwnSucceeded, Nonce: "a1", Ref: other}, true},
		{messages.Processing, order.Change{Input: order.OwnProcessing, Nonce: "a1", Ref: other}, true},
		{messages.Succeeded, order.Change{Input: order.OwnDuplicate, Nonce: "a1"}, false},
		{messages.Succeeded, order.Change{Input: order.OwnFailed, Nonce: "a1", Ref: same}, true},
		{messages.Succeeded, order.Change{Input: order.OwnFailed, Nonce: "a1", Ref: other}, false},
		{messages.Succeeded, order.Change{Input: order.SeenFailed}, true},
		{messages.Succeeded, order.Change{Input: order.CancelDone}, true},
		{messages.Reversed, order.Change{Input: order.OwnFailed, Nonce: "a2"}, false},
		{messages.Failed, order.Change{Input: order.OwnSucceeded, Nonce: "a2"}, true},
		{messages.Failed, order.Change{Input: order.OwnDuplicate, Nonce: "a1"}, true},
		{messages.Failed, order.Change{Input: order.SeenSucceeded}, true},
		{messages.Failed, order.Change{Input: order.OwnFailed, Nonce: "a1"}, false},
		{messages.Failed, order.Change{Input: order.OwnRefused, Nonce: "a1"}, false},
		{messages.Canceled, order.Change{Input: order.SeenSucceeded}, true},
		{messages.Canceled, order.Change{Input: order.SeenRevived}, true},
		{messages.Expired, order.Change{Input: order.SeenRevived}, true},
		{messages.Expired, order.Change{Input: order.SeenSucceeded}, true},
		{messages.Placing, order.Change{Input: order.OwnSucceeded, Nonce: "a1"}, true},
		{messages.Unresolved, order.Change{Input: order.OwnSucceeded, Nonce: "a1"}, true},
		{messages.Unresolved, order.Change{Input: order.OwnFailed, Nonce: "a1"}, false},
	} {
		t.Run(fmt.Sprintf("%s/%s/%s", tc.state, tc.late.Input, tc.late.Nonce), func(t *testing.T) {
			t.Parallel()
			last := in(tc.state)
			e, v := order.Apply(last, tc.late)
			if v != order.Write || e.Type != messages.LateEvidence || e.State != tc.state {
				t.Fatalf("got %v %s, want late_evidence", e, v)
			}
			if e.NeedsOperator != tc.attack || e.Work.Contradicted != tc.attack {
				t.Errorf("needs_operator %t, contradicted %t; want %t", e.NeedsOperator, e.Work.Contradicted, tc.attack)
			}
			if tc.attack && tc.state == messages.Unresolved && e.NotBefore == nil {
				t.Error("an operator is asked without a time before which not to decide")
			}
		})
	}
}

func TestApply_AnOwnRefusalContradictsWhereThereWasNoOtherRequest(t *testing.T) {
	t.Parallel()
	last := in(messages.Processing)
	last.Attempt = 1
	e, _ := order.Apply(last, order.Change{Input: order.OwnRefused, Nonce: "a2"})
	if e.Type != messages.LateEvidence || !e.NeedsOperator {
		t.Fatalf("%s, needs_operator %t", e.Type, e.NeedsOperator)
	}
	// And while that stands, nobody but the operator may say that it was not bought.
	e, _ = order.Apply(e, order.Change{Input: order.SeenFailed})
	if e.State != messages.Unresolved || !e.NeedsOperator || e.NotBefore == nil {
		t.Errorf("%s, needs_operator %t, want unresolved for the operator", e.State, e.NeedsOperator)
	}
	e, v := order.Apply(e, order.Change{Input: order.DecideFailed, At: *e.NotBefore})
	if v != order.Write || e.State != messages.Failed || e.NeedsOperator || e.Work.Contradicted {
		t.Errorf("%s %s: the decision did not end it", v, e.State)
	}
}

func TestApply_LateAnswersAreAllKept(t *testing.T) {
	t.Parallel()
	last := in(messages.Failed)
	for i := range 20 {
		e, v := order.Apply(last, order.Change{
			Input: order.OwnSucceeded, Nonce: fmt.Sprint("n", i), Ref: map[string]string{"order_id": fmt.Sprint(i)},
			Error: refusal("X"), Cost: rubles("1.50"), Evidence: map[string]any{"balance": "1"},
		})
		if v != order.Write {
			t.Fatal(i, v)
		}
		last = wire(t, e)
	}
	late, _ := last.Evidence["late"].([]any)
	if len(late) != 16 {
		t.Fatalf("%d late answers in the last event, want the bound of 16", len(late))
	}
	newest, _ := late[15].(map[string]any)
	for key, want := range map[string]string{
		"input": "own_succeeded", "nonce": "n19", "provider_ref": "map[order_id:19]",
		"cost": "map[amount:1.5 currency:RUB]", "error": "map[class:rejected code:X message:]", "evidence": "map[balance:1]",
	} {
		got := fmt.Sprint(newest[key])
		if got != want && (key != "cost" || got != "map[amount:1.50 currency:RUB]") {
			t.Errorf("%s: %v, want %s", key, got, want)
		}
	}
	if last.ProviderRef["order_id"] != "7" || last.Cost != nil {
		t.Error("a contradicting answer changed what the state stands on")
	}
}

func TestApply_EvidenceThatAnOperatorOverruledIsShownAgainWhenItComesAgain(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Topup)
	s.leaseOver(true)
	decide := func(in order.Input) {
		s.now = *s.last.NotBefore
		s.write(order.Change{Input: in})
	}
	decide(order.DecidePlaceAgain)
	s.claim(order.Claim, "a2")
	late := order.Change{Input: order.OwnSucceeded, Nonce: "a1", Ref: map[string]string{"id": "1"}}
	s.write(late)
	s.leaseOver(true)
	decide(order.DecideFailed)
	s.is(messages.Failed, false)
	s.write(late)
	s.expect(messages.LateEvidence, messages.Failed, true)
	if v := s.apply(late); v != order.Ignore {
		t.Errorf("and once more: %s, want ignore", v)
	}
}

func TestApply_ALookupThatOvertakesTheFirstAnswerContradictsNothing(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Deposit)
	if v := s.apply(order.Change{Input: order.SeenSucceeded}); v != order.Ignore {
		t.Errorf("verdict %s, want ignore: it will be found again", v)
	}
}

func TestApply_ALateAnswerThatAgreesCompletesWhatIsKnown(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Exchange)
	s.leaseOver(false)
	s.write(order.Change{Input: order.SeenSucceeded})
	s.write(order.Change{
		Input: order.OwnActionRequired, Nonce: "a1", Ref: map[string]string{"id": "7"}, Cost: rubles("5"),
		Deliverable: []byte(`{"amount_get":"1"}`),
	})
	s.expect(messages.LateEvidence, messages.Succeeded, false)
	if s.last.ProviderRef["id"] != "7" || s.last.Cost == nil || s.last.Deliverable == nil {
		t.Errorf("something was lost: %+v", s.last)
	}
}

func TestApply_AnOutcomeToldAgainWritesNothing(t *testing.T) {
	t.Parallel()
	for _, in := range []order.Input{
		order.OwnSucceeded, order.OwnProcessing, order.OwnActionRequired, order.OwnOnHold, order.OwnFailed,
		order.OwnRefused, order.OwnRetry, order.OwnUnknown, order.OwnDuplicate,
	} {
		for _, doubt := range []bool{false, true} {
			s := claimed(t, messages.Offer)
			if doubt {
				s.leaseOver(false)
				s.claim(order.Repeat, "a2")
			}
			answer := order.Change{
				Input: in, Nonce: s.last.Work.Nonce, Ref: map[string]string{"order_id": "7"},
				Action: &messages.Action{URL: "https://pay"}, Cost: rubles("5.10"), Deliverable: []byte(`{}`), HoldUntil: &t0,
				RetryAt: s.now, Error: refusal("X"), Evidence: map[string]any{"status": "s", "balance": "1"},
			}
			s.write(answer)
			s.last = wire(t, s.last)
			if v := s.apply(answer); v != order.Ignore {
				t.Errorf("%s (doubt %t) again: %s, event %s; want ignore", in, doubt, v, s.last.Type)
			}
		}
	}
}

func TestApply_AnAnswerWithoutANonceIsTheCallersFault(t *testing.T) {
	t.Parallel()
	s := begin(t, messages.Offer)
	if v := s.apply(order.Change{Input: order.OwnSucceeded}); v != order.Forbidden {
		t.Errorf("verdict %s, want forbidden", v)
	}
}

func TestApply_ALookupOfAnEarlierAttemptFailsNoLaterOne(t *testing.T) {
	t.Parallel()
	for _, in := range []order.Input{order.SeenFailed, order.SeenReversed} {
		s := claimed(t, messages.Offer)
		s.leaseOver(true)
		s.now = s.last.NotBefore.Add(time.Second)
		s.write(order.Change{Input: order.DecidePlaceAgain, NewReference: true, RetryAt: s.now})
		s.claim(order.Claim, "a2")
		s.write(order.Change{Input: order.OwnProcessing, Nonce: "a2", Ref: map[string]string{"order_id": "2"}})
		if v := s.apply(order.Change{Input: in, Attempt: 1, Error: refusal("CANCELED")}); v != order.Ignore {
			t.Errorf("%s of the first attempt: %s", in, v)
		}
		s.is(messages.Processing, false)
		s.write(order.Change{Input: in, Attempt: 2, Error: refusal("CANCELED")})
		s.is(messages.Failed, false)
	}
}
