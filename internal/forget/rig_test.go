package forget_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/forget"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/orders"
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

const (
	tenant = "acme"
	// canary is what a customer told, and what is to be gone.
	canary = "canary-7f3a"
)

// patience is for what must come.
var patience = mutant.Patience(90 * time.Second)

// rig is a server with a ledger on it, and a shop that sells again to whoever
// asks again: its books tell of a second purchase.
type rig struct {
	t     *testing.T
	srv   *natstest.Server
	dir   string
	nc    *nats.Conn
	js    jetstream.JetStream
	books *ledger.Ledger
	queue *queue.Queue
	steam *balancesteamtest.Server
}

func newRig(t *testing.T, edits ...func(*jetstream.StreamConfig)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), steam: balancesteamtest.New(balancesteamtest.WithBalance("1000000000"))}
	t.Cleanup(r.steam.Close)
	r.srv = natstest.Start(t, natstest.Configure(func(o *server.Options) { o.StoreDir = r.dir }))
	r.nc = r.srv.Conn(t)
	r.js = r.srv.JS(t)
	r.setUp(1, edits...)
	return r
}

// setUp makes the streams, and opens the ledger.
func (r *rig) setUp(replicas int, edits ...func(*jetstream.StreamConfig)) {
	r.t.Helper()
	t := r.t
	s := topology.Default()
	s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes, s.Replicas = 64<<20, 16<<20, 16<<20, replicas
	if len(edits) > 0 { // a stream that an earlier version has made
		config := s.Streams()[0]
		for _, edit := range edits {
			edit(&config)
		}
		natstest.CreateStream(t, r.js, config)
	}
	if _, err := topology.Setup(r.within(), r.js, s); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.books, err = ledger.Open(r.within(), r.nc, r.js, ledger.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.books.Close)
	r.queue = queue.New(r.js)
}

// older is a stream of the time before events could be erased one by one.
func older(c *jetstream.StreamConfig) { c.DenyDelete = true }

func (r *rig) within() context.Context {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

// body is an order in which the customer told the canary.
func body(id string) string {
	return `{"v":1,"id":"` + id + `","provider":"balancesteam","kind":"topup","params":{"login":"` + canary + id + `","amount":"100.00"},"metadata":{"who":"` + canary + id + `"}}`
}

// write appends an event, and fails the test where the state machine has none.
func (r *rig) write(last *ledger.Entry, c order.Change) *ledger.Entry {
	r.t.Helper()
	var before *messages.Event
	seq := uint64(0)
	if last != nil {
		before, seq = last.Event, last.Seq
	}
	c.At = time.Now()
	e, verdict := order.Apply(before, c)
	if verdict != order.Write {
		r.t.Fatalf("%s: %s", c.Input, verdict)
	}
	seq, err := r.books.Append(r.within(), e, seq)
	if err != nil {
		r.t.Fatal(err)
	}
	return &ledger.Entry{Seq: seq, Event: e}
}

func (r *rig) accepted(id string) *ledger.Entry {
	r.t.Helper()
	return r.write(nil, order.Change{Input: order.Accept, New: &order.Submission{
		Tenant: tenant, OrderID: id, Provider: messages.BalanceSteam, Kind: messages.Topup, Order: json.RawMessage(body(id)),
		Metadata: map[string]string{"who": canary + id},
	}})
}

// done is an order of three events that has succeeded.
func (r *rig) done(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		e := r.write(r.accepted(id), order.Change{Input: order.Claim, Intent: &order.Intent{
			Nonce: "n-" + id, Owner: "w", ReferenceN: 1, LeaseUntil: time.Now().Add(time.Minute),
		}})
		r.write(e, order.Change{Input: order.OwnSucceeded, Nonce: "n-" + id, Ref: map[string]string{"id": canary + id}, Deliverable: json.RawMessage(`{}`)})
	}
}

