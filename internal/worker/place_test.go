package worker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

func TestPlace_AnOrderIsBoughtOnceAndItsCommandAcknowledged(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	e := b.ends("o1")
	if got := b.path("o1"); got != "accepted placing succeeded" {
		t.Errorf("path %s", got)
	}
	if s.purchases("o1") != 1 || e.ProviderRef["order_id"] == "" || e.ProviderRef["reference"] != messages.Reference(b.namespace, tenant, "o1", 1) {
		t.Errorf("bought %d, refs %v", s.purchases("o1"), e.ProviderRef)
	}
	b.drained()
}

func TestPlace_DuplicateCommandsToManyWorkersBuyOnce(t *testing.T) {
	t.Parallel()
	// Times that a slow machine keeps: a lease that runs out while its owner waits
	// for the processor is a doubt, and rightly so.
	const long = 5 * time.Second
	b, s := benchOn(t, natstest.Start(t), func(s *topology.Settings) {
		for p, ps := range s.Providers {
			ps.Timeout, ps.Lease, ps.AckWait = long/2, long, 2*long
			s.Providers[p] = ps
		}
	}), newShop()
	const n = 30
	for i := range n {
		e, seq := b.accept(offer(fmt.Sprintf("o%d", i)))
		for range 4 {
			b.send(messages.Place, e, seq)
		}
		b.send(messages.Check, e, seq)
	}
	for i := range 3 {
		o := b.options(messages.GamesDrop, fmt.Sprintf("w%d", i))
		o.Timeout, o.Lease, o.AckWait, o.HoldDown = long/2, long, 2*long, 3*long
		b.work(s, o)
	}
	for i := range n {
		id := fmt.Sprintf("o%d", i)
		b.ends(id)
	}
	b.drained()
	for i := range n {
		id := fmt.Sprintf("o%d", i)
		if got := s.purchases(id); got != 1 {
			t.Errorf("%s was bought %d times: %s", id, got, b.path(id))
		}
	}
}

func TestPlace_AnAnswerNoToAFirstRequestFails(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.next(step{err: errNo})
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	e := b.ends("o1")
	if e.State != messages.Failed || e.Error.Class != "rejected" || e.Error.Code != "OFFER_NOT_FOUND" {
		t.Errorf("%s %+v", e.State, e.Error)
	}
}

func TestPlace_AWrongPriceTakesANewQuoteAndANewReference(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.next(step{err: errPrice})
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	e := b.ends("o1")
	if e.State != messages.Succeeded || s.purchases("o1") != 1 {
		t.Fatalf("%s, bought %d", b.path("o1"), s.purchases("o1"))
	}
	sent := s.sent()
	if len(sent) != 2 || sent[0] == sent[1] || sent[1] != messages.Reference(b.namespace, tenant, "o1", 2) {
		t.Errorf("references %v", sent)
	}
}

func TestPlace_AWrongPriceForTheSixthTimeFails(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	for range order.MaxQuotes + 1 {
		s.next(step{err: errPrice})
	}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	e := b.ends("o1")
	if e.State != messages.Failed || e.Error.Code != "WRONG_PRICE" || len(s.sent()) != order.MaxQuotes+1 {
		t.Errorf("%s %+v after %d calls", e.State, e.Error, len(s.sent()))
	}
}

func TestPlace_APriceOverMaxCostOrInAnotherCurrencyCostsNoCall(t *testing.T) {
	t.Parallel()
	for code, price := range map[string]money.Money{
		providers.CodeMaxCostExceeded:  money.Must("100.01", "RUB"),
		providers.CodeCurrencyMismatch: money.Must("1", "USD"),
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			s.price = &price
			b.work(s, b.options(messages.GamesDrop, "w1"))
			b.submit(offer("o1"))
			e := b.ends("o1")
			if e.State != messages.Failed || e.Error.Code != code || e.Error.Class != "rejected" || len(s.sent()) != 0 {
				t.Errorf("%s %+v, %d calls", e.State, e.Error, len(s.sent()))
			}
		})
	}
}

func TestPlace_AChargeAboveMaxCostSucceedsAndIsFlagged(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	over := money.Must("100.01", "RUB")
	s.next(step{buy: true, answer: &providers.Answer{Status: providers.StatusSucceeded, Cost: &over, CostSource: messages.FromResponse}})
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	e := b.ends("o1")
	if e.State != messages.Succeeded || e.Evidence["price_violation"] == nil || s.purchases("o1") != 1 {
		t.Errorf("%s %v", e.State, e.Evidence)
	}
}

func TestPlace_AFailingCheckPutsTheOrderOffWithoutACall(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.prepare = []error{errBusyRead}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	e := b.becomes("o1", messages.Retrying)
	if e.Error.Class != "retryable" || e.RetryAt == nil || e.Attempt != 0 {
		t.Errorf("%+v retry_at %v attempt %d", e.Error, e.RetryAt, e.Attempt)
	}
	if e := b.ends("o1"); e.State != messages.Succeeded || s.purchases("o1") != 1 {
		t.Errorf("%s, bought %d", e.State, s.purchases("o1"))
	}
}

func TestPlace_AnExpiredOrderIsNotPlaced(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	o := offer("o1")
	o.Raw = []byte(`{"v":1,"id":"o1","provider":"gamesdrop","kind":"offer","params":{"offer_id":1001},"max_cost":{"amount":"100","currency":"RUB"},"expires_at":"` +
		time.Now().Add(-time.Second).UTC().Format(time.RFC3339) + `"}`)
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(o)
	if e := b.ends("o1"); e.State != messages.Expired || len(s.sent()) != 0 {
		t.Errorf("%s, %d calls", e.State, len(s.sent()))
	}
}
