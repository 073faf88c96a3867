package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Options of a trial that are not its seed.
type options struct {
	dir     string        // parent of the folder of the trial; empty for the system's
	control bool          // without a fence
	hearing time.Duration // of the fence; 0 is 1.5 s
	heal    time.Duration // the longest wait for the last order; 0 is 40 s
	keep    bool          // keep the folder though all went well
	log     bool          // write the log of all nodes into the folder
}

// trial is one store and what becomes of it.
type trial struct {
	options
	seed   uint64
	fault  fault
	random *rand.Rand
	log    zerolog.Logger

	store     *store
	shops     *shops
	nc        *nats.Conn
	js        jetstream.JetStream
	namespace string
	nodes     []*node
	witness   witness
	choke     bool // the disk is to take no more
	byHand    bool
	hidden    map[string]bool // orders of which an event cannot be read
	dead      map[string]bool // nodes that ended with the server
	struck    time.Time       // when it ended

	mu       sync.Mutex
	items    []*item
	handing  sync.WaitGroup
	nonsense int
	notes    []string
	life     context.Context
}

// Sizes of a trial.
const (
	firstOrders, moreOrders, lateOrders, freshOrders = 14, 12, 8, 4
	prepareFor                                       = 30 * time.Second
)

// try makes the trial of a seed.
func try(ctx context.Context, seed uint64, f fault, o options) (out *outcome, err error) {
	if o.hearing == 0 {
		o.hearing = 1500 * time.Millisecond
	}
	if o.heal == 0 {
		o.heal = 40 * time.Second
	}
	if o.control {
		o.heal = min(o.heal, 8*time.Second)
	}
	out = &outcome{Seed: seed, Fault: f.name}
	if f.skip != nil {
		if out.Skipped = f.skip(); out.Skipped != "" {
			return out, nil
		}
	}
	t := &trial{options: o, seed: seed, fault: f, random: rand.New(rand.NewPCG(seed, 23)), log: silent} //nolint:gosec // repeatable on purpose
	dir, err := os.MkdirTemp(o.dir, fmt.Sprintf("beltline-storage-%d-", seed))
	if err != nil {
		return nil, err
	}
	began := time.Now()
	life, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		t.close()
		out.Seconds = time.Since(began).Seconds()
		out.Notes = t.notes
		if err == nil && len(out.Violations) == 0 && !o.keep {
			err = os.RemoveAll(dir)
		} else {
			out.Dir = dir
		}
	}()
	t.life = life
	if err := t.open(life, dir); err != nil {
		return out, fmt.Errorf("seed %d: prepare: %w", seed, err)
	}
	if err := t.run(life, out); err != nil {
		return out, fmt.Errorf("seed %d: %s: %w", seed, f.name, err)
	}
	return out, nil
}

// open prepares server, shops, streams and programs.
func (t *trial) open(ctx context.Context, dir string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, prepareFor)
	defer cancel()
	if t.options.log {
		file, err := os.Create(filepath.Join(dir, "nodes.log"))
		if err != nil {
			return err
		}
		t.log = zerolog.New(zerolog.SyncWriter(file)).With().Timestamp().Logger()
	}
	if t.store, err = newStore(dir, t.seed*7919); err != nil {
		return err
	}
	t.shops = openShops(t.seed)
	if t.fault.begin != nil {
		if err := t.fault.begin(t); err != nil {
			return err
		}
	}
	if err := t.store.up(ctx); err != nil {
		return err
	}
	if t.nc, t.js, err = connect(t.store.url(), "upstream"); err != nil {
		return err
	}
	if err := t.awake(ctx); err != nil {
		return err
	}
	if err := t.small(ctx); err != nil {
		return err
	}
	if err := t.setUp(ctx); err != nil {
		return err
	}
	return t.startAll(ctx, "a", "b")
}

