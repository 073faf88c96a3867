package order_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// repeated is an order whose first request got no answer, and whose repeat is
// under way under nonce a2.
func repeated(t *testing.T) *story {
	t.Helper()
	s := claimed(t, messages.Offer)
	s.write(order.Change{Input: order.OwnUnknown, Nonce: "a1", Error: ambiguous(), RetryAt: s.now})
	s.claim(order.Repeat, "a2")
	return s
}

// noSecondPurchase fails where an order may be placed by itself.
func noSecondPurchase(s *story) {
	s.t.Helper()
	for _, in := range []order.Input{order.Claim, order.Repeat} {
		if v := s.apply(order.Change{Input: in, Intent: intent(s.last, "again", s.now)}); v == order.Write {
			s.t.Errorf("%s was possible in state %s", in, s.last.State)
		}
	}
}

func TestApply_ARepeatsWrongPriceLeavesTheLostAnswerInDoubt(t *testing.T) {
	t.Parallel()
	s := repeated(t)
	s.write(order.Change{Input: order.OwnRetry, Nonce: "a2", Requote: true, Error: refusal("WRONG_PRICE")})
	s.is(messages.Unresolved, true)
	if n := order.NextReference(s.last); n != 1 {
		t.Errorf("next reference %d: a new reference buys a second time", n)
	}
	if e := s.last.Error; e == nil || e.Class != "ambiguous" || e.Retryable || s.last.Evidence["repeat"] == nil {
		t.Errorf("error %+v, evidence %v: the doubt is about the lost answer, the refusal stands beside it", e, s.last.Evidence)
	}
	noSecondPurchase(s)
}

func TestApply_ARepeatsInsufficientBalanceLeavesTheLostAnswerInDoubt(t *testing.T) {
	t.Parallel()
	s := repeated(t)
	s.write(order.Change{
		Input: order.OwnRetry, Nonce: "a2", Blocked: true, BlockedMax: time.Nanosecond,
		RetryAt: s.now.Add(time.Minute), Error: refusal("INSUFFICIENT_BALANCE"),
	})
	s.is(messages.Unresolved, false) // the first one may have spent it
	if due, ok := order.Next(s.last, order.Times{}, s.now); !ok || due.Verb != messages.Check {
		t.Errorf("next: %v %t, want a check", due, ok)
	}
	s.claim(order.Repeat, "a3")
	s.write(order.Change{Input: order.OwnRetry, Nonce: "a3", Blocked: true, BlockedMax: time.Nanosecond})
	s.is(messages.Unresolved, false) // never failed by the clock while in doubt
}

func TestApply_ARepeatsDefiniteNoLeavesTheLostAnswerInDoubt(t *testing.T) {
	t.Parallel()
	s := repeated(t)
	s.write(order.Change{Input: order.OwnRefused, Nonce: "a2", Error: refusal("OFFER_NOT_FOUND")})
	s.is(messages.Unresolved, true)
	noSecondPurchase(s)
}

func TestApply_ARepeatStaysARepeatAfterItsOwnLeaseIsOver(t *testing.T) {
	t.Parallel()
	s := repeated(t)
	s.leaseOver(false)
	s.write(order.Change{Input: order.OwnRefused, Nonce: "a2", Error: refusal("OFFER_NOT_FOUND")})
	s.is(messages.Unresolved, true)
}

func TestApply_ARepeatsSuccessSettlesTheDoubt(t *testing.T) {
	t.Parallel()
	s := repeated(t)
	s.write(order.Change{Input: order.OwnSucceeded, Nonce: "a2", Ref: map[string]string{"order_id": "7"}})
	s.is(messages.Succeeded, false)
	if s.last.Work.InDoubt || s.last.Work.DoubtSince != nil {
		t.Errorf("still in doubt: %+v", s.last.Work)
	}
}

func TestApply_CancelRefusedDuringTheCallDoesNotLoseTheOutcome(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	lease := *s.last.LeaseUntil
	if v := s.apply(order.Change{Input: order.CancelRequest, Origin: "ORDERS:2"}); v != order.Wait {
		t.Fatalf("cancel while placing: %s, want wait", v)
	}
	s.write(order.Change{Input: order.CancelDenied, Origin: "ORDERS:2"})
	s.write(order.Change{Input: order.ConfirmRequest, Origin: "ORDERS:3"})
	s.expect(messages.ConfirmRefused, messages.Placing, false)
	if s.last.LeaseUntil == nil || !s.last.LeaseUntil.Equal(lease) || s.last.Work.Nonce != "a1" {
		t.Errorf("the refusal lost the lease or the nonce: %+v", s.last)
	}
	if due, ok := order.Next(s.last, order.Times{}, s.now); !ok || !due.At.Equal(lease) {
		t.Errorf("next: %v %t, want a check when the lease is over", due, ok)
	}
	s.write(order.Change{Input: order.OwnSucceeded, Nonce: "a1", Ref: map[string]string{"order_id": "7"}})
	s.is(messages.Succeeded, false)
}

