package webhook_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/internal/webhook"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestDoor_ACallbackBecomesACheckThatPointsAtTheLastEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	seq := r.append(t, "o-1", messages.Placing, 2, r.order(t, "o-1"))
	at := time.Date(2026, 11, 21, 20, 54, 1, 5000, time.UTC)
	d := r.open(t, func(o *webhook.Options) { o.Now = func() time.Time { return at } })
	a := d.post(t, path(t, d.Door, "o-1"), signed("success", "77"))
	a.is(t, http.StatusOK)
	if a.body != "OK" {
		t.Errorf("body %q", a.body)
	}
	want := []messages.Command{{
		V: 1, Tenant: tenant, OrderID: "o-1", Seq: seq, N: 2,
		Hint: json.RawMessage(`{"received_at":"2026-11-21T20:54:01.000005Z","status":"success","transaction_id":"77"}`),
	}}
	if diff := cmp.Diff(want, r.commands(t, "o-1")); diff != "" {
		t.Error(diff)
	}
	if d.counted(t, "stored") != 1 {
		t.Error("not counted")
	}
}

func TestH1_ADuplicateIsStoredOnceAndAnswered200(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t)
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() { d.post(t, path(t, d.Door, "o-1"), signed("success", "77")).is(t, http.StatusOK) })
	}
	all.Wait()
	d.post(t, path(t, d.Door, "o-1"), signed("success", "77")).is(t, http.StatusOK)
	if got := r.commands(t, "o-1"); len(got) != 1 {
		t.Errorf("%d commands for one callback", len(got))
	}
	if d.counted(t, "stored") != 1 || d.counted(t, "repeated") != 12 {
		t.Errorf("counted %d stored and %d repeated", d.counted(t, "stored"), d.counted(t, "repeated"))
	}
}

// A status that comes back after another one is news; dropping it would leave
// the order to the next poll.
func TestH1_EveryChangeOfStatusIsStoredAlsoOneBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	r.order(t, "o-2")
	d := r.open(t)
	for _, status := range []string{"in_hold", "success", "in_hold", "in_hold", "fail"} {
		d.post(t, path(t, d.Door, "o-1"), signed(status, "77")).is(t, http.StatusOK)
	}
	d.post(t, path(t, d.Door, "o-2"), signed("fail", "77")).is(t, http.StatusOK)
	var got []string
	for _, c := range r.commands(t, "o-1") {
		var h map[string]string
		must(t, json.Unmarshal(c.Hint, &h))
		got = append(got, h["status"])
	}
	if diff := cmp.Diff([]string{"in_hold", "success", "in_hold", "fail"}, got); diff != "" {
		t.Error(diff)
	}
	if len(r.commands(t, "o-2")) != 1 {
		t.Error("another order's callback was taken for a duplicate")
	}
}

