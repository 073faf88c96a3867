package cli_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestWatch_GoesOnAfterTheServerWasAway(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t, natstest.WithListener())
	environ := map[string]string{"NATS_URL": server.URL(), "BELTLINE_TENANT": "acme", "EVENTS_MAX_BYTES": "64MiB"}
	must(t, environ, app.ExitOK, "", "setup")
	publish := func(id string, n uint64) {
		t.Helper()
		e := messages.Event{
			N: n, Type: messages.Accepted, State: messages.Accepted, Time: time.Now(), Tenant: "acme", OrderID: id,
			Provider: messages.GamesDrop, Kind: messages.Offer,
		}
		body, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.JS(t).Publish(t.Context(), messages.EventSubject(e.Provider, "acme", id, e.Type), body); err != nil {
			t.Fatal(err)
		}
	}
	publish("before", 1)
	r := begin(t, environ, "", "order", "watch")
	r.stderr.shows(t, "following all orders of acme")
	publish("first", 1)
	r.stdout.shows(t, "first +accepted")
	server.Restart(t)
	publish("second", 1)
	r.stdout.shows(t, "second +accepted")
	r.signals <- syscall.SIGTERM
	r.ends(app.ExitOK)
	if got := r.stdout.String(); strings.Contains(got, "before") || strings.Count(got, "\n") != 2 {
		t.Errorf("not each event once from now on:\n%s", got)
	}
}

func TestWatch_OfOneOrderGoesOnWhileAnOperatorHasItAndEndsWithTheOrder(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t, natstest.WithListener())
	environ := map[string]string{"NATS_URL": server.URL(), "BELTLINE_TENANT": "acme", "EVENTS_MAX_BYTES": "64MiB"}
	must(t, environ, app.ExitOK, "", "setup")
	var last []byte
	publish := func(n uint64, typ messages.Type, operator bool) {
		t.Helper()
		state := typ
		if typ == messages.LateEvidence {
			state = messages.Succeeded
		}
		e := messages.Event{
			N: n, Type: typ, State: state, Time: time.Now(), Tenant: "acme", OrderID: "a",
			Provider: messages.BalanceSteam, Kind: messages.Topup, NeedsOperator: operator,
		}
		body, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.JS(t).Publish(t.Context(), messages.EventSubject(e.Provider, "acme", "a", e.Type), body); err != nil {
			t.Fatal(err)
		}
		last = body
	}
	publish(1, messages.Accepted, false)
	publish(2, messages.Placing, false)
	nc, known := server.Conn(t), last
	if _, err := nc.Subscribe(messages.OrdersServiceSubject("acme", "get"), func(m *nats.Msg) { _ = m.Respond(known) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	text := begin(t, environ, "", "order", "watch", "a")
	objects := begin(t, environ, "", "order", "watch", "a", "-o", "json", "--after")
	text.stdout.shows(t, "accepted → placing")
	objects.stdout.shows(t, `"n":2,"type":"placing"`)
	server.Restart(t)
	publish(3, messages.Unresolved, true)
	text.stdout.shows(t, "placing → unresolved")
	text.stderr.shows(t, "^a waits for an operator: `beltline resolve acme/a`; still following, Ctrl-C ends it$")
	publish(4, messages.Unresolved, true)
	server.Restart(t)
	publish(5, messages.Succeeded, false)
	text.ends(app.ExitOK)
	text.stdout.shows(t, "unresolved → succeeded")
	if lines := strings.Count(text.stdout.String(), "\n"); lines != 5 || strings.Count(text.stderr.String(), "waits for an operator") != 1 {
		t.Errorf("%d lines of 5 events:\n%s\n%s", lines, text.stdout, text.stderr)
	}
	objects.stdout.shows(t, `"n":5,"type":"succeeded"`)
	publish(6, messages.LateEvidence, false) // it was told to go on
	objects.stdout.shows(t, `"n":6,"type":"late_evidence"`)
	objects.signals <- syscall.SIGTERM
	objects.ends(app.ExitOK)
}

func TestSubmit_ASignalReportsWhatIsOpen(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t, natstest.WithListener())
	environ := map[string]string{"NATS_URL": server.URL(), "BELTLINE_TENANT": "acme", "EVENTS_MAX_BYTES": "64MiB"}
	must(t, environ, app.ExitOK, "", "setup")
	order := `{"v":1,"id":"a","provider":"balancesteam","kind":"topup","params":{"login":"l","amount":"1.00"}}`
	watcher := server.Conn(t)
	stored, err := watcher.SubscribeSync("orders.acme.submit")
	if err != nil {
		t.Fatal(err)
	}
	if err := watcher.Flush(); err != nil {
		t.Fatal(err)
	}
	r := begin(t, environ, order, "order", "submit", "-")
	if _, err := stored.NextMsg(within); err != nil {
		t.Fatal(err)
	}
	r.signals <- syscall.SIGINT
	r.ends(app.ExitSignal)
	r.stdout.shows(t, "^a\t(pending|not_sent)\t-\tstopped by a signal")
}

func TestSubmit_SaysAtTheEndOfItsTimeWhyAnOrderWasNotStored(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t, natstest.WithListener())
	nc := server.Conn(t)
	_, err := nc.Subscribe("orders.acme.submit", func(m *nats.Msg) {
		_ = m.Respond([]byte(`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}`))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	order := `{"v":1,"id":"a","provider":"balancesteam","kind":"topup","params":{"login":"l","amount":"1.00"}}`
	environ := map[string]string{"NATS_URL": server.URL(), "BELTLINE_TENANT": "acme"}
	r := must(t, environ, app.ExitFailure, order, "order", "submit", "-", "--wait", "none", "--timeout", "1s")
	r.stdout.shows(t, "^a\tnot_sent\t-\tno result within 1s, and it may not have been sent; submit it again .*ORDERS is full")
}