func TestApply_AStaleOwnersAnswerDecidesWhileNoOtherAttemptHasBegun(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		answer order.Change
		want   messages.Type
	}{
		{order.Change{Input: order.OwnSucceeded}, messages.Succeeded},
		{order.Change{Input: order.OwnProcessing}, messages.Processing},
		{order.Change{Input: order.OwnFailed}, messages.Failed},
		{order.Change{Input: order.OwnRefused}, messages.Failed},
		{order.Change{Input: order.OwnRetry, RetryAt: t0.Add(time.Hour)}, messages.Retrying},
	} {
		s := claimed(t, messages.Topup)
		s.leaseOver(true)
		tc.answer.Nonce = "a1"
		s.write(tc.answer)
		s.is(tc.want, false)
		if s.last.Work.InDoubt {
			t.Errorf("%s left the doubt", tc.answer.Input)
		}
	}
}

func TestApply_AnOwnerThatSaidUnknownCannotSayNoAfterwards(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	s.write(order.Change{Input: order.OwnUnknown, Nonce: "a1", Error: ambiguous()})
	for _, in := range []order.Input{order.OwnRefused, order.OwnRetry, order.OwnUnknown} {
		if v := s.apply(order.Change{Input: in, Nonce: "a1"}); v != order.Ignore {
			t.Errorf("%s after own_unknown: %s, want ignore", in, v)
		}
	}
	s.write(order.Change{Input: order.OwnSucceeded, Nonce: "a1"})
	s.is(messages.Succeeded, false)
}

func TestApply_AStaleOwnersAnswerIsLateEvidenceOnceAnotherAttemptHasBegun(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	s.leaseOver(false)
	s.claim(order.Repeat, "a2")
	s.write(order.Change{Input: order.OwnRetry, Nonce: "a1", Error: refusal("not_sent")})
	s.expect(messages.LateEvidence, messages.Placing, false)
	s.write(order.Change{Input: order.OwnSucceeded, Nonce: "a2", Ref: map[string]string{"order_id": "7"}})
	s.is(messages.Succeeded, false)
}

func TestApply_EvidenceOfAPurchaseStopsTheNextOne(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Topup)
	s.leaseOver(true)
	s.now = *s.last.NotBefore
	s.write(order.Change{Input: order.DecidePlaceAgain})
	s.claim(order.Claim, "a2")
	// The first worker was cut off from NATS, not from the provider.
	s.write(order.Change{Input: order.OwnSucceeded, Nonce: "a1", Ref: map[string]string{"id": "1"}})
	s.expect(messages.LateEvidence, messages.Placing, true)
	for _, in := range []order.Input{order.OwnRetry, order.OwnRefused} {
		branch := *s
		branch.write(order.Change{Input: in, Nonce: "a2", Error: refusal("not_sent")})
		branch.is(messages.Unresolved, true)
		noSecondPurchase(&branch)
	}
}

func TestApply_ASuccessBeforeTheNextAttemptBeginsStopsIt(t *testing.T) {
	t.Parallel()
	for in, want := range map[order.Input]messages.Type{
		order.OwnSucceeded: messages.Succeeded, order.OwnDuplicate: messages.Unresolved,
		order.OwnProcessing: messages.Processing, order.OwnOnHold: messages.OnHold,
	} {
		s := claimed(t, messages.Offer)
		s.leaseOver(true)
		s.now = *s.last.NotBefore
		s.write(order.Change{Input: order.DecidePlaceAgain, NewReference: true})
		s.write(order.Change{Input: in, Nonce: "a1"})
		s.is(want, false)
	}
}

func TestApply_ALateSuccessAfterTheOperatorsFailedNeedsAnOperator(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	s.leaseOver(true)
	s.now = *s.last.NotBefore
	s.write(order.Change{Input: order.DecideFailed, Error: refusal("operator"), Evidence: map[string]any{"decision": "failed"}})
	s.is(messages.Failed, false)
	late := order.Change{
		Input: order.OwnSucceeded, Nonce: "a1", Ref: map[string]string{"order_id": "7"}, Cost: rubles("560.10"),
		Deliverable: json.RawMessage(`{"key":"001"}`),
	}
	s.write(late)
	s.expect(messages.LateEvidence, messages.Failed, true)
	if string(s.last.Deliverable) != `{"key":"001"}` {
		t.Errorf("the goods were lost: %s", s.last.Deliverable)
	}
	if s.last.Error == nil || s.last.Error.Code != "operator" {
		t.Errorf("error %v, want that of the state", s.last.Error)
	}
	if v := s.apply(late); v != order.Ignore {
		t.Errorf("the same late answer again: %s, want ignore", v)
	}
	noSecondPurchase(s)
}

func TestApply_ADuplicateLeavesTheOrderUnresolved(t *testing.T) {
	t.Parallel()
	for _, s := range []*story{claimed(t, messages.Offer), repeated(t)} {
		nonce := s.last.Work.Nonce
		s.write(order.Change{Input: order.OwnDuplicate, Nonce: nonce, NeedsOperator: true, Evidence: map[string]any{"duplicate": "yes"}})
		s.is(messages.Unresolved, true)
		for _, in := range []order.Input{order.OwnRefused, order.OwnRetry, order.OwnDuplicate} {
			if v := s.apply(order.Change{Input: in, Nonce: nonce}); v != order.Ignore {
				t.Errorf("%s after a duplicate: %s, want ignore", in, v)
			}
		}
		noSecondPurchase(s)
	}
}