func TestH2_AForgedCallbackChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t)
	good := path(t, d.Door, "o-1")
	other := path(t, d.Door, "o-2")
	foreign := good[:strings.LastIndex(good, "/")] + other[strings.LastIndex(other, "/"):]
	last := good[len(good)-1]
	flipped := byte('a')
	if last == 'a' {
		flipped = 'b'
	}
	for name, p := range map[string]string{
		"no token": good[:strings.LastIndex(good, "/")], "empty token": good[:strings.LastIndex(good, "/")+1],
		"another order's token": foreign, "a changed token": good[:len(good)-1] + string(flipped), "a cut token": good[:len(good)-1],
		"a longer token": good + "a", "in capitals": good[:strings.LastIndex(good, "/")] + strings.ToUpper(good[strings.LastIndex(good, "/"):]),
		"another tenant": strings.Replace(good, "/acme/", "/other/", 1), "another provider": strings.Replace(good, "skinsback", "exchanger", 1),
	} {
		if a := d.post(t, p, signed("success", "77")); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	for name, body := range map[string]string{
		"no sign":        "status=success&transaction_id=77&steam_id=1",
		"a changed body": strings.Replace(signed("fail", "77"), "fail", "success", 1),
		"an empty body":  "",
		"another key":    strings.Replace(signed("fail", "77"), "sign=", "sign=0", 1),
	} {
		if a := d.post(t, good, body); a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if len(r.commands(t, "o-1")) != 0 || len(r.dead(t)) != 0 || r.events(t) != 1 {
		t.Error("something was stored")
	}
	if d.counted(t, "not_found") != 9 || d.counted(t, "unverified") != 4 {
		t.Errorf("counted %d and %d", d.counted(t, "not_found"), d.counted(t, "unverified"))
	}
	if log := d.log.String(); strings.Contains(log, "76561198000000000") || strings.Contains(log, "wrong signature") {
		t.Errorf("a refused body was logged: %s", log)
	}
	d.post(t, good, signed("success", "77")).is(t, http.StatusOK) // and forgeries do not stand in the way of the genuine one
	if len(r.commands(t, "o-1")) != 1 {
		t.Error("the genuine one was not stored")
	}
}

func TestH3_AnOldCallbackThatIsReplayedOnlyAsksAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.order(t, "o-1")
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	d := r.open(t, func(o *webhook.Options) {
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	old := signed("in_hold", "77")
	d.post(t, path(t, d.Door, "o-1"), old).is(t, http.StatusOK)
	done := r.append(t, "o-1", messages.Succeeded, 2, first)
	mu.Lock()
	now = now.Add(24 * time.Hour)
	mu.Unlock()
	d.post(t, path(t, d.Door, "o-1"), old).is(t, http.StatusOK)
	got := r.commands(t, "o-1")
	if len(got) != 2 || got[1].Seq != done {
		t.Errorf("commands %+v: the second must point at the end, where the worker finds nothing to do", got)
	}
	if r.events(t) != 2 {
		t.Error("the ledger was changed")
	}
}

// The provider may call before our own create has got its answer.
func TestH4_ACallbackThatOvertakesTheAnswerIsStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	intent := r.append(t, "o-1", messages.Placing, 2, r.order(t, "o-1"))
	d := r.open(t)
	d.post(t, path(t, d.Door, "o-1"), signed("success", "77")).is(t, http.StatusOK)
	if got := r.commands(t, "o-1"); len(got) != 1 || got[0].Seq != intent || got[0].N != 2 {
		t.Errorf("commands %+v", got)
	}
	// The owner's own write must still win: the door has not moved the order on.
	r.append(t, "o-1", messages.Succeeded, 3, intent)
}

func TestH5_ACallbackForAnUnknownOrderIsKeptAndAnsweredAsAnyOther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t)
	body := signed("success", "77")
	known := d.post(t, path(t, d.Door, "o-1"), body)
	for range 2 {
		unknown := d.post(t, path(t, d.Door, "nobody"), body)
		known.header.Del("Date")
		unknown.header.Del("Date")
		if diff := cmp.Diff(known, unknown, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("the answer tells which orders exist: %s", diff)
		}
	}
	dead := r.dead(t)
	if len(dead) != 1 || string(dead[0].Data) != body {
		t.Fatalf("dead letters: %+v", dead)
	}
	for header, want := range map[string]string{
		messages.HeaderReason: "unknown_order", messages.HeaderOrderID: "nobody",
		messages.HeaderOrigin: "WEBHOOK:0:hook.skinsback.acme.nobody",
	} {
		if got := dead[0].Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	if len(r.commands(t, "nobody")) != 0 {
		t.Error("a command points at nothing")
	}
	if d.counted(t, "orphaned") != 1 || !strings.Contains(d.log.String(), `"level":"error"`) {
		t.Error("nobody was alarmed")
	}
}

func TestH5_AnotherProvidersOrderIsNotChecked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.ledger.Append(t.Context(), &messages.Event{
		N: 1, Type: messages.Accepted, State: messages.Accepted, Time: time.Now(), Tenant: tenant, OrderID: "o-1",
		Provider: messages.GamesDrop, Kind: messages.Offer, Order: json.RawMessage(`{"v":1}`),
	}, 0)
	must(t, err)
	d := r.open(t)
	d.post(t, path(t, d.Door, "o-1"), signed("success", "77")).is(t, http.StatusOK)
	if len(r.commands(t, "o-1")) != 0 || len(r.dead(t)) != 1 {
		t.Errorf("%d commands, %d dead letters", len(r.commands(t, "o-1")), len(r.dead(t)))
	}
}

