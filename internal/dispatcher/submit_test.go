package dispatcher_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestSubmit_ValidOrderIsAcceptedAndHandedOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	r.publish(t, "orders.acme.submit", offer("o1", `"metadata":{"cart":"981"}`))

	e := r.nextEvent(t)
	if e.Type != messages.Accepted || e.State != messages.Accepted || e.N != 1 || e.Key() != "acme/o1" ||
		e.Provider != messages.GamesDrop || e.Kind != messages.Offer || e.Metadata["cart"] != "981" {
		t.Errorf("event %+v", e)
	}
	if !messages.SameContent(e.Order, []byte(offer("o1", `"metadata":{"cart":"981"}`))) {
		t.Errorf("order %s is not as submitted", e.Order)
	}
	m := next(t, r.commands)
	if m.Subject != "commands.gamesdrop.place.acme.o1" {
		t.Errorf("command on %s", m.Subject)
	}
	c, err := messages.DecodeCommand(m.Data)
	must(t, err)
	last, err := r.ledger.Last(t.Context(), "acme", "o1")
	must(t, err)
	if diff := cmp.Diff(messages.CommandFor(last.Event, last.Seq), c); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	r.settled(t)
	if !r.log.has(`"order_id":"o1"`, `"tenant":"acme"`, `"provider":"gamesdrop"`, `"event":"accepted"`, `"from":""`, `"to":"accepted"`) {
		t.Error("the transition was not logged")
	}
}

func TestSubmit_ExpiryTimerIsScheduled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	timers := r.listen(t, "schedules.>")
	r.run(t)
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	r.publish(t, "orders.acme.submit", offer("o1", fmt.Sprintf(`"expires_at":%q`, at.Format(time.RFC3339))))
	m := next(t, timers)
	if m.Subject != "schedules.gamesdrop.acme.o1.expire" || m.Header.Get("Nats-Schedule-Target") != "commands.gamesdrop.check.acme.o1" {
		t.Errorf("timer on %s for %s", m.Subject, m.Header.Get("Nats-Schedule-Target"))
	}
	if got := m.Header.Get("Nats-Schedule"); !strings.HasPrefix(got, "@at "+at.Format("2006-01-02T15:04:05")) {
		t.Errorf("timer is set to %s, want %s", got, at)
	}
	r.settled(t)
	if got := next(t, r.commands).Subject; got != "commands.gamesdrop.place.acme.o1" {
		t.Errorf("command on %s", got)
	}
}

func TestSubmit_InvalidOrderWithUsableIDIsRejectedWithAllFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	r.publish(t, "orders.acme.submit", faulty("bad"))
	m := next(t, r.events)
	if m.Subject != "events.gamesdrop.acme.bad.rejected" {
		t.Errorf("event on %s", m.Subject)
	}
	e, err := messages.DecodeEvent(m.Data)
	must(t, err)
	if e.Error == nil || e.Error.Class != "invalid" || e.Error.Code != "invalid_order" || !e.Terminal() {
		t.Fatalf("event %s", m.Data)
	}
	var pointers []string
	for _, f := range e.Error.Faults {
		pointers = append(pointers, f.Pointer)
	}
	if diff := cmp.Diff([]string{"/max_cost/amount", "/params/offer_id"}, pointers, cmp.Transformer("sort", sorted)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	r.settled(t)
	r.silent(t, r.commands)
	r.silent(t, r.dead)
}

func TestSubmit_UnknownProviderIsRejectedUnderNone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	r.publish(t, "orders.acme.submit", `{"v":1,"id":"x","provider":"nobody","kind":"offer","params":{},"metadata":{"cart":"981"}}`)
	m := next(t, r.events)
	if m.Subject != "events.none.acme.x.rejected" {
		t.Errorf("event on %s", m.Subject)
	}
	e, err := messages.DecodeEvent(m.Data)
	must(t, err)
	if diff := cmp.Diff(map[string]string{"cart": "981"}, e.Metadata); diff != "" {
		t.Errorf("what upstream gave of its own (-want +got):\n%s", diff)
	}
	// Whoever asks for something that is too late is told so here as well.
	for verb, want := range map[string]string{"cancel": "cancel_refused", "confirm": "confirm_refused"} {
		r.publish(t, "orders.acme."+verb, `{"v":1,"id":"x"}`)
		if got := next(t, r.events).Subject; got != "events.none.acme.x."+want {
			t.Errorf("%s is answered on %s", verb, got)
		}
	}
	r.settled(t)
	r.silent(t, r.dead)
}

