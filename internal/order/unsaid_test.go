package order_test

import (
	"fmt"
	"testing"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// overtaken is an order whose first owner was slow: its lease is over, and its
// request is being repeated under nonce a2.
func overtaken(t *testing.T) *story {
	t.Helper()
	s := claimed(t, messages.Offer)
	s.leaseOver(false)
	s.claim(order.Repeat, "a2")
	return s
}

// says lets an owner say that its request was not sent.
func (s *story) says(nonce string) {
	s.t.Helper()
	s.last = wire(s.t, s.last) // another process takes it up
	s.write(order.Change{Input: order.OwnRetry, Nonce: nonce, Error: refusal("not_sent"), RetryAt: s.now})
}

// Every request of the order was held back by its owner: nothing was ever sent,
// and nobody has anything to decide.
func TestApply_AnOrderOfWhichNothingWasEverSentIsPlacedAgain(t *testing.T) {
	t.Parallel()
	for name, tell := range map[string]func(*story){
		"the slow one first": func(s *story) {
			s.says("a1")
			s.expect(messages.LateEvidence, messages.Placing, false)
			s.says("a2")
		},
		"the repeat first": func(s *story) {
			s.says("a2")
			s.is(messages.Unresolved, false)
			s.says("a1")
		},
		"the repeat first, and the operator was asked": func(s *story) {
			s.says("a2")
			s.write(order.Change{Input: order.AskOperator})
			s.says("a1")
		},
		"both too late": func(s *story) {
			s.leaseOver(false)
			s.says("a1")
			s.expect(messages.LateEvidence, messages.Unresolved, false)
			s.says("a2")
		},
		"both too late, the repeat first": func(s *story) {
			s.leaseOver(false)
			s.says("a2")
			s.is(messages.Unresolved, false)
			s.says("a1")
		},
		"one of three": func(s *story) {
			s.leaseOver(false)
			s.claim(order.Repeat, "a3")
			for _, nonce := range []string{"a2", "a3", "a1"} {
				s.says(nonce)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := overtaken(t)
			tell(s)
			s.is(messages.Retrying, false)
			if w := s.last.Work; w.InDoubt || w.Unheard || w.Unsaid != "" || w.DoubtSince != nil {
				t.Errorf("%+v", w)
			}
		})
	}
}

func TestApply_ADefiniteNoThatComesLateFailsAnOrderInWhichNothingElseIsInDoubt(t *testing.T) {
	t.Parallel()
	s := overtaken(t)
	s.says("a2")
	s.write(order.Change{Input: order.OwnRefused, Nonce: "a1", Error: refusal("OFFER_NOT_FOUND")})
	s.is(messages.Failed, false)
}

// One of the requests may have been executed: no word about the others ends that.
func TestApply_OneLostAnswerKeepsTheDoubtWhateverTheOthersSay(t *testing.T) {
	t.Parallel()
	for name, tell := range map[string]func(*story){
		"the first": func(s *story) {
			s.write(order.Change{Input: order.OwnUnknown, Nonce: "a1", Error: ambiguous(), RetryAt: s.now})
			s.claim(order.Repeat, "a2")
			s.says("a2")
		},
		"the repeat": func(s *story) {
			s.leaseOver(false)
			s.claim(order.Repeat, "a2")
			s.write(order.Change{Input: order.OwnUnknown, Nonce: "a2", Error: ambiguous(), RetryAt: s.now})
			s.says("a1")
		},
		"the repeat, while another is under way": func(s *story) {
			s.leaseOver(false)
			s.claim(order.Repeat, "a2")
			s.write(order.Change{Input: order.OwnUnknown, Nonce: "a2", Error: ambiguous(), RetryAt: s.now})
			s.claim(order.Repeat, "a3")
			s.says("a1")
			s.says("a3")
		},
		"an owner that died": func(s *story) {
			s.leaseOver(false)
			s.claim(order.Repeat, "a2")
			s.leaseOver(false)
			s.claim(order.Repeat, "a3")
			s.says("a2")
			s.says("a3")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := claimed(t, messages.Offer)
			tell(s)
			if e := s.last; e.State != messages.Unresolved || !e.Work.InDoubt {
				t.Errorf("%s %+v", e.State, e.Work)
			}
			if v := s.apply(order.Change{Input: order.Claim, Intent: intent(s.last, "again", s.now)}); v == order.Write {
				t.Error("it could be placed anew")
			}
		})
	}
}

// The list does not grow for ever, and what is left out stays in doubt.
func TestApply_OfVeryManyOwnersWithoutAWordTheDoubtStays(t *testing.T) {
	t.Parallel()
	s := claimed(t, messages.Offer)
	const n = 40
	for i := 2; i <= n; i++ {
		s.leaseOver(false)
		s.claim(order.Repeat, fmt.Sprint("a", i))
	}
	for i := n; i > 0; i-- {
		s.apply(order.Change{Input: order.OwnRetry, Nonce: fmt.Sprint("a", i), Error: refusal("not_sent"), RetryAt: s.now})
	}
	if e := s.last; e.State != messages.Unresolved || !e.Work.InDoubt || len(e.Work.Unsaid) > 100 {
		t.Errorf("%s %+v", e.State, e.Work)
	}
}

func TestOpen_IsAnIntentWhoseOwnerHasNotBeenHeardAndWhoseWordDecides(t *testing.T) {
	t.Parallel()
	s := overtaken(t)
	for nonce, want := range map[string]bool{"a1": true, "a2": true, "a3": false, "": false} {
		if got := order.Open(s.last, nonce); got != want {
			t.Errorf("%q is open: %t", nonce, got)
		}
	}
	s.says("a1")
	if order.Open(s.last, "a1") || !order.Open(s.last, "a2") {
		t.Error("what was said is still waited for, or what was not is not")
	}
	s.write(order.Change{Input: order.OwnSucceeded, Nonce: "a2"})
	if order.Open(s.last, "a2") {
		t.Error("an order that has ended waits")
	}
}