// What never came to its end was not stored, and is not taken for a duplicate
// when it comes again. (What never comes at all is found by polling.)
func TestH6_ACallbackThatWasCutOffIsStoredWhenItComesAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t)
	body := signed("success", "77")
	conn, err := net.Dial("tcp", d.Address())
	must(t, err)
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		path(t, d.Door, "o-1"), form, len(body), body[:len(body)/2])
	must(t, err)
	must(t, conn.Close())
	eventually(t, "the cut is noticed", func() bool { return d.counted(t, "cut_off") == 1 })
	if len(r.commands(t, "o-1")) != 0 {
		t.Error("half a callback was stored")
	}
	d.post(t, path(t, d.Door, "o-1"), body).is(t, http.StatusOK)
	if len(r.commands(t, "o-1")) != 1 {
		t.Error("the whole one was not stored")
	}
}

// A caller that hangs up after sending everything may never call again.
func TestH6_ACallerThatHangsUpIsStoredAllTheSame(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	q := &gate{Queue: r.queue, entered: make(chan struct{}, 1), release: make(chan struct{})}
	d := open(t, r.ledger, q)
	body := signed("success", "77")
	conn, err := net.Dial("tcp", d.Address())
	must(t, err)
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		path(t, d.Door, "o-1"), form, len(body), body)
	must(t, err)
	<-q.entered
	must(t, conn.Close())
	close(q.release)
	eventually(t, "it is stored", func() bool { return d.counted(t, "stored") == 1 })
	if len(r.commands(t, "o-1")) != 1 {
		t.Error("not stored")
	}
}

func TestH7_WhatACallbackClaimsChangesNoState(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.order(t, "o-1")
	d := r.open(t)
	for _, claim := range []string{"success", "fail", "hold_returned", "nonsense"} {
		d.post(t, path(t, d.Door, "o-1"), signed(claim, "77")).is(t, http.StatusOK)
	}
	last, err := r.ledger.Last(t.Context(), tenant, "o-1")
	must(t, err)
	if last.Seq != first || last.Event.State != messages.Accepted || r.events(t) != 1 {
		t.Errorf("the order is %s at %d", last.Event.State, last.Seq)
	}
	if got := r.commands(t, "o-1"); len(got) != 4 { // both are kept: the claim in the hint, the lookup in the ledger
		t.Errorf("%d commands", len(got))
	}
}

func TestH9_AFloodOnOneOrderIsRefusedAndOthersAreServed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	r.order(t, "o-2")
	d := r.open(t, func(o *webhook.Options) { o.Limits.Order = webhook.Rate{Every: time.Hour, Burst: 5} })
	refused := 0
	for i := range 30 {
		a := d.post(t, path(t, d.Door, "o-1"), signed("success", fmt.Sprint(i)))
		if a.status == http.StatusTooManyRequests {
			refused++
			if a.header.Get("Retry-After") == "" {
				t.Error("does not say when to come back")
			}
		}
	}
	if refused != 25 || len(r.commands(t, "o-1")) != 5 {
		t.Errorf("%d refused, %d commands", refused, len(r.commands(t, "o-1")))
	}
	d.post(t, path(t, d.Door, "o-2"), signed("success", "1")).is(t, http.StatusOK)
}

// Behind a proxy everybody has one address. Whoever guesses tokens there must
// not use up what the provider needs.
func TestH9_AFloodOfStrangersDoesNotStopTheProvider(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t, func(o *webhook.Options) { o.Limits.Stranger = webhook.Rate{Every: time.Hour, Burst: 3} })
	wrong := strings.Replace(path(t, d.Door, "o-1"), "o-1", "o-2", 1)
	got := map[int]int{}
	for range 20 {
		got[d.post(t, wrong, "x").status]++
	}
	got[d.do(t, http.MethodGet, path(t, d.Door, "o-1"), "", "").status]++
	if diff := cmp.Diff(map[int]int{http.StatusNotFound: 3, http.StatusTooManyRequests: 18}, got); diff != "" {
		t.Error(diff)
	}
	d.post(t, path(t, d.Door, "o-1"), signed("success", "1")).is(t, http.StatusOK)
}