func TestSubmit_WhatCanHaveNoEventBecomesDeadLetter(t *testing.T) {
	t.Parallel()
	long := offer("long", `"metadata":{"x":"`+strings.Repeat("a", messages.MaxOrderBytes)+`"}`)
	for name, c := range map[string]struct{ tenant, body, dead string }{
		"not JSON":           {"acme", `{"v":1,`, "dlq.orders.acme"},
		"empty":              {"acme", ``, "dlq.orders.acme"},
		"two values":         {"acme", offer("two") + offer("two"), "dlq.orders.acme"},
		"no id":              {"acme", `{"v":1,"provider":"gamesdrop","kind":"offer","params":{}}`, "dlq.orders.acme"},
		"id with a wildcard": {"acme", offer("a.>"), "dlq.orders.acme"},
		"id that is a list":  {"acme", `{"v":1,"id":["a"]}`, "dlq.orders.acme"},
		"too long":           {"acme", long, "dlq.orders.acme"},
		"reserved tenant":    {"unknown", offer("o"), "dlq.orders.unknown"},
		"underscore tenant":  {"_sys", offer("o"), "dlq.orders.unknown"},
		"unusable tenant":    {"täńant", offer("o"), "dlq.orders.unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.run(t)
			r.publish(t, "orders."+c.tenant+".submit", c.body)
			wantDead(t, next(t, r.dead), c.dead, messages.ReasonInvalidOrder, c.body, "")
			r.settled(t)
			r.silent(t, r.events)
			r.silent(t, r.commands)
		})
	}
}

func TestSubmit_OrderWhoseEventCannotFitBecomesDeadLetter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.run(t)
	// Many faults with long pointers: the event keeps some of them.
	var fields []string
	for i := range 700 {
		fields = append(fields, fmt.Sprintf(`"f%03d_%s":1`, i, strings.Repeat("y", 30)))
	}
	body := offer("many", fields...)
	if len(body) > messages.MaxOrderBytes {
		t.Fatalf("%d bytes", len(body))
	}
	r.publish(t, "orders.acme.submit", body)
	e := r.nextEvent(t)
	if e.Type != messages.Rejected || len(e.Error.Faults) == 0 {
		t.Errorf("event %+v", e)
	}
	r.settled(t)
	// An event that the ledger can never take must not come back for ever.
	broken := r.start(t, r.options(), invalidLedger{r.ledger}, r.queue)
	d.stop()
	r.publish(t, "orders.acme.submit", offer("huge"))
	wantDead(t, next(t, r.dead), "dlq.orders.acme", messages.ReasonInvalidOrder, offer("huge"), "huge")
	r.settled(t)
	broken.stop()
}

func TestSubmit_SameOrderThreeTimesAcrossRestartHasOneEffect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	r.publish(t, "orders.acme.submit", offer("o1"))
	if got := next(t, r.commands).Subject; got != "commands.gamesdrop.place.acme.o1" {
		t.Errorf("command on %s", got)
	}
	r.settled(t)
	r.publish(t, "orders.acme.submit", offer("o1"))
	r.settled(t)
	r.srv.Restart(t)
	var spaced bytes.Buffer
	spaced.WriteString(strings.ReplaceAll(offer("o1"), `,"`, ` , "`))
	until(t, "the client is back", func() bool { return r.nc.IsConnected() })
	r.publish(t, "orders.acme.submit", spaced.String())
	r.settled(t)
	if diff := cmp.Diff([]messages.Type{messages.Accepted}, r.history(t, "acme", "o1")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	r.silent(t, r.commands) // the first one still stands in the queue
	r.silent(t, r.dead)
}

func TestSubmit_KnownOrderWithNothingInTheQueueIsDrivenAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for state, verb := range map[string]string{"accepted": "place", "retrying": "place", "placing": "check", "unresolved": "check"} {
		r.seed(t, "acme", state, lives()[state])
		d := r.run(t)
		r.publish(t, "orders.acme.submit", offer(state))
		if got, want := next(t, r.commands).Subject, "commands.gamesdrop."+verb+".acme."+state; got != want {
			t.Errorf("%s: command on %s, want %s", state, got, want)
		}
		r.settled(t)
		d.stop()
	}
	r.seed(t, "acme", "succeeded", lives()["succeeded"])
	r.run(t)
	r.publish(t, "orders.acme.submit", offer("succeeded"))
	r.settled(t)
	r.silent(t, r.commands)
	r.silent(t, r.dead)
}

func TestSubmit_UsedIDWithOtherContentIsConflict(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	r.publish(t, "orders.acme.submit", offer("good"))
	r.publish(t, "orders.acme.submit", faulty("bad"))
	r.settled(t)
	other := strings.Replace(offer("good"), "1001", "1002", 1)
	for _, c := range []struct{ id, body string }{
		{"good", other}, {"good", faulty("good")}, {"bad", offer("bad")},
	} {
		r.publish(t, "orders.acme.submit", c.body)
		wantDead(t, next(t, r.dead), "dlq.orders.acme", messages.ReasonOrderConflict, c.body, c.id)
	}
	// The same refused order again is nothing new.
	r.publish(t, "orders.acme.submit", faulty("bad"))
	r.settled(t)
	r.silent(t, r.dead)
	for id, want := range map[string]messages.Type{"good": messages.Accepted, "bad": messages.Rejected} {
		if diff := cmp.Diff([]messages.Type{want}, r.history(t, "acme", id)); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", id, diff)
		}
	}
}

