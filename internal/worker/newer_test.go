package worker_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// In a rolling update, and while one is taken back, older workers meet what
// newer programs have written. To guess what it means could buy twice, and to
// call it broken would take it away from the newer workers that can read it.
func TestNewer_WhatANewerProgramWroteIsLeftToANewerWorkerAndThenBuried(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ old, new, typ string }{
		"an event of another version": {`{"v":1,"n":1,`, `{"v":2,"n":1,`, "accepted"},
		"an order of another version": {`"order":{"v":1,`, `"order":{"v":2,`, "accepted"},
		"a state nobody knows here":   {`"type":"accepted","state":"accepted"`, `"type":"weighed","state":"weighed"`, "weighed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			o := offer("o1")
			e, _ := order.Apply(nil, order.Change{Input: order.Accept, At: time.Now(), New: &order.Submission{
				Tenant: tenant, OrderID: o.ID, Provider: o.Provider, Kind: o.Kind, Order: o.Raw,
			}})
			written, err := json.Marshal(e)
			if err != nil || !strings.Contains(string(written), tc.old) {
				t.Fatalf("%v: %s is not in %s", err, tc.old, written)
			}
			body := strings.Replace(string(written), tc.old, tc.new, 1)
			ack, err := b.js.Publish(t.Context(), "events.gamesdrop.acme.o1."+tc.typ, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			naks, err := b.nc.SubscribeSync("$JS.ACK.>")
			if err != nil {
				t.Fatal(err)
			}
			b.send(messages.Place, e, ack.Sequence)
			stop := b.work(s, b.options(messages.GamesDrop, "old"))
			msg, err := naks.NextMsg(patience)
			if err != nil || !strings.HasPrefix(string(msg.Data), "-NAK") {
				t.Errorf("settled with %q, %v", msg.Data, err)
			}
			stop()
			dlq, err := b.js.Stream(t.Context(), messages.StreamDLQ)
			if err != nil || dlq.CachedInfo().State.Msgs != 0 {
				t.Errorf("buried at once: %v", err)
			}

			later := b.options(messages.GamesDrop, "old again")
			later.Now = func() time.Time { return time.Now().Add(holdDown) } // no newer worker has come
			b.work(s, later)
			if h := b.dead("o1").Headers(); h.Get(messages.HeaderReason) != string(messages.ReasonCommandUnprocessable) {
				t.Errorf("headers %v", h)
			}
			if n := len(s.sent()); n != 0 {
				t.Errorf("%d purchases", n)
			}
		})
	}
}
