package cli_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

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