// startAll starts a dispatcher and a worker for each provider, for each replica.
func (t *trial) startAll(ctx context.Context, replicas ...string) error {
	for _, r := range replicas {
		if err := t.dispatcher(ctx, "dispatcher-"+r); err != nil {
			return err
		}
		for _, p := range messages.Providers() {
			if err := t.worker(ctx, p, string(p)+"-"+r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *trial) close() {
	if t.shops != nil {
		t.shops.close()
	}
	var ending sync.WaitGroup
	for _, n := range t.nodes {
		ending.Go(n.die)
	}
	ending.Wait()
	t.handing.Wait()
	if t.nc != nil {
		t.nc.Close()
	}
	if t.store != nil {
		t.store.Kill("")
		_ = t.store.output.Close()
	}
}

// run goes through the phases.
func (t *trial) run(ctx context.Context, out *outcome) error {
	t.shops.loseAnswers(6)
	t.handIn(firstOrders)
	t.awaitSold(ctx, 1+t.random.IntN(firstOrders/2))
	older, err := t.copied(ctx)
	if err != nil {
		return err
	}
	t.handIn(moreOrders)
	t.awaitSold(ctx, firstOrders/2+2+t.random.IntN(firstOrders))
	survivors, err := t.strike(ctx, older)
	if errors.Is(err, errNothing) {
		out.Skipped = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	t.shops.heal()
	t.shops.late.Store(true)
	if err := t.setUp(ctx); err != nil {
		return err
	}
	if len(survivors) < len(t.nodes) {
		t.nodes = survivors
		if err := t.startAll(ctx, "c"); err != nil {
			return err
		}
	}
	t.handIn(lateOrders)
	if err := t.recover(ctx, out); err != nil {
		return err
	}
	t.handInFresh(freshOrders)
	if err := t.recover(ctx, out); err != nil {
		return err
	}
	return t.judge(ctx, out)
}

// copied is an older copy of the store, where the fault needs one.
func (t *trial) copied(ctx context.Context) (string, error) {
	if !t.fault.whole && t.fault.older == nil {
		return "", nil
	}
	to := filepath.Join(t.store.dir, "older")
	switch how := t.random.IntN(3); {
	case strings.Contains(t.fault.name, "running"):
		return to, copyTree(t.store.data(), to)
	case how == 0:
		t.note("copied after a stop")
		t.store.down(false)
		if err := copyTree(t.store.data(), to); err != nil {
			return "", err
		}
		return to, t.awake(ctx)
	default:
		t.note("copied as it stood")
		t.store.Stop()
		defer t.store.Continue()
		return to, copyTree(t.store.data(), to)
	}
}

// strike does the fault, and returns the nodes that live on.
func (t *trial) strike(ctx context.Context, older string) (survivors []*node, err error) {
	if t.fault.up != nil {
		what, err := t.fault.up(ctx, t)
		t.note(what)
		return t.nodes, err
	}
	if t.choke {
		bytes := uint64(6_000 + t.random.IntN(20_000)) //nolint:gosec // positive
		if err := choke(t.store.PID(), bytes); err != nil {
			return nil, err
		}
		t.note(fmt.Sprintf("no file beyond %d bytes", bytes))
		t.handIn(6)
		pause(ctx, fullFor)
	}
	kill := t.random.IntN(2) == 0 && !t.fault.stop
	t.note(map[bool]string{true: "killed", false: "stopped"}[kill])
	t.store.down(kill)
	t.struck = time.Now()
	survivors = t.bury(kill)
	if older != "" {
		err = t.rollBack(older)
	} else {
		what, e := t.fault.down(t)
		t.note(what)
		err = e
	}
	if err != nil {
		return nil, err
	}
	return survivors, t.awake(ctx)
}

// awake starts the server and waits until upstream has reached it.
func (t *trial) awake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, prepareFor)
	defer cancel()
	if err := t.store.up(ctx); err != nil {
		return err
	}
	for {
		once, cancel := context.WithTimeout(ctx, time.Second)
		err := t.nc.FlushWithContext(once)
		cancel()
		if err == nil && t.nc.ConnectedServerName() != t.store.name {
			return fmt.Errorf("port %d is served by %s", t.store.port, t.nc.ConnectedServerName())
		}
		if err == nil {
			return nil
		}
		if !pause(ctx, 10*time.Millisecond) {
			return fmt.Errorf("the server was not reached again: %w", err)
		}
	}
}

// bury lets some of the nodes end with the server, by seed. Of each kind one
// lives on: what all have forgotten nobody can miss.
func (t *trial) bury(kill bool) (survivors []*node) {
	if t.random.IntN(3) == 0 {
		return t.nodes
	}
	t.note("half of the nodes ended with it")
	t.dead = map[string]bool{}
	var ending sync.WaitGroup
	for _, n := range t.nodes {
		switch {
		case strings.HasSuffix(n.name, "-a"):
			survivors = append(survivors, n)
		case kill:
			t.dead[n.name] = true
			ending.Go(n.die)
		default:
			t.dead[n.name] = true
			ending.Go(n.end)
		}
	}
	ending.Wait()
	return survivors
}

func (t *trial) rollBack(older string) error {
	if t.fault.whole {
		return replace(t.store.data(), older)
	}
	at := strings.TrimPrefix(t.store.streams(), t.store.data())
	for _, name := range t.fault.older {
		if err := replace(filepath.Join(t.store.streams(), name), filepath.Join(older, at, name)); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text != "" {
		t.notes = append(t.notes, text)
	}
}

func (t *trial) known() []*item {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.items)
}
