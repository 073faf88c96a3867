package worker_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

func deposit(id string, more string) messages.Order {
	return messages.Order{ID: id, Provider: messages.SkinsBack, Kind: messages.Deposit,
		Raw: json.RawMessage(`{"v":1,"id":"` + id + `","provider":"skinsback","kind":"deposit","params":{"steam_id":"76561198000000000","trade_token":"abcdefgh"}` + more + `}`)}
}

func payout(id string) messages.Order {
	return messages.Order{ID: id, Provider: messages.Exchanger, Kind: messages.PartnerPayout,
		Raw: json.RawMessage(`{"v":1,"id":"` + id + `","provider":"exchanger","kind":"partner_payout","params":{"method_id":"5","account":"4111"}}`)}
}

func (s *shop) looks() int { s.mu.Lock(); defer s.mu.Unlock(); return s.asked }

func TestSearch_WhatALookupFindsEndsTheDoubtWithoutASecondCall(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.next(step{buy: true, err: errTimeout})
	s.onLookup = func(n int) (providers.Answer, error) {
		if n < 3 {
			return providers.Answer{Status: providers.StatusAbsent}, nil // its copies are late
		}
		return providers.Answer{Status: providers.StatusSucceeded, Ref: map[string]string{"transaction_id": "9"}}, nil
	}
	b.work(s, b.options(messages.SkinsBack, "w1"))
	b.submit(deposit("o1", ""))
	e := b.ends("o1")
	if e.State != messages.Succeeded || e.NeedsOperator || e.ProviderRef["transaction_id"] != "9" || len(s.sent()) != 1 {
		t.Errorf("%s, %v, %d calls", b.path("o1"), e.ProviderRef, len(s.sent()))
	}
}

func TestSearch_OnlyLastingAbsenceLetsTheRequestBeSentAgain(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.next(step{err: errTimeout})
	// The provider is down for longer than the wait, then says "absent": that one
	// look, however late it comes, proves nothing.
	var up time.Time
	s.onLookup = func(int) (providers.Answer, error) {
		last := b.lastOf("o1")
		if last.Work.DoubtSince == nil || time.Since(*last.Work.DoubtSince) < absenceWait {
			return providers.Answer{}, errBusyRead
		}
		if up.IsZero() {
			up = time.Now()
		}
		return providers.Answer{Status: providers.StatusAbsent}, nil
	}
	b.work(s, b.options(messages.SkinsBack, "w1"))
	b.submit(deposit("o1", ""))
	e := b.ends("o1")
	if e.State != messages.Succeeded || s.purchases("o1") != 1 {
		t.Errorf("%s, bought %d", b.path("o1"), s.purchases("o1"))
	}
	if sent := s.sent(); len(sent) != 2 || sent[0] != sent[1] {
		t.Errorf("references %v", sent)
	}
	repeat := b.until("the repeat", func(e *messages.Event) bool { return e.Type == messages.Placing && e.Attempt == 2 })
	if waited := repeat.Time.Sub(up); waited < absenceWait-10*time.Millisecond {
		t.Errorf("sent again %s after the first look that missed it, want %s", waited, absenceWait)
	}
	if seen, _ := repeat.Evidence["absence"].(map[string]any); seen["lookups"] != json.Number("3") && seen["lookups"] != float64(3) {
		t.Errorf("absence %v", repeat.Evidence["absence"])
	}
}

// lastOf is the order's last event, for use in the shop's own goroutines.
func (b *bench) lastOf(id string) *messages.Event {
	last, err := b.ledger.Last(b.t.Context(), tenant, id)
	if err != nil {
		b.t.Error(err)
		return &messages.Event{Work: &messages.Work{}}
	}
	return last.Event
}

func TestSearch_WhereNothingCanBeAskedTheOperatorIs(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.next(step{err: errTimeout})
	s.onLookup = func(int) (providers.Answer, error) { return providers.Answer{}, nil }
	b.work(s, b.options(messages.SkinsBack, "w1"))
	b.submit(deposit("o1", ""))
	e := b.ends("o1")
	if e.State != messages.Unresolved || e.NotBefore == nil || len(s.sent()) != 1 {
		t.Errorf("%s, %d calls", b.path("o1"), len(s.sent()))
	}
	b.drained()
}

