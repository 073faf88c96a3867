package main_test

import (
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
)

var servedAt = regexp.MustCompile(`"addr":"([^"]+)"[^\n]*health and metrics were served`)

// tells waits until /readyz of a program says this, and "" until it is ready.
func tells(t *testing.T, p *pages, reason string) {
	t.Helper()
	p.await(t, "health and metrics were served")
	addr := servedAt.FindStringSubmatch(p.await(t, ""))[1]
	var last string
	late := time.NewTimer(patience)
	defer late.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		last = string(body)
		ready := res.StatusCode == http.StatusOK
		if err == nil && ready == (reason == "") && strings.Contains(last, reason) {
			return
		}
		select {
		case <-again.C:
		case <-late.C:
			t.Fatalf("/readyz never said %q; it says %s", reason, last)
		}
	}
}

// Whoever deploys and whoever is woken up reads /readyz first. Each thing that
// keeps a program from its work must be told there by its name, and be gone from
// there when it is over.
func TestReadyz_TellsEachReasonAndForgetsItWhenItIsOver(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.WithListener())
	shop := balancesteamtest.New()
	t.Cleanup(shop.Close)
	env := map[string]string{
		"NATS_URL": srv.URL(), "EVENTS_MAX_BYTES": "64MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
	}
	own := maps.Clone(env)
	maps.Copy(own, map[string]string{"BALANCESTEAM_URL": shop.URL(), "BALANCESTEAM_API_KEY": balancesteamtest.APIKey})

	worker := run(t, programs.BalanceSteam(), own, nil)
	tells(t, worker, `{"component":"worker","reason":"not set up: run `+"`beltline setup`"+`"}`)
	dispatcher := run(t, programs.Dispatcher(), env, nil)
	tells(t, dispatcher, "")
	tells(t, worker, "")

	js := srv.JS(t)
	for _, consumer := range []string{messages.BalanceSteam.PlaceConsumer(), messages.BalanceSteam.FollowConsumer()} {
		if err := js.DeleteConsumer(t.Context(), messages.StreamCommands, consumer); err != nil {
			t.Fatal(err)
		}
	}
	tells(t, worker, "a consumer of commands is missing")
	if err := js.DeleteConsumer(t.Context(), messages.StreamOrders, topology.DispatcherConsumer); err != nil {
		t.Fatal(err)
	}
	tells(t, dispatcher, "the consumer of orders is missing")
	// Another replica that starts sets up what is missing.
	tells(t, run(t, programs.Dispatcher(), env, nil), "")
	tells(t, worker, "")
	tells(t, dispatcher, "")

	srv.Stop()
	for _, p := range []*pages{worker, dispatcher} {
		tells(t, p, `{"component":"nats","reason":"not connected to NATS"}`)
	}
	srv.Restart(t)
	for _, p := range []*pages{worker, dispatcher} {
		tells(t, p, "")
	}

	// A lane that is closed is no reason: the worker goes on with all that it can
	// do, and another one in its place would find the lane closed as well.
	shop.SetAPIKey("revoked")
	r := &rotation{t: t, shop: shop, js: js}
	r.submit("o-1")
	worker.await(t, "lane closed")
	tells(t, worker, "")
}
