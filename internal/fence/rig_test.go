package fence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

const tenant = "acme"

// patience is for what must come.
var patience = mutant.Patience(60 * time.Second)

// rig is one server whose store can be rolled back, and shops whose books
// nobody can.
type rig struct {
	t     *testing.T
	srv   *natstest.Server // nil on a cluster
	dir   string
	steam *balancesteamtest.Server
	drop  *gamesdroptest.Server
	nc    *nats.Conn
	js    jetstream.JetStream
	books *ledger.Ledger
	queue *queue.Queue
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), steam: balancesteamtest.New(balancesteamtest.WithBalance("1000000000")), drop: gamesdroptest.New()}
	t.Cleanup(r.steam.Close)
	t.Cleanup(r.drop.Close)
	r.srv = natstest.Start(t, natstest.Configure(func(o *server.Options) { o.StoreDir = r.dir }))
	r.nc = r.srv.Conn(t)
	r.js = jsOf(t, r.nc)
	r.setUp()
	r.books = openLedger(t, r.nc, r.js)
	r.queue = queue.New(r.js)
	return r
}

func jsOf(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func openLedger(t *testing.T, nc *nats.Conn, js jetstream.JetStream) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), nc, js, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func settings() topology.Settings {
	s := topology.Default()
	s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes = 64<<20, 16<<20, 16<<20
	return s
}

func (r *rig) setUp() {
	r.t.Helper()
	if _, err := topology.Setup(r.t.Context(), r.js, settings()); err != nil {
		r.t.Fatal(err)
	}
}

// copied is a copy of the store as it is now.
func (r *rig) copied() string {
	r.t.Helper()
	r.srv.Stop()
	to := r.t.TempDir()
	if err := os.CopyFS(to, os.DirFS(r.dir)); err != nil {
		r.t.Fatal(err)
	}
	r.srv.Restart(r.t)
	return to
}

// rollBack puts an older copy in the place of the store.
func (r *rig) rollBack(older string) {
	r.t.Helper()
	r.srv.Stop()
	if err := os.RemoveAll(r.dir); err != nil {
		r.t.Fatal(err)
	}
	if err := os.CopyFS(r.dir, os.DirFS(older)); err != nil {
		r.t.Fatal(err)
	}
	r.srv.Restart(r.t)
}

// topup is an order at the shop that takes no key of ours: it sells again to
// whoever asks again. The login is the order's id, so that its books tell.
func topup(id string) messages.Order {
	return messages.Order{ID: id, Provider: messages.BalanceSteam, Kind: messages.Topup, Raw: json.RawMessage(
		`{"v":1,"id":"` + id + `","provider":"balancesteam","kind":"topup","params":{"login":"` + id + `","amount":"100.00"}}`)}
}

// offer is an order at the shop that knows our references.
func offer(id string) messages.Order {
	return messages.Order{ID: id, Provider: messages.GamesDrop, Kind: messages.Offer, Raw: json.RawMessage(
		`{"v":1,"id":"` + id + `","provider":"gamesdrop","kind":"offer","params":{"offer_id":1001},"max_cost":{"amount":"1000000","currency":"RUB"}}`)}
}