func TestH9_APeerCannotFloodOverManyOrders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.open(t, func(o *webhook.Options) { o.Limits.Peer = webhook.Rate{Every: time.Hour, Burst: 4} })
	got := map[int]int{}
	for i := range 10 {
		id := fmt.Sprintf("o-%d", i)
		r.order(t, id)
		got[d.post(t, path(t, d.Door, id), signed("success", "1")).status]++
	}
	if diff := cmp.Diff(map[int]int{http.StatusOK: 4, http.StatusTooManyRequests: 6}, got); diff != "" {
		t.Error(diff)
	}
}

func TestH9_XForwardedForBuysNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.open(t, func(o *webhook.Options) { o.Limits.Stranger = webhook.Rate{Every: time.Hour, Burst: 2} })
	last := 0
	for i := range 4 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+d.Address()+"/", nil)
		must(t, err)
		req.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i))
		req.Header.Set("Forwarded", fmt.Sprintf("for=192.0.2.%d", i))
		req.Header.Set("X-Real-Ip", fmt.Sprintf("192.0.2.%d", i))
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		last = resp.StatusCode
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("answered %d", last)
	}
}

func TestH10_BothKeysAreAcceptedWhileOneReplacesTheOther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, id := range []string{"o-1", "o-2", "o-3"} {
		r.order(t, id)
	}
	with := func(keys ...string) func(*webhook.Options) {
		return func(o *webhook.Options) {
			o.Secrets = nil
			for _, k := range keys {
				o.Secrets = append(o.Secrets, secret.New(k))
			}
		}
	}
	before := r.open(t, with("the old key, long enough"))
	during := r.open(t, with("the new key, long enough", "the old key, long enough"))
	after := r.open(t, with("the new key, long enough"))

	during.post(t, path(t, before.Door, "o-1"), signed("success", "1")).is(t, http.StatusOK)
	during.post(t, path(t, during.Door, "o-2"), signed("success", "1")).is(t, http.StatusOK)
	if during.CallbackURL(tenant, "o-3") != after.CallbackURL(tenant, "o-3") {
		t.Error("new addresses are still made with the old key")
	}
	after.post(t, path(t, during.Door, "o-3"), signed("success", "1")).is(t, http.StatusOK)
	after.post(t, path(t, before.Door, "o-1"), signed("success", "2")).is(t, http.StatusNotFound)
	before.post(t, path(t, during.Door, "o-3"), signed("success", "2")).is(t, http.StatusNotFound)
}

// An address that was made before must be understood after a key was replaced in
// the process that runs, and one that leaked must be of no use any more.
func TestH10_AKeyIsReplacedInADoorThatIsOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	r.order(t, "o-2")
	list := []secret.String{secret.New("the old key, long enough")}
	var mu sync.Mutex
	replace := func(keys ...string) {
		mu.Lock()
		defer mu.Unlock()
		list = nil
		for _, k := range keys {
			list = append(list, secret.New(k))
		}
	}
	d := r.open(t, func(o *webhook.Options) {
		o.Secrets = list
		o.Renewed = func() []secret.String { mu.Lock(); defer mu.Unlock(); return list }
	})
	old := path(t, d.Door, "o-1")
	replace("the new key, long enough", "the old key, long enough")
	d.post(t, old, signed("success", "1")).is(t, http.StatusOK)
	made := path(t, d.Door, "o-2")
	if made == old || path(t, d.Door, "o-1") == old {
		t.Error("new addresses are still made with the old key")
	}
	replace("the new key, long enough")
	d.post(t, made, signed("success", "1")).is(t, http.StatusOK)
	d.post(t, old, signed("success", "2")).is(t, http.StatusNotFound)
}