// What has no key of ours would be bought a second time, and what has expired
// is not placed any more: both are the operator's.
func TestSearch_AbsenceOfWhatMustNotBeSentAgainIsTheOperators(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]func() messages.Order{
		"no key": func() messages.Order { return payout("o1") },
		"expired": func() messages.Order {
			soon := time.Now().Add(3 * time.Second).UTC().Format(time.RFC3339Nano)
			return deposit("o1", `,"expires_at":"`+soon+`"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			s.next(step{err: errTimeout})
			s.onLookup = func(int) (providers.Answer, error) { return providers.Answer{Status: providers.StatusAbsent}, nil }
			o := order()
			opts := b.options(o.Provider, "w1")
			opts.AbsenceWait = 4 * time.Second // past expires_at
			b.work(s, opts)
			b.submit(o)
			e := b.ends("o1")
			if e.State != messages.Unresolved || e.NotBefore == nil || len(s.sent()) != 1 || s.looks() < 3 {
				t.Errorf("%s, %d calls, %d looks", b.path("o1"), len(s.sent()), s.looks())
			}
			b.drained()
		})
	}
}

// What a lookup tells is lost on nobody: it may be all that an operator has.
func TestSearch_TheOperatorIsToldWhyTheLookupWasInVain(t *testing.T) {
	t.Parallel()
	mismatch := &providers.Error{Op: "shop.list", Code: providers.CodeAnswerMismatch, Message: "the record is of another amount"}
	broken := &providers.Error{Op: "shop.list", Class: providers.Invalid, Code: "bad_reference", Message: "the reference is not a number"}
	for name, c := range map[string]struct {
		answer providers.Answer
		err    error
		want   string
	}{
		"cannot be asked":  {providers.Answer{Evidence: map[string]any{"lookup": "the method is not enabled"}}, nil, `"the method is not enabled"`},
		"another's record": {providers.Answer{}, mismatch, `{"code":"answer_mismatch","message":"the record is of another amount"}`},
		"no way to ask":    {providers.Answer{}, broken, `{"code":"bad_reference","message":"the reference is not a number"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			s.next(step{buy: true, err: errTimeout})
			s.onLookup = func(int) (providers.Answer, error) { return c.answer, c.err }
			b.work(s, b.options(messages.SkinsBack, "w1"))
			b.submit(deposit("o1", ""))
			e := b.until("with evidence", func(e *messages.Event) bool { return e.NeedsOperator && e.Evidence["lookup"] != nil })
			got, err := json.Marshal(e.Evidence["lookup"])
			if err != nil || string(got) != c.want || e.State != messages.Unresolved || len(s.sent()) != 1 {
				t.Errorf("%s: evidence %s, %d calls", b.path("o1"), got, len(s.sent()))
			}
			if e.Error == nil || e.Error.Class != "ambiguous" || e.Error.Code != providers.CodeTimeout {
				t.Errorf("the doubt is told as %+v", e.Error)
			}
			if e.Evidence["witness"] == nil {
				t.Error("the witness was not asked")
			}
			b.drained()
		})
	}
}

// placedAgain writes what happens to an order in doubt while a lookup is under
// way: an operator has it placed again, and another worker does.
func (b *bench) placedAgain(id string) {
	past := time.Now().Add(-time.Second)
	b.follow(id, order.Change{Input: order.AskOperator, NotBefore: past})
	last, _ := b.follow(id, order.Change{Input: order.DecidePlaceAgain, RetryAt: past})
	n := order.NextReference(last)
	b.follow(id, order.Change{Input: order.Claim, Intent: &order.Intent{
		Nonce: "again", Owner: "w2", Reference: messages.Reference(b.namespace, tenant, id, n), ReferenceN: n,
		LeaseUntil: time.Now().Add(time.Minute), Plan: []byte(`{}`),
	}})
	b.follow(id, order.Change{Input: order.OwnActionRequired, Nonce: "again", Action: &messages.Action{URL: "https://pay.example/"}})
}

func TestSearch_ALookupThatWasOvertakenByAnotherAttemptFailsNothing(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.next(step{err: errTimeout})
	s.onLookup = func(n int) (providers.Answer, error) {
		if n == 1 {
			b.placedAgain("o1")
			return providers.Answer{Status: providers.StatusFailed, Code: "timeout"}, nil // so it was when it was asked
		}
		return providers.Answer{Status: providers.StatusSucceeded, Ref: map[string]string{"transaction_id": "9"}}, nil
	}
	b.work(s, b.options(messages.SkinsBack, "w1"))
	b.submit(deposit("o1", ""))
	e := b.until("the end", func(e *messages.Event) bool { return e.OrderID == "o1" && e.Terminal() })
	if e.State != messages.Succeeded || e.NeedsOperator {
		t.Errorf("%s", b.path("o1"))
	}
}
