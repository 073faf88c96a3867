package worker_test

import (
	"encoding/json"
	"testing"
	"time"

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