// submit does what the dispatcher does. Nothing is in the way of another
// attempt where the server is just away.
func (r *rig) submit(orders ...messages.Order) {
	r.t.Helper()
	for _, o := range orders {
		e, seq := r.accept(o)
		if err := r.queue.Send(r.within(), o.Provider, messages.Place, messages.CommandFor(e, seq)); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) accept(o messages.Order) (*messages.Event, uint64) {
	r.t.Helper()
	e, _ := order.Apply(nil, order.Change{Input: order.Accept, At: time.Now(), New: &order.Submission{
		Tenant: tenant, OrderID: o.ID, Provider: o.Provider, Kind: o.Kind, Order: o.Raw,
	}})
	seq, err := r.books.Append(r.within(), e, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	return e, seq
}

func (r *rig) within() context.Context {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

// inspect asks until there is an answer: a question that was on its way when the
// server was restarted has none.
func (r *rig) inspect() (report fence.Report, finding string, err error) {
	for ctx := r.within(); ctx.Err() == nil; {
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		report, finding, err = fence.Inspect(once, r.js)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) {
			break
		}
	}
	return report, finding, err
}

func many(prefix string, n int, kind func(string) messages.Order) (orders []messages.Order) {
	for i := range n {
		orders = append(orders, kind(fmt.Sprintf("%s-%d", prefix, i)))
	}
	return orders
}

// node is a worker's process as far as it matters here: a connection, a fence
// with its memory, and a worker.
type node struct {
	fence  *fence.Fence
	worker *worker.Worker
	stop   func()
	gate   *gate
}

// gate is the way of one process to the server, and can be closed.
type gate struct {
	srv    *natstest.Server
	closed atomic.Bool
}

var errClosed = errors.New("the gate is closed")

// InProcessConn lets a client through.
func (g *gate) InProcessConn() (net.Conn, error) {
	if g.closed.Load() {
		return nil, errClosed
	}
	return g.srv.InProcessConn()
}

// fenced runs a worker with a fence.
func (r *rig) fenced(p messages.Provider, name string, edits ...func(*worker.Options, *providers.Provider)) *node {
	r.t.Helper()
	return r.run(p, name, true, edits...)
}

func (r *rig) run(p messages.Provider, name string, fenced bool, edits ...func(*worker.Options, *providers.Provider)) *node {
	r.t.Helper()
	g := &gate{srv: r.srv}
	nc := r.srv.Conn(r.t, nats.InProcessServer(g))
	js := jsOf(r.t, nc)
	l := openLedger(r.t, nc, js)
	log := zerolog.New(zerolog.NewTestWriter(r.t)).Level(zerolog.ErrorLevel).With().Str("instance", name).Logger()
	namespace, err := topology.Namespace(r.within(), js)
	if err != nil {
		r.t.Fatal(err)
	}
	o := worker.Options{
		Provider: p, Instance: name, Namespace: namespace, MaxInFlight: 8,
		Timeout: 20 * time.Second, Lease: 25 * time.Second, AckWait: 35 * time.Second, HoldDown: time.Minute, AbsenceWait: time.Minute,
		Times: order.Times{PollFirst: 50 * time.Millisecond, PollMax: 500 * time.Millisecond, BlockedMax: time.Minute}, Log: log,
	}
	f := fence.New(nc, js, fence.Options{Instance: name, Log: log, Every: 50 * time.Millisecond, Confirm: 300 * time.Millisecond, Hearing: 3 * time.Second})
	var books worker.Ledger = l
	if fenced {
		books, o.Fence = f.Around(l), f
	}
	shop := r.shop(p)
	for _, edit := range edits {
		edit(&o, &shop)
	}
	w, err := worker.New(js, books, queue.New(js), shop, providertest.Unlimited{}, o)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	running.Go(func() {
		if err := w.Run(ctx); err != nil {
			r.t.Errorf("worker %s ended with %v", name, err)
		}
	})
	n := &node{fence: f, worker: w, gate: g, stop: sync.OnceFunc(func() { cancel(); running.Wait() })}
	r.t.Cleanup(n.stop)
	return n
}

func (r *rig) shop(p messages.Provider) providers.Provider {
	r.t.Helper()
	http := providerhttp.New(providerhttp.Config{Name: string(p), Timeout: 20 * time.Second, Limiter: providertest.Unlimited{}})
	r.t.Cleanup(http.Close)
	var shop providers.Provider
	var err error
	if p == messages.BalanceSteam {
		shop, err = balancesteam.New(balancesteam.Config{URL: r.steam.URL(), APIKey: secret.New(balancesteamtest.APIKey), HTTP: http})
	} else {
		shop, err = gamesdrop.New(gamesdrop.Config{
			URL: r.drop.URL(), TelegramURL: r.drop.TelegramURL(), Token: secret.New(gamesdroptest.Token), HTTP: http,
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return shop
}

// eventually waits for something that nobody announces.
func (r *rig) eventually(what string, cond func() bool) {
	r.t.Helper()
	ctx := r.within()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// reach waits until all orders are in a state.
func (r *rig) reach(state messages.Type, orders ...messages.Order) {
	r.t.Helper()
	for _, o := range orders {
		r.eventually(fmt.Sprintf("%s to be %s", o.ID, state), func() bool { return r.last(o.ID).State == state })
	}
}

func (r *rig) last(id string) *messages.Event {
	r.t.Helper()
	e, err := r.books.Last(r.within(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return e.Event
}

// boughtOnce asks the shop's own books.
func (r *rig) boughtOnce(orders ...messages.Order) {
	r.t.Helper()
	for _, o := range orders {
		if n := len(r.steam.PurchasesOf(o.ID)); n != 1 {
			r.t.Errorf("the books hold %d purchases of %s", n, o.ID)
		}
	}
}

// tripped waits until the bucket says that buying is stopped.
func (r *rig) tripped(why ...fence.Reason) fence.State {
	r.t.Helper()
	var report fence.Report
	r.eventually("the fence to trip", func() bool {
		var err error
		report, _, err = r.inspect()
		return err == nil && report.State.Tripped
	})
	if !slices.Contains(why, report.State.Why) || report.State.By == "" || report.State.Found == "" || report.State.Since.IsZero() {
		r.t.Errorf("it tripped with %+v, want %s", report.State, why)
	}
	return report.State
}

// sound fails the test where anything has tripped.
func (r *rig) sound(nodes ...*node) {
	r.t.Helper()
	report, finding, err := r.inspect()
	if err != nil || report.State.Tripped || finding != "" {
		r.t.Errorf("false alarm: %+v, %q, %v", report.State, finding, err)
	}
	for _, n := range nodes {
		r.eventually("a worker to be allowed to buy", func() bool { return n.fence.Ready() == nil && n.fence.Allows() == nil })
	}
}

// rollBackOnly rolls some streams back, and leaves the rest as it is.
func (r *rig) rollBackOnly(older string, streams ...string) {
	r.t.Helper()
	r.srv.Stop()
	for _, name := range streams {
		at := filepath.Join("jetstream", server.DEFAULT_GLOBAL_ACCOUNT, "streams", name)
		if err := os.RemoveAll(filepath.Join(r.dir, at)); err != nil {
			r.t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(r.dir, at), os.DirFS(filepath.Join(older, at))); err != nil {
			r.t.Fatal(err)
		}
	}
	r.srv.Restart(r.t)
}

// remembered waits until the bucket remembers the end of the ledger.
func (r *rig) remembered() {
	r.t.Helper()
	r.eventually("the bucket to remember the ledger's end", func() bool {
		report, _, err := r.inspect()
		return err == nil && report.Mark != nil && report.Mark.Seq == report.Ledger.LastSeq
	})
}
