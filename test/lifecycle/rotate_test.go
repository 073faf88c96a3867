package main_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/programs/programstest"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
)

const patience = time.Minute

// pages is a log that can be waited on.
type pages struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

// Write implements [io.Writer].
func (p *pages) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
	return p.text.Write(b)
}

// await waits until the text was written, and returns all of it.
func (p *pages) await(t *testing.T, text string) string {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		p.mu.Lock()
		all := p.text.String()
		p.mu.Unlock()
		if strings.Contains(all, text) {
			return all
		}
		select {
		case <-p.more:
		case <-late.C:
			t.Fatalf("%q was not written:\n%s", text, all)
		}
	}
}

// run starts a program and returns its log.
func run(t *testing.T, p app.Program, env map[string]string, reload <-chan os.Signal) *pages {
	t.Helper()
	log := &pages{more: make(chan struct{}, 1)}
	programstest.Start(t, p, app.Process{Environ: env, Stdout: log, Stderr: log, Reload: reload})
	return log
}

// rotation is a dispatcher and a worker whose key stands in a file.
type rotation struct {
	t      *testing.T
	shop   *balancesteamtest.Server
	js     jetstream.JetStream
	keys   string // the file
	reload chan os.Signal
	worker *pages
}

func newRotation(t *testing.T) *rotation {
	t.Helper()
	srv := natstest.Start(t, natstest.WithListener())
	r := &rotation{
		t: t, shop: balancesteamtest.New(), js: srv.JS(t), keys: filepath.Join(t.TempDir(), "key"), reload: make(chan os.Signal),
	}
	t.Cleanup(r.shop.Close)
	r.write(balancesteamtest.APIKey)
	env := map[string]string{
		"NATS_URL": srv.URL(), "EVENTS_MAX_BYTES": "64MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
		"BALANCESTEAM_RATE_LIMIT": "1000/1s",
	}
	own := maps.Clone(env)
	maps.Copy(own, map[string]string{"BALANCESTEAM_URL": r.shop.URL(), "BALANCESTEAM_API_KEY_FILE": r.keys})
	run(t, programs.Dispatcher(), env, nil)
	r.worker = run(t, programs.BalanceSteam(), own, r.reload)
	r.worker.await(t, "connected to NATS")
	return r
}

// write puts a key where the worker reads it.
func (r *rotation) write(key string) {
	r.t.Helper()
	if err := os.WriteFile(r.keys, []byte(key+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// submit hands an order in, as soon as there is a stream for it.
func (r *rotation) submit(login string) {
	r.t.Helper()
	body := fmt.Sprintf(`{"v":1,"id":%q,"provider":"balancesteam","kind":"topup","params":{"login":%q,"amount":"10.00"}}`, login, login)
	r.until("an order is stored", func() bool {
		_, err := r.js.Publish(r.t.Context(), "orders.acme.submit", []byte(body))
		return err == nil
	})
}

// bought waits until the shop has sold to the login.
func (r *rotation) bought(login string) {
	r.t.Helper()
	r.until(login+" has bought", func() bool { return len(r.shop.PurchasesOf(login)) == 1 })
}

func (r *rotation) until(what string, is func() bool) {
	r.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-late.C:
			r.t.Fatalf("never came true: %s", what)
		}
	}
}

// A key that the provider has revoked stops buying and burns no order; the new
// one is taken over without a restart, and what waited is bought, once.
func TestRotate_ARevokedKeyIsReplacedInARunningWorkerAndNoOrderIsLost(t *testing.T) {
	t.Parallel()
	r := newRotation(t)
	r.submit("before")
	r.bought("before")

	r.shop.SetAPIKey("canary-second-key")
	r.submit("meanwhile")
	lane := func() string {
		kv, err := r.js.KeyValue(t.Context(), "beltline")
		if err != nil {
			t.Fatal(err)
		}
		entry, err := kv.Get(t.Context(), "lane.balancesteam")
		if err != nil {
			return ""
		}
		return string(entry.Value())
	}
	r.until("the lane is closed", func() bool { return strings.Contains(lane(), `"closed"`) })

	r.write("canary-second-key")
	r.reload <- syscall.SIGHUP
	r.worker.await(t, `"changed":["BALANCESTEAM_API_KEY"]`)
	r.submit("after")
	r.bought("meanwhile")
	r.bought("after")
	if n := len(r.shop.Purchases()); n != 3 {
		t.Errorf("%d purchases of three orders", n)
	}
	if log := r.worker.await(t, ""); strings.Contains(log, "canary") || strings.Contains(log, balancesteamtest.APIKey) {
		t.Error("a key was logged")
	}
}

// With both keys valid for a while nobody notices: no request is refused, and
// no lane closes.
func TestRotate_WithOrdersOnTheirWayNoRequestIsRefusedWhileBothKeysAreValid(t *testing.T) {
	t.Parallel()
	r := newRotation(t)
	const orders, early = 60, 20
	r.submit("o-0")
	r.bought("o-0")
	r.shop.SetAPIKey("canary-second-key", balancesteamtest.APIKey)
	r.write("canary-second-key")
	for i := 1; i < orders; i++ {
		if i == early { // with orders in every stage of their way
			r.reload <- syscall.SIGHUP
			r.worker.await(t, `"changed":["BALANCESTEAM_API_KEY"]`)
		}
		r.submit(fmt.Sprintf("o-%d", i))
	}
	for i := range early {
		r.bought(fmt.Sprintf("o-%d", i)) // requests that were built with the old key have been answered
	}
	r.shop.SetAPIKey("canary-second-key")
	r.submit("last")
	r.bought("last")
	for i := range orders {
		r.bought(fmt.Sprintf("o-%d", i))
	}
	if n := len(r.shop.Purchases()); n != orders+1 {
		t.Errorf("%d purchases of %d orders", n, orders+1)
	}
	if log := r.worker.await(t, ""); strings.Contains(log, "lane closed") {
		t.Error("a request was refused: the lane closed")
	}
}
