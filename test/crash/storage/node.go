package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// The waits of production at a fraction of their length, and in the same order.
const (
	timeout  = time.Second
	lease    = 1500 * time.Millisecond
	ackWait  = 2500 * time.Millisecond
	holdDown = 3 * time.Second
	absence  = 2 * time.Second

	// A tenth of what production takes between two looks; the others follow.
	lookEvery = 100 * time.Millisecond
	confirm   = 300 * time.Millisecond
)

func times() order.Times {
	return order.Times{PollFirst: 100 * time.Millisecond, PollMax: 500 * time.Millisecond, BlockedMax: time.Minute}
}

func settings() topology.Settings {
	s := topology.Default()
	s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes, s.MaxInFlight = 16<<20, 4<<20, 4<<20, 8
	for p := range s.Providers {
		s.Providers[p] = topology.ProviderSettings{
			Rate: providers.Rate{Requests: 500, Window: 2 * time.Second}, Timeout: timeout, Lease: lease, AckWait: ackWait,
		}
	}
	return s
}

// node is a process of ours as far as it matters here: a connection, a ledger, a
// fence with its memory, and a dispatcher or a worker. Many of them live in one
// process of the system, so that hundreds of trials fit into minutes.
type node struct {
	name  string
	nc    *nats.Conn
	fence *fence.Fence // nil where the trial is a control
	end   func()
}

// connect does what the programs do, and comes back sooner.
func connect(url, name string) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect(url, nats.Name(name), nats.ReconnectBufSize(-1), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(20*time.Millisecond, 20*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
	}
	return nc, js, err
}

// program is what a node runs until its context ends.
type program func(ctx context.Context) error

// start opens connection, ledger and fence, and runs what build makes of them.
func (t *trial) start(ctx context.Context, name string, build func(*node, jetstream.JetStream, books) (program, error)) (*node, error) {
	nc, js, err := connect(t.store.url(), name)
	if err != nil {
		return nil, err
	}
	n := &node{name: name, nc: nc}
	log := t.log.With().Str("instance", name).Logger()
	l, err := ledger.Open(ctx, nc, js, ledger.Options{Log: log})
	if err != nil {
		nc.Close()
		return nil, err
	}
	var b books = l
	if !t.control {
		n.fence = fence.New(nc, js, fence.Options{Instance: name, Log: log, Every: lookEvery, Confirm: confirm, Hearing: t.hearing})
		b = n.fence.Around(l)
	}
	run, err := build(n, js, &watched{books: b, witness: &t.witness, by: name})
	if err != nil {
		nc.Close()
		return nil, err
	}
	life, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	if n.fence != nil {
		running.Go(func() { n.fence.Run(life) })
	}
	running.Go(func() {
		// What setup has not made yet ends a program, and its supervisor starts it again.
		for err := run(life); err != nil && life.Err() == nil && pause(life, 100*time.Millisecond); err = run(life) {
			log.Warn().Err(err).Msg("ended, and is started again")
		}
	})
	n.end = sync.OnceFunc(func() { cancel(); running.Wait(); l.Close(); nc.Close() })
	t.nodes = append(t.nodes, n)
	return n, nil
}

// die ends a node as a crash does: nothing that it has in hand reaches the
// server any more.
func (n *node) die() {
	n.nc.Close()
	n.end()
}

func (t *trial) dispatcher(ctx context.Context, name string) error {
	_, err := t.start(ctx, name, func(n *node, js jetstream.JetStream, b books) (program, error) {
		o := dispatcher.Options{
			Instance: name, Log: t.log.With().Str("instance", name).Logger(), Times: times(), AckWait: ackWait,
			SweepEvery: 300 * time.Millisecond, LeaseFor: 2 * time.Second, HandleFor: 5 * time.Second, DrainFor: 500 * time.Millisecond,
			UnknownFor: 5 * time.Second,
		}
		if n.fence != nil {
			o.Fence = n.fence
		}
		d := dispatcher.New(n.nc, js, b, queue.New(js), o)
		return d.Run, nil
	})
	return err
}

func (t *trial) worker(ctx context.Context, p messages.Provider, name string) error {
	_, err := t.start(ctx, name, func(n *node, js jetstream.JetStream, b books) (program, error) {
		log := t.log.With().Str("instance", name).Logger()
		limiter := ratelimit.New(js, ratelimit.Options{Provider: p, Instance: name, Log: log})
		http := providerhttp.New(providerhttp.Config{Name: string(p), Timeout: timeout, Limiter: ratelimit.Patient(limiter)})
		shop, err := t.shops.adapter(p, http)
		if err != nil {
			return nil, err
		}
		o := worker.Options{
			Provider: p, Instance: name, Namespace: t.namespace, MaxInFlight: 8,
			Timeout: timeout, Lease: lease, AckWait: ackWait, HoldDown: holdDown, AbsenceWait: absence, Window: 2 * time.Second,
			Times: times(), DrainFor: 500 * time.Millisecond, Log: log,
		}
		if n.fence != nil {
			o.Fence = n.fence
		}
		w, err := worker.New(js, b, queue.New(js), shop, limiter, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return w.Run, nil
	})
	return err
}

// silent is the log of a trial that nobody reads.
var silent = zerolog.Nop()