func TestSubmit_SameIDOfTwoTenantsAreTwoOrders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	for _, tenant := range []string{"acme", "bravo"} {
		m := nats.NewMsg("orders." + tenant + ".submit")
		m.Data = []byte(offer("o1"))
		m.Header.Set(jetstream.MsgIDHeader, "o1")
		until(t, "the order is stored", func() bool {
			ack, err := r.js.PublishMsg(t.Context(), m)
			must(t, err)
			return !ack.Duplicate
		})
	}
	got := []string{next(t, r.commands).Subject, next(t, r.commands).Subject}
	want := []string{"commands.gamesdrop.place.acme.o1", "commands.gamesdrop.place.bravo.o1"}
	if diff := cmp.Diff(want, got, cmp.Transformer("sort", sorted)); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	r.settled(t)
}

func TestSubmit_CrashBetweenEventAndCommandIsMadeGoodByRedelivery(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	q := &failingQueue{Queue: r.queue, sends: 2}
	r.start(t, r.options(), r.ledger, q)
	r.publish(t, "orders.acme.submit", offer("o1"))
	if got := next(t, r.commands).Subject; got != "commands.gamesdrop.place.acme.o1" {
		t.Errorf("command on %s", got)
	}
	r.settled(t)
	if diff := cmp.Diff([]messages.Type{messages.Accepted}, r.history(t, "acme", "o1")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestSubmit_RacingReplicasAcceptOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var replicas []*dispatcher.Dispatcher
	for range 4 {
		d := dispatcher.New(r.nc, r.js, r.ledger, r.queue, r.options())
		d.Hurry()
		replicas = append(replicas, d)
	}
	for n := range 25 {
		id := fmt.Sprintf("o%d", n)
		var all sync.WaitGroup
		for _, d := range replicas {
			all.Go(func() {
				if !d.Decide(t.Context(), "orders.acme.submit", []byte(offer(id)), uint64(n+1)) {
					t.Errorf("%s was not acknowledged", id)
				}
			})
		}
		all.Wait()
		if diff := cmp.Diff([]messages.Type{messages.Accepted}, r.history(t, "acme", id)); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", id, diff)
		}
		waiting, err := r.queue.Waiting(t.Context(), messages.GamesDrop, "acme", id, messages.Place)
		must(t, err)
		if !waiting {
			t.Errorf("%s has no command", id)
		}
	}
	r.silent(t, r.dead)
}

func TestSubmit_UnknownRequestBecomesDeadLetter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := dispatcher.New(r.nc, r.js, r.ledger, r.queue, r.options())
	for _, subject := range []string{"orders.acme.refund", "orders.acme", "orders.acme.submit.now"} {
		if !d.Decide(t.Context(), subject, []byte("{}"), 7) {
			t.Errorf("%s was not acknowledged", subject)
		}
		m := next(t, r.dead)
		if got := m.Header.Get(messages.HeaderOrigin); got != "ORDERS:7:"+subject {
			t.Errorf("origin %q", got)
		}
	}
}

func TestSubmit_OrderIsKeptWhileTheLedgerHasNoRoom(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	r := newRig(t)
	events, err := r.js.Stream(t.Context(), messages.StreamEvents)
	must(t, err)
	config := events.CachedInfo().Config
	config.MaxBytes = limit
	_, err = r.js.UpdateStream(t.Context(), config)
	must(t, err)
	until(t, "the ledger knows its limit", func() bool { return r.ledger.Fill().Limit == limit })
	r.run(t)

	ballast := `"metadata":{"x":"` + strings.Repeat("a", 4000) + `"}`
	sent := uint64(1) // with the last one
	for ; !r.log.has(`"level":"error"`, "the ledger has no room"); sent++ {
		r.publish(t, "orders.acme.submit", offer(fmt.Sprintf("o%d", sent), ballast))
		if sent > 1000 {
			t.Fatal("the ledger took everything")
		}
	}
	r.publish(t, "orders.acme.submit", offer("last"))
	if r.stored(t, messages.StreamOrders) == 0 {
		t.Error("an order without room was acknowledged")
	}
	config.MaxBytes = 64 << 20
	_, err = r.js.UpdateStream(t.Context(), config)
	must(t, err)
	r.settled(t)
	if got := r.stored(t, messages.StreamEvents); got != sent {
		t.Errorf("%d events for %d orders", got, sent)
	}
	if diff := cmp.Diff([]messages.Type{messages.Accepted}, r.history(t, "acme", "last")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	r.silent(t, r.dead)
}
