package cli_test

import (
	"context"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/cli"
	"github.com/beltline-io/beltline/cmd/beltline/internal/fleet"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// pipeline is a dispatcher, workers for BalanceSteam and the shop, in this process.
type pipeline struct {
	t      *testing.T
	server *natstest.Server
	shop   *balancesteamtest.Server
	// as is how the programs log in; empty where everybody may do everything.
	as     string
	change map[string]string
}

// newPipeline starts everything but a worker. change is laid over the settings
// of all programs.
func newPipeline(t *testing.T, as string, change map[string]string, opts ...natstest.Option) *pipeline {
	t.Helper()
	p := &pipeline{
		t: t, server: natstest.Start(t, append(opts, natstest.WithListener())...), shop: balancesteamtest.New(), as: as, change: change,
	}
	t.Cleanup(p.shop.Close)
	p.start(programs.Dispatcher(), nil)
	return p
}

// start starts a program and waits until it is ready; it drains at the end of
// the test. The times are in the order that production has them in.
func (p *pipeline) start(program app.Program, own map[string]string) {
	p.t.Helper()
	env := map[string]string{
		"NATS_URL": p.url(p.as), "LOG_FORMAT": "json", "HTTP_ADDR": "127.0.0.1:0",
		"EVENTS_MAX_BYTES": "64MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
		"BALANCESTEAM_RATE_LIMIT": "100000/1s", "BALANCESTEAM_TIMEOUT": "4s", "LEASE": "5s", "ACK_WAIT": "7s",
		"POLL_FIRST": "100ms", "POLL_MAX": "1s", "ABSENCE_WAIT": "15s", "HOLD_DOWN": "8s", "DRAIN_TIMEOUT": "15s",
	}
	maps.Copy(env, p.change)
	maps.Copy(env, own)
	log := newTranscript()
	ctx, cancel := context.WithTimeout(p.t.Context(), within)
	defer cancel()
	m := fleet.Start(context.WithoutCancel(p.t.Context()), program, app.Process{Environ: env, Stderr: log})
	p.t.Cleanup(func() {
		if code := m.Stop(); code != app.ExitOK {
			p.t.Errorf("%s ended with code %d", program.Name, code)
		}
		if p.t.Failed() {
			p.t.Logf("the log of %s:\n%s", program.Name, log)
		}
	})
	if err := m.Ready(ctx); err != nil {
		p.t.Fatalf("%s: %v\n%s", program.Name, err, log)
	}
}

// worker starts a worker for the shop that reaches NATS at an address.
func (p *pipeline) worker(url string) {
	p.t.Helper()
	p.start(programs.BalanceSteam(), map[string]string{
		"NATS_URL": url, "BALANCESTEAM_URL": p.shop.URL(), "BALANCESTEAM_API_KEY": balancesteamtest.APIKey,
	})
}

// url is where the server is, for a user.
func (p *pipeline) url(user string) string {
	if user == "" {
		return p.server.URL()
	}
	return strings.Replace(p.server.URL(), "://", "://"+user+":pw@", 1)
}

// env is the environment of a command.
func (p *pipeline) env(tenant string) map[string]string {
	return map[string]string{"NATS_URL": p.server.URL(), "BELTLINE_TENANT": tenant}
}

// submit hands an order in and waits until it is accepted.
func (p *pipeline) submit(id string) {
	p.t.Helper()
	must(p.t, p.env("acme"), app.ExitOK, topup(id), "order", "submit", "-", "--wait", "accepted")
}

func topup(id string) string {
	return `{"v":1,"id":"` + id + `","provider":"balancesteam","kind":"topup","params":{"login":"` + id + `","amount":"100.00"}}`
}

// awaits follows an order until its history shows a pattern, and returns what
// the pattern's group matched.
func (p *pipeline) awaits(id, pattern string) string {
	p.t.Helper()
	r := begin(p.t, p.env("acme"), "", "order", "watch", id, "--after", "-o", "json")
	return r.stdout.shows(p.t, pattern)
}

// stuck matches the event with which an operator has all the evidence.
const stuck = `"n":([0-9]+),"type":"unresolved".*"balance_after":"[0-9.]+".*"needs_operator":true`

// mustHaveBought judges by the shop's books.
func (p *pipeline) mustHaveBought(login string, n int) {
	p.t.Helper()
	if bought := p.shop.PurchasesOf(login); len(bought) != n {
		p.t.Errorf("the shop sold %d to %s, not %d: %+v", len(bought), login, n, bought)
	}
}

// lose plans a fault for the next purchase.
func (p *pipeline) lose(fault providertest.Fault) {
	p.shop.Door().Faults.Once(balancesteamtest.OpTopup, fault)
}

// atTerminal begins a command whose questions a person answers, and returns
// where the person types.
func atTerminal(t *testing.T, environ map[string]string, args ...string) (*running, io.Writer) {
	t.Helper()
	keys, typed := io.Pipe()
	t.Cleanup(func() { _ = typed.Close() })
	return beginAs(t, cli.Process{Process: app.Process{Args: args, Environ: environ}, Stdin: keys, StdinTerminal: true}), typed
}

// wire stands between a worker and the server, and can hold back what the
// worker says while everything else goes on.
type wire struct {
	listener net.Listener
	server   string

	mu   sync.Mutex
	open chan struct{} // closed while bytes may pass
}

func newWire(t *testing.T, server string) *wire {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, server: strings.TrimPrefix(server, "nats://"), open: make(chan struct{})}
	close(w.open)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go w.serve(client)
		}
	}()
	return w
}

func (w *wire) url() string { return "nats://" + w.listener.Addr().String() }

func (w *wire) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := (&net.Dialer{Timeout: 10 * time.Second}).Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		w.mu.Lock()
		open := w.open
		w.mu.Unlock()
		<-open
		if _, failed := server.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}

// hold keeps back what the worker says until release.
func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = make(chan struct{})
}

func (w *wire) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.open:
	default:
		close(w.open)
	}
}