func TestApply_ADuplicateFollowedByALookupThatFindsItSettlesTheDoubt(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Exchange)
	s.write(order.Change{Input: order.OwnDuplicate, Nonce: "a1"})
	s.is(messages.Unresolved, false)
	s.write(order.Change{Input: order.SeenSucceeded, Ref: map[string]string{"id": "12"}})
	s.is(messages.Succeeded, false)
}

func TestApply_ARequestWithoutAKeyOfOursIsNeverRepeated(t *testing.T) {
	t.Parallel()
	for _, kind := range []messages.Kind{messages.Topup, messages.GiftCard, messages.PartnerPayout, "new_kind"} {
		s := claimed(t, kind)
		s.leaseOver(false)
		if v := s.apply(order.Change{Input: order.Repeat, Intent: intent(s.last, "a2", s.now)}); v != order.Forbidden {
			t.Errorf("repeat of a %s: %s, want forbidden", kind, v)
		}
	}
}

func TestApply_AnOperatorCannotDecideAgainstAPausedOwner(t *testing.T) {
	t.Parallel()
	for _, in := range []order.Input{order.DecideFailed, order.DecidePlaceAgain} {
		s := claimed(t, messages.Topup)
		s.leaseOver(true)
		s.now = s.last.NotBefore.Add(-2 * time.Second)
		if v := s.apply(order.Change{Input: in}); v != order.Wait {
			t.Errorf("%s before not_before: %s, want wait", in, v)
		}
		s.write(order.Change{Input: in})
	}
	s := claimed(t, messages.Exchange)
	s.leaseOver(false)
	if v := s.apply(order.Change{Input: order.DecideFailed}); v != order.Wait {
		t.Errorf("failed while it is being looked up: %s, want wait", v)
	}
	s.write(order.Change{Input: order.DecideSucceeded})
	s.is(messages.Succeeded, false)
}

func TestApply_ALookupUnderWayDuringTheDecisionStillStopsThePurchase(t *testing.T) {
	t.Parallel()
	for in, want := range map[order.Input]messages.Type{
		order.SeenSucceeded: messages.Succeeded, order.SeenProcessing: messages.Processing,
		order.SeenOnHold: messages.OnHold, order.SeenActionRequired: messages.ActionRequired,
	} {
		s := claimed(t, messages.Exchange)
		s.leaseOver(true)
		s.now = *s.last.NotBefore
		s.write(order.Change{Input: order.DecidePlaceAgain})
		s.write(order.Change{Input: in})
		s.is(want, false)
	}
}

func TestApply_AnOutcomeOfAnIntentThatTheLedgerLostStopsThePurchase(t *testing.T) {
	t.Parallel()
	for in, want := range map[order.Input]messages.Type{
		order.OwnSucceeded: messages.Succeeded, order.OwnUnknown: messages.Unresolved, order.OwnDuplicate: messages.Unresolved,
	} {
		s := begin(t, messages.Offer) // an older copy of the store: no placing
		s.write(order.Change{Input: in, Nonce: "a1", NeedsOperator: in != order.OwnSucceeded})
		s.is(want, in != order.OwnSucceeded)
		noSecondPurchase(s)
	}
}

func TestApply_ARepeatAfterADeadOwnerLeavesItsRequestInDoubt(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	s.leaseOver(false)
	s.claim(order.Repeat, "a2")
	s.write(order.Change{Input: order.OwnRetry, Nonce: "a2", Requote: true, Error: refusal("WRONG_PRICE")})
	s.is(messages.Unresolved, true)
}

func TestApply_ADuplicateTakesBackThePromiseOfANewReference(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	s.write(order.Change{Input: order.OwnUnknown, Nonce: "a1", NeedsOperator: true})
	if s.last.Work.Unheard {
		t.Error("the owner was heard")
	}
	s.now = *s.last.NotBefore
	s.write(order.Change{Input: order.DecidePlaceAgain, NewReference: true})
	s.write(order.Change{Input: order.OwnDuplicate, Nonce: "a0", NeedsOperator: true}) // an older attempt's
	if n := order.NextReference(s.last); n != 1 {
		t.Errorf("next reference %d, want the one that is in doubt", n)
	}
}

func TestApply_ALookupThatRefutesADecisionAfterTheNextIntentNeedsAnOperator(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Exchange)
	s.leaseOver(true)
	s.now = *s.last.NotBefore
	s.write(order.Change{Input: order.DecidePlaceAgain})
	s.claim(order.Claim, "a2")
	s.write(order.Change{Input: order.SeenSucceeded, Ref: map[string]string{"id": "12"}})
	s.expect(messages.LateEvidence, messages.Placing, true)
	s.write(order.Change{Input: order.OwnRetry, Nonce: "a2", RetryAt: s.now})
	s.is(messages.Unresolved, true)
	noSecondPurchase(s)
}
