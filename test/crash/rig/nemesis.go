package rig

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/test/crash/check"
)

// nemesis breaks things, one after the other, as its seed says. Pauses and
// returns go on beside it.
type nemesis struct {
	opts   *Options
	fleet  *fleet
	shops  *shops
	random *rand.Rand
	begun  time.Time

	mu      sync.Mutex
	busy    map[string]bool // processes in the middle of a deed
	pending sync.WaitGroup
	broken  chan error // a program that cannot be started any more
}

// deed is one way to break something.
type deed struct {
	weight int
	name   string
	do     func(n *nemesis, ctx context.Context)
}

// deeds are what the nemesis chooses from. What is done to the nodes of a cluster
// stands in nodes.go; points in the code are tried one by one (directed.go).
var deeds = []deed{
	{34, "kill a worker", (*nemesis).killWorker},
	{30, pointDeed, (*nemesis).pointWorker},
	{20, "ambush the workers of a shop", (*nemesis).ambush},
	{12, "pause a worker beyond its lease", (*nemesis).pauseWorker},
	{8, "ask a worker to end", (*nemesis).endWorker},
	{6, "kill a dispatcher", (*nemesis).killDispatcher},
	{4, "pause a dispatcher", (*nemesis).pauseDispatcher},
	{8, "kill" + serverDeed, (*nemesis).killServer},
	{2, "ambush" + serverDeed, (*nemesis).ambushServer},
	{2, "pause" + serverDeed, (*nemesis).pauseServer},
	{6, "cut a process off", (*nemesis).cut},
	{3, "break connections to the server", (*nemesis).breakConnections},
	{2, "move a price", (*nemesis).price},
	{2, "slow a shop down", (*nemesis).slow},
}

// serverDeed ends the names of what is done to a server that stands alone.
const serverDeed = " the server"

func newNemesis(o *Options, f *fleet, s *shops) *nemesis {
	return &nemesis{
		opts: o, fleet: f, shops: s, random: rand.New(rand.NewPCG(o.Seed, 13)), //nolint:gosec // repeatable on purpose
		begun: time.Now(), busy: map[string]bool{}, broken: make(chan error, 1),
	}
}

// rage breaks things until ctx ends, and then waits for what it has begun.
func (n *nemesis) rage(ctx context.Context) error {
	deeds, total := n.choice()
	if total == 0 {
		<-ctx.Done()
	}
	for ctx.Err() == nil {
		// Waits of every length with the mean that was asked for.
		wait := time.Duration(n.random.ExpFloat64() / n.opts.Rate * float64(time.Second))
		if !pause(ctx, min(wait, 5*time.Second)) {
			break
		}
		pick := n.random.IntN(total)
		for _, d := range deeds {
			if pick -= d.weight; pick < 0 {
				d.do(n, ctx)
				break
			}
		}
	}
	n.pending.Wait()
	select {
	case err := <-n.broken:
		return err
	default:
		return nil
	}
}

// choice is what may be done in this run, and the sum of its weights.
func (n *nemesis) choice() (all []deed, total int) {
	for _, d := range deeds {
		if d.name == pointDeed && !n.opts.Failpoints || strings.HasSuffix(d.name, serverDeed) && n.fleet.cluster != nil {
			continue
		}
		if !n.opts.Calm && (n.opts.only == "" || n.opts.only == d.name) {
			all, total = append(all, d), total+d.weight
		}
	}
	return all, total
}

// take claims a process for a deed; false where one is under way.
func (n *nemesis) take(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy[name] {
		return false
	}
	n.busy[name] = true
	return true
}

func (n *nemesis) give(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.busy[name] = false
}

// beside goes on with a deed while the nemesis looks for the next.
func (n *nemesis) beside(m *member, do func()) {
	n.pending.Go(func() {
		defer n.give(m.Name)
		do()
		if err := m.Start(); err != nil {
			select {
			case n.broken <- err:
			default:
			}
		}
	})
}

// worker picks a worker that nothing is done to.
func (n *nemesis) worker() *member {
	provider := n.opts.Providers[n.random.IntN(len(n.opts.Providers))]
	return n.pick(n.fleet.of(provider))
}

func (n *nemesis) pick(members []*member) *member {
	if m := members[n.random.IntN(len(members))]; n.take(m.Name) {
		return m
	}
	return nil
}

// away is how long a process stays away: mostly not at all.
func (n *nemesis) away() time.Duration {
	if n.random.IntN(3) > 0 {
		return 0
	}
	return time.Duration(n.random.Int64N(int64(n.opts.lease())))
}

// pointDeed needs programs that were built for it.
const pointDeed = "let a worker die at a point"

// pointFor is how long a worker has to reach the point at which it dies.
const pointFor = 3 * time.Second

// inBatch are the points around a batch: before its first message, before and
// after the one that commits it.
var inBatch = []string{"commit.batch.before", "commit.batch.after", "commit.last.before", "commit.last.after"}

// pointWorker starts a worker anew that dies by its own hand at a point.
func (n *nemesis) pointWorker(ctx context.Context) {
	m := n.worker()
	if m == nil {
		return
	}
	all := cases(m.provider)
	c := all[n.random.IntN(len(all))]
	point := c.Point
	if m.together && n.random.IntN(3) == 0 {
		point = inBatch[n.random.IntN(len(inBatch))]
	}
	faults := fmt.Sprintf("%s=kill:%d", point, 1+n.random.IntN(5))
	n.beside(m, func() {
		m.Kill("to die at " + faults)
		if m.startWith(faults) == nil {
			for until := time.Now().Add(pointFor); m.Running() && time.Now().Before(until); {
				if !pause(ctx, 20*time.Millisecond) {
					break
				}
			}
		}
		m.Env = m.sound // its next life is whole
	})
}

