package cli_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

// The request may have been stored: it is not sent again, because that would be
// answered too, and the answer is waited for.
func TestCancel_WhoseFateIsNotKnownIsSentOnceAndItsAnswerIsTold(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t, natstest.WithListener())
	environ := map[string]string{"NATS_URL": server.URL(), "BELTLINE_TENANT": "acme", "EVENTS_MAX_BYTES": "64MiB"}
	must(t, environ, app.ExitOK, "", "setup")
	js, nc := server.JS(t), server.Conn(t)
	if err := js.DeleteStream(t.Context(), messages.StreamOrders); err != nil {
		t.Fatal(err)
	}
	event := func(n uint64, typ messages.Type) []byte {
		e := messages.Event{N: n, Type: typ, State: typ, Time: time.Now(), Tenant: "acme", OrderID: "a", Provider: messages.GamesDrop, Kind: messages.Offer}
		body, err := e.MarshalJSON()
		if err != nil {
			t.Error(err)
		}
		return body
	}
	asked := 0
	for subject, answer := range map[string]func(*nats.Msg){
		messages.OrdersServiceSubject("acme", "get"): func(m *nats.Msg) { _ = m.Respond(event(2, messages.Retrying)) },
		messages.OrderSubject("acme", messages.CancelRequest): func(m *nats.Msg) {
			asked++
			if err := nc.Publish(messages.EventSubject(messages.GamesDrop, "acme", "a", messages.Canceled), event(3, messages.Canceled)); err != nil {
				t.Error(err)
			}
			_ = m.Respond([]byte(`{"error":{"code":500,"err_code":10000,"description":"the disk is slow"}}`))
		},
	} {
		if _, err := nc.Subscribe(subject, answer); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	r := must(t, environ, app.ExitOK, "", "order", "cancel", "a")
	r.stdout.shows(t, "^a\tcanceled\t.*; the order is canceled$")
	r.stderr.shows(t, "it is not known whether it was stored: .*the disk is slow; it is not sent again, and an answer is waited for")
	if asked != 1 {
		t.Errorf("sent %d times", asked)
	}
}
