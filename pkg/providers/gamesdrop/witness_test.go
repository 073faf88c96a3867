package gamesdrop_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
)

// clock is a shop's clock that a test sets.
type clock struct{ now atomic.Pointer[time.Time] }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.set(at)
	return c
}

func (c *clock) set(at time.Time) { c.now.Store(&at) }

func (c *clock) read() time.Time { return *c.now.Load() }

func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func witness(t *testing.T, b bundle, o providers.Order, plan providers.Plan) string {
	t.Helper()
	evidence, err := b.Witness(t.Context(), o, plan)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(evidence)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWitness_ShowsPurchasesOfThePriceSinceTheIntent(t *testing.T) {
	t.Parallel()
	at := newClock(noon().Add(-time.Hour))
	b := setup(t, gamesdroptest.WithClock(at.read))
	direct := offerOrder(messages.OfferParams{OfferID: gamesdroptest.OfferDirect, GameUserID: "7"})
	buy := func(reference string, o providers.Order) providers.Plan {
		o.Reference = reference
		_, plan := b.buy(o)
		return plan
	}
	buy("too-early", direct)
	at.set(noon())
	buy("another-price", offerOrder(messages.OfferParams{OfferID: gamesdroptest.OfferPending}))
	b.Refill("75")
	at.set(noon().Add(time.Second))
	plan := buy("the-lost-one", direct)
	direct.PlacedAt = noon()
	want := `{"balance":"915","balance_currency":"USD","complete":true,"matched_by":"time and amount","transactions":` +
		`[{"amount":"-75","created_at":"2026-11-21T12:00:01.000Z","description":"API Purchase - Virtual credits","id":"4","type":"PURCHASE"}]}`
	if got := witness(t, b, direct, plan); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestWitness_SaysWhereAmountsCannotBeCompared(t *testing.T) {
	t.Parallel()
	at := newClock(noon())
	b := setup(t, gamesdroptest.WithClock(at.read))
	order := sample()
	_, plan := b.buy(order)
	b.Refill("1") // no purchase, though of the same time
	order.PlacedAt = noon()
	got := witness(t, b, order, plan)
	if n := strings.Count(got, `"type":"PURCHASE"`); n != 1 || strings.Contains(got, "DEPOSIT") {
		t.Errorf("%s shows %d purchases, or more than purchases", got, n)
	}
	for _, part := range []string{`"time only: price and balance are in different currencies"`, `"amount":"-7.00125"`, `"balance":"993.99875"`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s does not have %s", got, part)
		}
	}
}

func TestWitness_SaysWhereItHasNotSeenEverything(t *testing.T) {
	t.Parallel()
	at := newClock(noon())
	b := setup(t, gamesdroptest.WithClock(at.read))
	order := offerOrder(messages.OfferParams{OfferID: gamesdroptest.OfferDirect, GameUserID: "7"})
	plan := b.prepare(order)
	order.PlacedAt = noon()
	for range 150 {
		b.Refill("1")
	}
	if got := witness(t, b, order, plan); !strings.Contains(got, `"complete":false`) || !strings.Contains(got, `"transactions":[]`) {
		t.Errorf("got %s", got)
	}
	at.set(noon().Add(-time.Hour))
	b.Refill("1") // the newest entry is older than the intent, so nothing before it counts
	if got := witness(t, b, order, plan); !strings.Contains(got, `"complete":true`) {
		t.Errorf("got %s", got)
	}
}

func TestWitness_WhatCannotBeReadIsAnErrorAndNoEvidence(t *testing.T) {
	t.Parallel()
	good := `{"balance":1,"draftBalance":0,"currency":{"id":3,"code":"USD"}}`
	for name, replies := range map[string]map[string]reply{
		"no balance": {"/base/api/v1/balance": {body: `{}`}},
		"no list":    {"/base/api/v1/balance": {body: good}, "/base/api/v1/balance/transactions": {body: `{"total":5}`}},
		"503":        {"/base/api/v1/balance": {body: good}, "/base/api/v1/balance/transactions": {status: 503}},
	} {
		evidence, err := newScript(t, replies).provider(t).Witness(t.Context(), sample(), plan())
		if evidence != nil || providers.ClassOf(err) != ambiguous || err == nil {
			t.Errorf("%s: %v, %v", name, evidence, err)
		}
	}
}

func TestWitness_AnEntryWithoutAReadableTimeIsShown(t *testing.T) {
	t.Parallel()
	entry := `{"id":5,"amount":"-560.1","type":"PURCHASE","description":"x","balanceAfter":1,"createdAt":%q}`
	for created, shown := range map[string]bool{
		"yesterday, perhaps": true, "2026-11-21 12:00:00.5+00": true, "2026-11-21T12:00:00.5Z": true,
		"2026-11-21 11:00:00.5+00": false, "2026-11-21 13:00:00+02": false,
	} {
		s := newScript(t, map[string]reply{
			"/base/api/v1/balance":              {body: `{"balance":1,"currency":{"code":"RUB"}}`},
			"/base/api/v1/balance/transactions": {body: `{"transactions":[` + fmt.Sprintf(entry, created) + `],"total":1}`},
		})
		o := sample()
		o.PlacedAt = noon()
		evidence, err := s.provider(t).Witness(t.Context(), o, plan())
		if err != nil {
			t.Fatal(err)
		}
		if got := len(evidence["transactions"].([]map[string]any)) == 1; got != shown {
			t.Errorf("%q: shown %v", created, got)
		}
	}
}