func (n *nemesis) killWorker(ctx context.Context) { n.kill(ctx, n.worker()) }

func (n *nemesis) kill(ctx context.Context, m *member) {
	if m == nil {
		return
	}
	away := n.away()
	n.beside(m, func() {
		m.Kill("")
		pause(ctx, away)
	})
}

// ambush kills all workers of a shop at the moment when the shop has bought,
// before they can have recorded it.
func (n *nemesis) ambush(ctx context.Context) {
	provider := n.opts.Providers[n.random.IntN(len(n.opts.Providers))]
	away := n.away()
	n.pending.Go(func() {
		if !n.awaitPurchase(ctx, provider) {
			return
		}
		for _, m := range n.fleet.of(provider) {
			if n.take(m.Name) {
				n.beside(m, func() {
					m.Kill("the shop has just bought")
					pause(ctx, away)
				})
			}
		}
	})
}

// ambushFor is how long the nemesis lies in wait for a purchase.
const ambushFor = 3 * time.Second

func (n *nemesis) awaitPurchase(ctx context.Context, provider string) bool {
	ctx, cancel := context.WithTimeout(ctx, ambushFor)
	defer cancel()
	book := n.shops.doors[provider].Book
	since := time.Now()
	_, err := book.Wait(ctx, func(e providertest.Entry) bool {
		return e.Phase == providertest.Committed && e.Time.After(since)
	})
	return err == nil
}

// pauseWorker stops a worker for longer than its lease: another takes its
// orders for abandoned, and then it wakes up.
func (n *nemesis) pauseWorker(ctx context.Context) {
	n.freeze(ctx, n.worker(), n.opts.lease()+time.Duration(n.random.Int64N(int64(n.opts.lease()))))
}

func (n *nemesis) freeze(ctx context.Context, m *member, d time.Duration) {
	if m == nil {
		return
	}
	n.beside(m, func() {
		m.Stop()
		pause(ctx, d)
		m.Continue()
	})
}

func (n *nemesis) endWorker(context.Context) {
	if m := n.worker(); m != nil {
		n.beside(m, func() { m.Terminate(10 * n.opts.Timeout) })
	}
}

func (n *nemesis) killDispatcher(ctx context.Context) {
	if time.Since(n.begun) < n.opts.DispatcherUntil {
		n.kill(ctx, n.pick(n.fleet.of("")))
	}
}

func (n *nemesis) pauseDispatcher(ctx context.Context) {
	n.freeze(ctx, n.pick(n.fleet.of("")), time.Duration(n.random.Int64N(int64(2*n.opts.lease()))))
}

func (n *nemesis) killServer(ctx context.Context) {
	away := n.away() / 2
	if !n.take(n.fleet.server.Name) {
		return
	}
	n.pending.Go(func() {
		defer n.give(n.fleet.server.Name)
		n.strikeServer(ctx, "", away)
	})
}

func (n *nemesis) strikeServer(ctx context.Context, note string, away time.Duration) {
	n.fleet.server.Kill(note)
	pause(ctx, away)
	if err := n.fleet.server.Start(); err != nil {
		select {
		case n.broken <- err:
		default:
		}
	}
}

// ambushServer kills the server when a shop has bought: the outcome has nowhere
// to go.
func (n *nemesis) ambushServer(ctx context.Context) {
	provider, away := n.opts.Providers[n.random.IntN(len(n.opts.Providers))], n.away()
	if !n.take(n.fleet.server.Name) {
		return
	}
	n.pending.Go(func() {
		defer n.give(n.fleet.server.Name)
		if n.awaitPurchase(ctx, provider) {
			n.strikeServer(ctx, provider+" has just bought", away)
		}
	})
}

func (n *nemesis) pauseServer(ctx context.Context) {
	d := time.Duration(n.random.Int64N(int64(2 * n.opts.lease())))
	if !n.take(n.fleet.server.Name) {
		return
	}
	n.pending.Go(func() {
		defer n.give(n.fleet.server.Name)
		n.fleet.server.Stop()
		pause(ctx, d)
		n.fleet.server.Continue()
	})
}

// networked picks a process whose way to the server can be disturbed.
func (n *nemesis) networked() *member {
	all := slices.DeleteFunc(slices.Clone(n.fleet.members), func(m *member) bool { return len(m.network) == 0 })
	if len(all) == 0 {
		return nil
	}
	return all[n.random.IntN(len(all))]
}

// cut holds back all that a process and the server tell each other, for longer
// than a lease: the process goes on and calls shops.
func (n *nemesis) cut(ctx context.Context) {
	m, d := n.networked(), n.opts.lease()+time.Duration(n.random.Int64N(int64(n.opts.lease())))
	if m == nil || !m.network.hold() {
		return
	}
	n.pending.Go(func() {
		defer m.network.release()
		pause(ctx, d)
	})
}

func (n *nemesis) breakConnections(context.Context) {
	if m := n.networked(); m != nil {
		m.network.reset()
	}
}

func (n *nemesis) price(context.Context) {
	n.fleet.journal.Note(gamesDrop, gamesDrop, check.Troubled, "price "+n.shops.price(n.random.IntN(3)))
}

// slow makes the next requests to a shop take a third of their time-out.
func (n *nemesis) slow(context.Context) {
	provider := n.opts.Providers[n.random.IntN(len(n.opts.Providers))]
	n.fleet.journal.Note(provider, provider, check.Troubled, "slow")
	n.shops.doors[provider].Faults.Next(providertest.Any, 20, providertest.Fault{Kind: providertest.Slow, Delay: n.opts.Timeout / 3})
}
