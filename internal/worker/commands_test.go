package worker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// dead waits for a dead letter of the order's commands.
func (b *bench) dead(id string) jetstream.Msg {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	c, err := b.js.OrderedConsumer(ctx, messages.StreamDLQ, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{messages.DeadCommands(messages.GamesDrop), messages.DeadCommands(messages.BalanceSteam)},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	it, err := c.Messages()
	if err != nil {
		b.t.Fatal(err)
	}
	defer it.Stop()
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			b.t.Fatalf("no dead letter for %q: %v", id, err)
		}
		if msg.Headers().Get(messages.HeaderOrderID) == id {
			return msg
		}
	}
}

func TestCommands_WhatCannotBeProcessedIsBuriedWithHeadersAndBuysNothing(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	mine, seq := b.accept(offer("mine"))
	_, other := b.accept(offer("other"))
	_, foreign := b.accept(topup("foreign"))
	body := func(id string, seq uint64) string {
		return fmt.Sprintf(`{"v":1,"tenant":"acme","order_id":"%s","seq":%d,"n":1}`, id, seq)
	}
	cases := []struct{ name, verb, id, body string }{
		{"not JSON", "place", "c1", "\x00garbage"},
		{"empty", "check", "c2", ""},
		{"another order in the body", "place", "c3", body("mine", seq)},
		{"another order's event", "place", "mine", body("mine", other)},
		{"another provider's event", "place", "c5", body("c5", foreign)},
		{"another provider's order", "check", "foreign", body("foreign", foreign)},
		{"an order that does not exist", "check", "c7", body("c7", 1)},
		{"a sequence that does not exist", "place", "c8", body("c8", 1<<40)},
		{"no sequence", "place", "c9", `{"v":1,"tenant":"acme","order_id":"c9","n":1}`},
		{"a version that nobody knows", "place", "c10", `{"v":99,"tenant":"acme","order_id":"c10","seq":1,"n":1}`},
	}
	for _, c := range cases {
		if _, err := b.js.Publish(t.Context(), "commands.gamesdrop."+c.verb+".acme."+c.id, []byte(c.body)); err != nil {
			t.Fatal(err)
		}
	}
	o := b.options(messages.GamesDrop, "w1")
	o.Now = func() time.Time { return time.Now().Add(holdDown) } // no newer worker has come
	b.work(s, o)
	for _, c := range cases {
		msg := b.dead(c.id)
		h := msg.Headers()
		if string(msg.Data()) != c.body || h.Get(messages.HeaderReason) != string(messages.ReasonCommandUnprocessable) ||
			h.Get(messages.HeaderError) == "" || !strings.HasPrefix(h.Get(messages.HeaderOrigin), "COMMANDS:") ||
			!strings.HasSuffix(h.Get(messages.HeaderOrigin), ":commands.gamesdrop."+c.verb+".acme."+c.id) {
			t.Errorf("%s: body %q, headers %v", c.name, msg.Data(), h)
		}
	}
	b.drained()
	if sent := s.sent(); len(sent) != 0 {
		t.Errorf("%d purchases", len(sent))
	}
	b.send(messages.Place, mine, seq) // a sound command still finds the order
	if e := b.ends("mine"); e.State != messages.Succeeded {
		t.Errorf("%s", b.path("mine"))
	}
}

func TestCommands_OneOfANewerVersionIsLeftToANewerWorker(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	naks, err := b.nc.SubscribeSync("$JS.ACK.>")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.js.Publish(t.Context(), "commands.gamesdrop.place.acme.o1", []byte(`{"v":2,"tenant":"acme","order_id":"o1","seq":1,"n":1}`)); err != nil {
		t.Fatal(err)
	}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	msg, err := naks.NextMsg(patience)
	if err != nil || !strings.HasPrefix(string(msg.Data), "-NAK") {
		t.Errorf("settled with %q, %v", msg.Data, err)
	}
	dlq, err := b.js.Stream(t.Context(), messages.StreamDLQ)
	if err != nil || dlq.CachedInfo().State.Msgs != 0 {
		t.Errorf("buried at once: %v", err)
	}
}

