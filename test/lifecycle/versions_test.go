package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
)

// Upstream may be newer than we are, and a dispatcher newer than a worker. What
// is not known is refused with a reason, kept with a reason, or left to whoever
// knows it; nothing is bought on a guess, and what is known goes on beside it.
func TestVersions_WhatNoProgramOfTodayKnowsIsRefusedWithAReasonOrLeftToANewerOne(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.WithListener())
	shop := balancesteamtest.New()
	t.Cleanup(shop.Close)
	env := map[string]string{
		"NATS_URL": srv.URL(), "EVENTS_MAX_BYTES": "64MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
	}
	own := map[string]string{"BALANCESTEAM_URL": shop.URL(), "BALANCESTEAM_API_KEY": balancesteamtest.APIKey}
	for name, value := range env {
		own[name] = value
	}
	tells(t, run(t, programs.Dispatcher(), env, nil), "")
	worker := run(t, programs.BalanceSteam(), own, nil)
	js := srv.JS(t)
	r := &rotation{t: t, shop: shop, js: js}
	publish := func(subject, body string) {
		t.Helper()
		if _, err := js.Publish(t.Context(), subject, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	last := func(stream, subject string) *jetstream.RawStreamMsg {
		s, err := js.Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.GetLastMsgForSubject(t.Context(), subject)
		if err != nil {
			return nil
		}
		return m
	}

	order := func(v, id, more string) string {
		return `{"v":` + v + `,"id":"` + id + `","provider":"balancesteam","kind":"topup","params":{"login":"` + id + `","amount":"10.00"}` + more + `}`
	}
	for id, tc := range map[string]struct{ body, pointer string }{
		"v2":      {order("2", "v2", ""), "/v"},
		"text":    {order(`"1"`, "text", ""), "/v"},
		"unknown": {order("1", "unknown", `,"priority":"high"`), "/priority"},
	} {
		publish("orders.acme.submit", tc.body)
		var rejected *jetstream.RawStreamMsg
		r.until(id+" is rejected", func() bool {
			rejected = last("EVENTS", "events.balancesteam.acme."+id+".rejected")
			return rejected != nil
		})
		var event struct {
			Error struct {
				Code   string
				Faults []struct{ Pointer string }
			}
		}
		if err := json.Unmarshal(rejected.Data, &event); err != nil {
			t.Fatal(err)
		}
		if event.Error.Code != "invalid_order" || len(event.Error.Faults) != 1 || event.Error.Faults[0].Pointer != tc.pointer {
			t.Errorf("%s: %s", id, rejected.Data)
		}
	}

	publish("orders.acme.cancel", `{"v":2,"id":"v2","reason":"x"}`)
	r.until("a cancel of another version is kept with a reason", func() bool {
		m := last("DLQ", "dlq.orders.acme")
		return m != nil && strings.Contains(string(m.Data), `"reason":"x"`) && m.Header.Get("Beltline-Reason") != "" && m.Header.Get("Beltline-Error") != ""
	})

	publish("commands.balancesteam.place.acme.v9", `{"v":9,"tenant":"acme","order_id":"v9","seq":1,"n":1}`)
	worker.await(t, "it is left to a newer one")
	if m := last("DLQ", "dlq.commands.balancesteam"); m != nil {
		t.Errorf("it was buried at once: %s", m.Data)
	}

	r.submit("known") // goes on beside all that
	r.bought("known")
	if n := len(shop.Purchases()); n != 1 {
		t.Errorf("%d purchases of the one order that is known", n)
	}
}
