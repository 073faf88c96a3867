package fence_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/test/crash/procs"
)

func dialled(t *testing.T, url string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(url, nats.DontRandomize(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// endOf is where EVENTS ends by the word of whoever answers.
func endOf(t *testing.T, js jetstream.JetStream) (uint64, bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return 0, false
	}
	return stream.CachedInfo().State.LastSeq, true
}

// A node that hears nobody answers for the stream all the same, after some ten
// seconds without a leader. What it says is old and no evidence: the events that
// it lacks stand on the nodes that it does not hear.
func TestCalm_ANodeThatIsBehindAndAloneIsNoAlarm(t *testing.T) {
	t.Parallel()
	r := &rig{t: t}
	dir := t.TempDir()
	if err := procs.Build(t.Context(), dir, procs.NATSServer); err != nil {
		t.Fatal(err)
	}
	output := func(name string) (*procs.Output, error) { return procs.NewOutput(filepath.Join(dir, name+".log"), nil) }
	c, err := procs.NewCluster(filepath.Join(dir, "nats-server"), dir, 3, output, &procs.Journal{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, n := range c.Nodes {
			n.Kill("the test is over")
		}
		_ = c.Close()
	})
	healthy := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := c.AwaitHealthy(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	healthy()
	_, js := dialled(t, c.URL())
	s := settings()
	s.Replicas = 3
	if _, err := topology.Setup(t.Context(), js, s); err != nil {
		t.Fatal(err)
	}
	leaders, err := c.Leaders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	led := c.Node(leaders[messages.StreamEvents])
	behind := (led + 1) % 3

	// The fence sees the whole ledger, and then talks to the node that does not.
	proxy, err := procs.NewProxy("fence", c.Nodes[led].URL()[len("nats://"):], &procs.Journal{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	nc, own := dialled(t, proxy.URL()+","+c.Nodes[behind].URL())
	f := fence.New(nc, own, fence.Options{Instance: "w1", Hearing: time.Nanosecond, Confirm: time.Nanosecond})
	look := func() error { // for as long as the fence itself gives a look
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return f.Look(ctx)
	}
	r.eventually("a look", func() bool { return look() == nil && f.Allows() == nil })
	books := f.Around(openLedger(t, nc, own))
	c.Isolate(behind, true)
	accept(r, books, 20)
	r.eventually("the ledger to be remembered", func() bool { return look() == nil })
	last, _ := endOf(t, own)
	proxy.Close()

	r.eventually("the lone node to speak for the stream", func() bool {
		end, said := endOf(t, own)
		return said && end < last
	})
	for range 4 {
		if err := look(); err == nil {
			t.Error("the word of a node that nobody follows was taken for the ledger's")
		}
	}
	c.Rejoin(behind)
	healthy()
	r.eventually("the ledger to be looked at", func() bool { return look() == nil && f.Allows() == nil })
	if s := f.State(); s.Tripped || s.N != 0 {
		t.Errorf("false alarm: %+v", s)
	}
}

// accept writes the first events of orders.
func accept(r *rig, books *fence.Books, n int) {
	r.t.Helper()
	for _, o := range many("o", n, topup) {
		e, _ := order.Apply(nil, order.Change{Input: order.Accept, At: time.Now(), New: &order.Submission{
			Tenant: tenant, OrderID: o.ID, Provider: o.Provider, Kind: o.Kind, Order: o.Raw,
		}})
		if _, err := books.Append(r.within(), e, 0); err != nil {
			r.t.Fatal(err)
		}
	}
}