func TestPoison_AnOrderWhoseChecksKillThreeTimesFailsAndHarmsNoOther(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	deaths := make(chan struct{}, 100)
	s.onPrepare = func(o providers.Order) error {
		if o.ID == "poison" {
			deaths <- struct{}{}
			panic("the adapter has a bug")
		}
		return nil
	}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("poison"))
	for i := range 10 {
		b.submit(offer(fmt.Sprintf("o%d", i)))
	}
	e := b.ends("poison")
	if e.State != messages.Failed || e.Error.Class != "invalid" || e.Error.Code != providers.CodeUnprocessable {
		t.Errorf("%s %+v", b.path("poison"), e.Error)
	}
	if len(deaths) != 3 {
		t.Errorf("%d deliveries killed the worker", len(deaths))
	}
	b.dead("poison")
	for i := range 10 {
		if e := b.ends(fmt.Sprintf("o%d", i)); e.State != messages.Succeeded {
			t.Errorf("%s: %s", e.OrderID, b.path(e.OrderID))
		}
	}
	b.drained()
}

// An order that dies in the call goes on with other commands than the one that
// died: its deaths must add up all the same.
func TestPoison_AnOrderWhoseCallKillsThreeTimesNeedsTheOperator(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	for range 20 {
		s.next(step{panics: true})
	}
	o := b.options(messages.GamesDrop, "w1")
	o.AbsenceWait = time.Hour // it is not this that asks the operator
	b.work(s, o)
	b.submit(offer("poison"))
	e := b.ends("poison")
	if e.State != messages.Unresolved || e.NotBefore == nil || e.Error.Class != "invalid" || e.Error.Code != providers.CodeUnprocessable {
		t.Errorf("%s not_before=%v %+v", b.path("poison"), e.NotBefore, e.Error)
	}
	b.dead("poison")
	if got := 20 - s.left(); got != 3 {
		t.Errorf("%d calls killed the worker", got)
	}
	b.drained()
}

// Commands that came back many times, because the workers that had them died
// of something else or gave them back, are not to blame.
func TestPoison_TheInnocentAreNotBlamedForTheirDeliveries(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	const n, deliveries = 5, 8
	for i := range n {
		b.submit(offer(fmt.Sprintf("o%d", i)))
	}
	b.bounce(n * deliveries)
	b.work(s, b.options(messages.GamesDrop, "w1"))
	for i := range n {
		if e := b.ends(fmt.Sprintf("o%d", i)); e.State != messages.Succeeded {
			t.Errorf("%s: %s", e.OrderID, b.path(e.OrderID))
		}
	}
}

// A death that was counted before the worker could end it stays counted.
func TestPoison_DeathsOfTheProcessAreCountedFromTheFourthDelivery(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	e, seq := b.accept(offer("o1"))
	b.send(messages.Place, e, seq)
	b.bounce(4)
	if _, err := b.kv().PutString(t.Context(), "suspect.gamesdrop.acme.o1", "3"); err != nil {
		t.Fatal(err)
	}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	if e := b.ends("o1"); e.State != messages.Failed || e.Error.Code != providers.CodeUnprocessable || len(s.sent()) != 0 {
		t.Errorf("%s %+v", b.path("o1"), e.Error)
	}
}

