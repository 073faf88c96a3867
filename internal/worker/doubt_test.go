package worker_test

import (
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

func TestDoubt_AtAShopWithAKeyARepeatIsSentUnderTheSameReference(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.next(step{err: errTimeout}) // the request was lost before the shop acted
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	e := b.ends("o1")
	if e.State != messages.Succeeded || s.purchases("o1") != 1 || e.NeedsOperator {
		t.Fatalf("%s: %s, bought %d", b.path("o1"), e.State, s.purchases("o1"))
	}
	if sent := s.sent(); len(sent) != 2 || sent[0] != sent[1] {
		t.Errorf("references %v, want the same twice", sent)
	}
	if got := b.path("o1"); got != "accepted placing unresolved placing succeeded" {
		t.Errorf("path %s", got)
	}
}

func TestDoubt_ADuplicateAfterALostAnswerNeedsTheOperator(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.next(step{buy: true, err: errTimeout}) // bought, and the answer was lost
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	e := b.ends("o1")
	if e.State != messages.Unresolved || !e.NeedsOperator || e.NotBefore == nil || e.Evidence["duplicate"] == nil {
		t.Errorf("%s needs_operator=%v not_before=%v evidence=%v", e.State, e.NeedsOperator, e.NotBefore, e.Evidence)
	}
	b.drained()
	if s.purchases("o1") != 1 {
		t.Errorf("bought %d times", s.purchases("o1"))
	}
}

// A refusal of the repeat speaks of the repeat only: the first request bought,
// and perhaps that is why the second was refused.
func TestDoubt_ARefusalOfTheRepeatNeverBuysAgainAndNeverFails(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]*providers.Error{
		"wrong price": errPrice, "not found": errNo, "no money": errNoMoney,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			s.next(step{buy: true, err: errTimeout})
			for range 200 {
				s.next(step{err: refusal})
			}
			b.work(s, b.options(messages.GamesDrop, "w1"))
			b.submit(offer("o1"))
			e := b.ends("o1")
			if e.State != messages.Unresolved || !e.NeedsOperator {
				t.Errorf("%s: %+v", b.path("o1"), e)
			}
			b.drained()
			sent := s.sent()
			for _, reference := range sent {
				if reference != sent[0] {
					t.Errorf("a new reference was made while the first request is in doubt: %v", sent)
				}
			}
			if s.purchases("o1") != 1 {
				t.Errorf("bought %d times", s.purchases("o1"))
			}
		})
	}
}

func TestDoubt_WithoutAKeyALostAnswerGoesToTheOperatorAtOnce(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.keyless = true
	s.next(step{buy: true, err: errTimeout})
	b.work(s, b.options(messages.BalanceSteam, "w1"))
	b.submit(topup("o1"))
	e := b.ends("o1")
	if e.State != messages.Unresolved || e.NotBefore == nil || e.NotBefore.Before(time.Now()) || e.Error.Code != "timeout" {
		t.Errorf("%s not_before=%v error=%+v", e.State, e.NotBefore, e.Error)
	}
	e = b.until("evidence", func(e *messages.Event) bool { return e.Evidence["witness"] != nil })
	if e.State != messages.Unresolved || !e.NeedsOperator || e.NotBefore == nil {
		t.Errorf("%s needs_operator=%v", e.State, e.NeedsOperator)
	}
	b.drained()
	if len(s.sent()) != 1 {
		t.Errorf("%d calls", len(s.sent()))
	}
}

// deadOwner writes the intent of a worker that died before it could report.
func deadOwner(b *bench, o messages.Order, lease time.Duration) {
	b.t.Helper()
	b.accept(o)
	e, seq := b.follow(o.ID, order.Change{Input: order.Claim, Intent: &order.Intent{
		Nonce: "dead", Owner: "dead", Reference: messages.Reference(b.namespace, tenant, o.ID, 1), ReferenceN: 1,
		LeaseUntil: time.Now().Add(lease), Plan: []byte(`{}`),
	}})
	b.send(messages.Place, e, seq)
}

func TestReconcile_AnIntentWhoseOwnerDiedIsNeverPlacedBeforeItsLeaseIsOver(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	lease := time.Second
	end := time.Now().Add(lease)
	deadOwner(b, offer("o1"), lease)
	b.work(s, b.options(messages.GamesDrop, "w1"))
	e := b.becomes("o1", messages.Unresolved)
	if e.Time.Before(end.Truncate(time.Millisecond)) {
		t.Errorf("reconciled %s before the lease was over", end.Sub(e.Time))
	}
	if e := b.ends("o1"); e.State != messages.Succeeded || s.purchases("o1") != 1 {
		t.Errorf("%s, bought %d", b.path("o1"), s.purchases("o1"))
	}
}

func TestReconcile_WithoutAKeyTheOperatorIsAsked(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	deadOwner(b, topup("o1"), time.Millisecond)
	b.work(s, b.options(messages.BalanceSteam, "w1"))
	if e := b.ends("o1"); e.State != messages.Unresolved || e.Error.Code != "no_answer" {
		t.Errorf("%s %+v", e.State, e.Error)
	}
	b.drained()
	if len(s.sent()) != 0 {
		t.Errorf("%d calls were made for an order in doubt", len(s.sent()))
	}
}

// A worker that wakes up after its lease has not lost its answer: while the
// order is unresolved under the same attempt, the owner's answer decides it.
func TestOwnership_AStaleWorkersAnswerDecidesTheDoubt(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.keyless = true
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{buy: true, hold: hold, entered: entered})
	b.work(s, b.options(messages.BalanceSteam, "w1"))
	b.submit(topup("o1"))
	signal(t, entered)
	b.work(s, b.options(messages.BalanceSteam, "w2"))
	// The server delivers the command again only when the first worker is silent;
	// a check, as a timer would send it, stands in for that.
	b.poke("o1")
	b.becomes("o1", messages.Unresolved)
	close(hold)
	e := b.becomes("o1", messages.Succeeded)
	if e.NeedsOperator || s.purchases("o1") != 1 || len(s.sent()) != 1 {
		t.Errorf("%s, bought %d, calls %d", b.path("o1"), s.purchases("o1"), len(s.sent()))
	}
}

func TestOwnership_ASideEventDuringTheCallDoesNotLoseTheOutcome(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{buy: true, hold: hold, entered: entered})
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	signal(t, entered)
	b.follow("o1", order.Change{Input: order.ConfirmRequest, Origin: "ORDERS:9"})
	close(hold)
	if e := b.ends("o1"); e.State != messages.Succeeded {
		t.Errorf("%s", e.State)
	}
	if got := b.path("o1"); got != "accepted placing confirm_refused succeeded" {
		t.Errorf("path %s", got)
	}
}