func (r *rig) last(id string) *ledger.Entry {
	r.t.Helper()
	e, err := r.books.Last(r.within(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

func (r *rig) events() *jetstream.StreamInfo {
	r.t.Helper()
	s, err := r.js.Stream(r.within(), messages.StreamEvents)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.CachedInfo()
}

// eraser opens one as an operator's program does.
func (r *rig) eraser(edits ...func(*forget.Options)) *forget.Eraser {
	r.t.Helper()
	o := forget.Options{By: "ada", LeaseLasts: 500 * time.Millisecond}
	for _, edit := range edits {
		edit(&o)
	}
	e, err := forget.Open(r.within(), r.nc, r.js, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

// run forgets everything that may be forgotten.
func (r *rig) run(edits ...func(*forget.Options)) (forget.Summary, string) {
	r.t.Helper()
	e := r.eraser(edits...)
	defer e.Close()
	s, path, err := r.with(e)
	if err != nil {
		r.t.Fatal(err)
	}
	return s, path
}

func (r *rig) with(e *forget.Eraser) (forget.Summary, string, error) {
	r.t.Helper()
	ctx := r.within()
	if err := e.Take(ctx); err != nil {
		return forget.Summary{}, "", err
	}
	found, err := e.Find(ctx)
	if err != nil {
		return forget.Summary{}, "", err
	}
	path := filepath.Join(r.t.TempDir(), "export.jsonl")
	x, err := forget.CreateExport(path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	s, err := e.Run(ctx, found, x)
	return s, path, err
}

// exported reads an export, and fails the test where a line is damaged.
func (r *rig) exported(path string) map[string]forget.Record {
	r.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	all := map[string]forget.Record{}
	err = forget.ReadExport(f, func(x forget.Record) error {
		all[x.Tenant+"/"+x.OrderID] = x
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// forgotten fails the test unless nothing but tombstones is left of the orders.
func (r *rig) forgotten(ids ...string) {
	r.t.Helper()
	s, err := r.js.Stream(r.within(), messages.StreamEvents)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, id := range ids {
		info, err := s.Info(r.within(), jetstream.WithSubjectFilter(messages.OrderEvents(tenant, id)))
		if err != nil {
			r.t.Fatal(err)
		}
		want := messages.EventSubject(messages.BalanceSteam, tenant, id, messages.Forgotten)
		if len(info.State.Subjects) != 1 || info.State.Subjects[want] != 1 {
			r.t.Errorf("of %s is left: %v", id, info.State.Subjects)
		}
	}
}

// onDisk counts a text in all files of the server's store.
func (r *rig) onDisk(text string) (n int) {
	r.t.Helper()
	err := filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // the server lives, and has put another file in its place
		}
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path) //nolint:gosec // of the test's own server
		n += strings.Count(string(b), text)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return n
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

// background runs something until the test ends.
func (r *rig) background(what string, run func(context.Context) error) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := run(ctx); err != nil && ctx.Err() == nil {
			r.t.Errorf("%s ended with %v", what, err)
		}
	})
	r.t.Cleanup(func() { cancel(); running.Wait() })
}

var times = order.Times{PollFirst: 50 * time.Millisecond, PollMax: 500 * time.Millisecond, BlockedMax: time.Minute}

// pipeline runs a dispatcher and a worker behind a fence. Orders are bought by it.
func (r *rig) pipeline() (*fence.Fence, *orders.Reader) {
	r.t.Helper()
	log := zerolog.New(zerolog.NewTestWriter(r.t)).Level(zerolog.ErrorLevel)
	d := dispatcher.New(r.nc, r.js, r.books, r.queue, dispatcher.Options{Instance: "d", Log: log, Times: times, UnknownFor: 100 * time.Millisecond})
	r.background("the dispatcher", d.Run)
	f := fence.New(r.nc, r.js, fence.Options{Instance: "w", Log: log, Every: 50 * time.Millisecond, Confirm: 300 * time.Millisecond})
	r.background("the fence", func(ctx context.Context) error { f.Run(ctx); return nil })
	http := providerhttp.New(providerhttp.Config{Name: "balancesteam", Timeout: 20 * time.Second, Limiter: providertest.Unlimited{}})
	r.t.Cleanup(http.Close)
	shop, err := balancesteam.New(balancesteam.Config{URL: r.steam.URL(), APIKey: secret.New(balancesteamtest.APIKey), HTTP: http})
	if err != nil {
		r.t.Fatal(err)
	}
	namespace, err := topology.Namespace(r.within(), r.js)
	if err != nil {
		r.t.Fatal(err)
	}
	w, err := worker.New(r.js, f.Around(r.books), r.queue, shop, providertest.Unlimited{}, worker.Options{
		Provider: messages.BalanceSteam, Instance: "w", Namespace: namespace, MaxInFlight: 4, Fence: f, Log: log, Times: times,
		Timeout: 20 * time.Second, Lease: 25 * time.Second, AckWait: 35 * time.Second, HoldDown: time.Minute, AbsenceWait: time.Minute,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.background("the worker", w.Run)
	reader := orders.NewReader(r.nc, r.js, r.books, log)
	r.background("the reader", func(ctx context.Context) error { reader.Run(ctx); return nil })
	return f, reader
}

func (r *rig) publish(subject, text string) {
	r.t.Helper()
	for {
		ack, err := r.js.Publish(r.within(), subject, []byte(text))
		if err != nil {
			r.t.Fatal(err)
		}
		if !ack.Duplicate {
			return
		}
	}
}

func (r *rig) submit(text string) { r.t.Helper(); r.publish("orders."+tenant+".submit", text) }

// reach waits until an order is in a state.
func (r *rig) reach(id string, state messages.Type) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%s to be %s", id, state), func() bool {
		e, err := r.books.Last(r.within(), tenant, id)
		return err == nil && e.Event.State == state
	})
}

// drained waits until a stream of work holds nothing.
func (r *rig) drained(stream string) {
	r.t.Helper()
	r.eventually(stream+" to be empty", func() bool {
		s, err := r.js.Stream(r.within(), stream)
		return err == nil && s.CachedInfo().State.Msgs == 0
	})
}