// Deaths before the provider had the order do not add up with those of the days
// in which it is watched.
func TestPoison_DeathsAreForgottenOnceTheProviderHasTheOrder(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.onLookup = func(int) (providers.Answer, error) { return providers.Answer{Status: providers.StatusProcessing}, nil }
	b.accept(offer("o1"))
	b.follow("o1", order.Change{Input: order.Claim, Intent: &order.Intent{
		Nonce: "n", Owner: "w0", Reference: messages.Reference(b.namespace, tenant, "o1", 1), ReferenceN: 1,
		LeaseUntil: time.Now().Add(lease), Plan: []byte(`{}`),
	}})
	e, seq := b.follow("o1", order.Change{Input: order.OwnProcessing, Nonce: "n"})
	b.send(messages.Check, e, seq)
	b.bounceOn(messages.GamesDrop.FollowConsumer(), 4)
	const key = "suspect.gamesdrop.acme.o1"
	if _, err := b.kv().PutString(t.Context(), key, "2"); err != nil {
		t.Fatal(err)
	}
	watch, err := b.kv().Watch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	late := time.After(patience)
	for {
		select {
		case entry := <-watch.Updates():
			if entry != nil && entry.Operation() != jetstream.KeyValuePut {
				return
			}
		case <-late:
			t.Fatal("the deaths are still counted")
		}
	}
}

// bounce has place commands delivered and given back, n deliveries in all.
func (b *bench) bounce(n int) {
	b.t.Helper()
	b.bounceOn(messages.GamesDrop.PlaceConsumer(), n)
}

func (b *bench) bounceOn(consumer string, n int) {
	b.t.Helper()
	c, err := b.js.Consumer(b.t.Context(), messages.StreamCommands, consumer)
	if err != nil {
		b.t.Fatal(err)
	}
	for range n {
		msg, err := c.Next(jetstream.FetchMaxWait(patience))
		if err == nil {
			err = msg.Nak()
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestCommands_ACancelWrittenWhileTheOrderIsPreparedWins(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.onPrepare = func(o providers.Order) error {
		if o.ID == "o1" {
			b.follow("o1", order.Change{Input: order.CancelRequest, Origin: "ORDERS:2"})
		}
		return nil
	}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	b.ends("o1")
	b.drained()
	if got := b.path("o1"); got != "accepted canceled" || len(s.sent()) != 0 {
		t.Errorf("%s, %d calls", got, len(s.sent()))
	}
}

func TestCommands_ARefusedCancelDuringTheCallLosesNothing(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{buy: true, hold: hold, entered: entered})
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	signal(t, entered)
	b.follow("o1", order.Change{Input: order.CancelDenied, Origin: "ORDERS:2"})
	close(hold)
	b.ends("o1")
	if got := b.path("o1"); got != "accepted placing cancel_refused succeeded" {
		t.Errorf("path %s", got)
	}
}

func TestCommands_NoMoreThanMaxInFlightAreWorkedOnAndTheWaitingAreKept(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	acks, err := b.nc.SubscribeSync("$JS.ACK.>")
	if err != nil {
		t.Fatal(err)
	}
	const n, atOnce = 12, 3
	hold := make(chan struct{})
	for range atOnce {
		s.next(step{buy: true, hold: hold})
	}
	for i := range n {
		b.submit(offer(fmt.Sprintf("o%d", i)))
	}
	o := b.options(messages.GamesDrop, "w1")
	o.MaxInFlight = atOnce
	b.work(s, o)
	// Those that are called for and those that wait are kept alive alike, long
	// past the ack wait, and none is delivered a second time.
	beats := map[string]int{}
	for alive := 0; alive < 2*atOnce; {
		msg, err := acks.NextMsg(patience)
		if err != nil {
			t.Fatalf("%v: beats %v", err, beats)
		}
		if strings.HasPrefix(string(msg.Data), "+WPI") {
			if beats[msg.Subject]++; beats[msg.Subject] == 5 { // each a third of the ack wait
				alive++
			}
		}
	}
	if got := s.mostAtOnce(); got != atOnce {
		t.Errorf("%d calls at once", got)
	}
	c, err := b.js.Consumer(t.Context(), messages.StreamCommands, messages.GamesDrop.PlaceConsumer())
	if err != nil || c.CachedInfo().NumRedelivered != 0 {
		t.Errorf("%d commands were delivered again, %v", c.CachedInfo().NumRedelivered, err)
	}
	close(hold)
	for i := range n {
		b.ends(fmt.Sprintf("o%d", i))
	}
	if got := s.mostAtOnce(); got > atOnce {
		t.Errorf("%d calls at once", got)
	}
}
