package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/test/crash/procs"
)

// trial is one store, and what was told of it.
type trial struct {
	o       options
	n       int
	dir     string
	journal *procs.Journal
	server  *procs.Server
	cluster *procs.Cluster
	random  *rand.Rand
	killed  int

	orders atomic.Int64
	acks   chan struct{} // one for each answer

	mu       sync.Mutex
	events   map[string][]uint64 // of each order, the sequences that its writer was told
	sent     map[string]bool     // orders whose command was told to be stored
	told     int
	commands int
}

const tenant = "acme"

func newTrial(ctx context.Context, o options, dir string, n int) (*trial, error) {
	t := &trial{
		o: o, n: n, dir: filepath.Join(dir, fmt.Sprint("store-", n)), journal: &procs.Journal{}, acks: make(chan struct{}, 1<<16),
		random: rand.New(rand.NewPCG(o.seed, uint64(n))), //nolint:gosec // repeatable on purpose
		events: map[string][]uint64{}, sent: map[string]bool{},
	}
	binary := filepath.Join(dir, "bin", "nats-server")
	output := func(name string) (*procs.Output, error) {
		return procs.NewOutput(filepath.Join(t.dir, name+".log"), nil)
	}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return nil, err
	}
	if err := t.servers(ctx, binary, output); err != nil {
		return nil, err
	}
	nc, err := t.connect()
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	s := topology.Default()
	s.Replicas = o.nodes
	_, err = topology.Setup(ctx, js, s)
	return t, err
}

// servers starts the one server, or the cluster.
func (t *trial) servers(ctx context.Context, binary string, output func(string) (*procs.Output, error)) (err error) {
	if t.o.nodes > 1 {
		if t.cluster, err = procs.NewCluster(binary, t.dir, t.o.nodes, output, t.journal); err == nil {
			err = t.cluster.Start()
		}
		if err == nil {
			err = t.cluster.AwaitHealthy(ctx)
		}
		return err
	}
	out, err := output("nats-server")
	if err != nil {
		return err
	}
	if t.server, err = procs.NewServer(binary, t.dir, out, t.journal); err == nil {
		err = t.server.Start()
	}
	if err == nil {
		err = t.server.AwaitListening(ctx)
	}
	return err
}

func (t *trial) url() string {
	if t.cluster != nil {
		return t.cluster.URL()
	}
	return t.server.URL()
}

func (t *trial) connect() (*nats.Conn, error) {
	return nats.Connect(t.url(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
		nats.ReconnectJitter(20*time.Millisecond, 20*time.Millisecond), nats.RetryOnFailedConnect(true),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // servers are killed here, and each death would be told
}

// run lets the writers write and kills until enough were killed.
func (t *trial) run(ctx context.Context, kills int) error {
	writing, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	failed := make(chan error, t.o.writers)
	for half := range 2 { // each with a connection of its own
		nc, err := t.connect()
		if err != nil {
			return err
		}
		defer nc.Close()
		if err := t.write(writing, nc, half, &group, failed); err != nil {
			return err
		}
	}
	for t.killed < kills && ctx.Err() == nil {
		for range 1 + t.random.IntN(200) {
			select {
			case <-t.acks:
			case err := <-failed:
				return err
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Minute):
				return errors.New("nothing was stored for a minute")
			}
		}
		if err := t.kill(ctx); err != nil {
			return err
		}
		t.killed++
	}
	stop()
	group.Wait()
	return context.Cause(ctx)
}

// kill kills the server, or the leader of EVENTS, and starts it again.
func (t *trial) kill(ctx context.Context) error {
	if t.cluster == nil {
		t.server.Kill("")
		if err := t.server.Start(); err != nil {
			return err
		}
		return t.server.AwaitListening(ctx)
	}
	i, err := t.leader(ctx)
	if err != nil {
		return err
	}
	t.cluster.Nodes[i].Kill("")
	if err := t.cluster.Nodes[i].Start(); err != nil {
		return err
	}
	return t.cluster.AwaitHealthy(ctx)
}

// leader waits until somebody leads EVENTS, and says which node it is.
func (t *trial) leader(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		leaders, err := t.cluster.Leaders(ctx)
		if i := t.cluster.Node(leaders[messages.StreamEvents]); err == nil && i >= 0 {
			return i, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("nobody leads %s: %w", messages.StreamEvents, err)
		}
	}
}

// write starts half of the writers over one connection.
func (t *trial) write(ctx context.Context, nc *nats.Conn, half int, group *sync.WaitGroup, failed chan<- error) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	l, err := ledger.Open(ctx, nc, js, ledger.Options{})
	if err != nil {
		return err
	}
	q := queue.New(js)
	for range t.o.writers / 2 {
		group.Go(func() {
			for ctx.Err() == nil {
				id := fmt.Sprintf("o%d-%d", half, t.orders.Add(1))
				if err := t.order(ctx, l, q, id); err != nil && ctx.Err() == nil {
					failed <- fmt.Errorf("order %s: %w", id, err)
					return
				}
			}
		})
	}
	context.AfterFunc(ctx, l.Close)
	return nil
}

// steps of an order.
var steps = []messages.Type{messages.Accepted, messages.Placing, messages.Succeeded}

// order writes one order, and its command after its first event.
func (t *trial) order(ctx context.Context, l *ledger.Ledger, q *queue.Queue, id string) error {
	last := uint64(0)
	for i, typ := range steps {
		e := &messages.Event{
			N: uint64(i) + 1, Type: typ, State: typ, Time: time.Now().UTC(), Tenant: tenant, OrderID: id, //nolint:gosec // small
			Provider: messages.GamesDrop, Kind: messages.Offer, Work: &messages.Work{Nonce: id},
		}
		seq, err := l.Append(ctx, e, last)
		if err != nil {
			return err
		}
		t.note(func() { t.events[id], t.told = append(t.events[id], seq), t.told+1 })
		if last = seq; i > 0 {
			continue
		}
		if err := q.Send(ctx, messages.GamesDrop, messages.Place, messages.CommandFor(e, seq)); err != nil {
			return err
		}
		t.note(func() { t.sent[id], t.commands = true, t.commands+1 })
	}
	return nil
}

// note keeps what a writer was told.
func (t *trial) note(what func()) {
	t.mu.Lock()
	what()
	t.mu.Unlock()
	select {
	case t.acks <- struct{}{}:
	default:
	}
}

func (t *trial) close() {
	if t.cluster != nil {
		for _, n := range t.cluster.Nodes {
			n.Kill("")
		}
		_ = t.cluster.Close()
	} else {
		t.server.Kill("")
	}
	_ = os.RemoveAll(t.dir)
}
