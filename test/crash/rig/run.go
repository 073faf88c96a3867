package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
)

// Limits of one process.
const (
	maxRSS = 512 << 20
	maxFDs = 512
)

// starting is how long everything may take to start, and to be read at the end.
const starting = 2 * time.Minute

// run is one run.
type run struct {
	*Options
	bundle  string
	plans   []*plan
	shops   *shops
	hooks   map[string]*callbacks
	fleet   *fleet
	up      *upstream
	history *check.History
	samples []check.Sample
	wanted  bool // the bundle is evidence
	form    string
	// trials take the place of the nemesis; nil for it.
	trials func(ctx context.Context) error
	// begin is done before anything else is started; nil for nothing.
	begin      func(ctx context.Context) error
	setupCases []*Case
	nodeDeeds  int
}

// Run makes a whole run and returns what came of it. An error says that the
// rig itself could not go on; what the pipeline did wrong is in the result.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	return (&run{Options: &o}).whole(ctx)
}

// whole goes through a run from its preparation to its result.
func (r *run) whole(ctx context.Context) (result *Result, err error) {
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	defer r.close()
	begun := time.Now()
	report, err := r.phases(ctx)
	if err != nil {
		r.wanted = true
		return nil, fmt.Errorf("%w (the logs are in %s)", err, r.bundle)
	}
	result = r.result(report, time.Since(begun))
	r.wanted = !report.OK() && r.Naive == "" && r.Mutant == "" // of these one knows why
	if r.wanted || r.Keep {
		result.Bundle = r.bundle
		err = save(r.bundle, r.history, report)
	}
	return result, err
}

// prepare builds the programs and makes everything ready to start.
func (r *run) prepare(ctx context.Context) (err error) {
	if r.bundle = r.Dir; r.bundle == "" {
		if r.bundle, err = os.MkdirTemp("", "beltline-crash-"); err != nil {
			return err
		}
	}
	programs := r.Programs
	if programs == "" {
		programs = filepath.Join(r.bundle, "bin")
		r.say("building the programs")
		if err := r.build(ctx, programs); err != nil {
			return err
		}
	}
	r.shops, r.hooks = openShops(r.Options), map[string]*callbacks{}
	if r.plans == nil {
		r.plans = plans(r.Options)
	}
	public := map[string]string{}
	for provider, forge := range map[string]func(call, int) (call, bool){skinsBack: r.shops.forgeSkins, exchanger: forgeSite} {
		c, err := newCallbacks(r.Seed, provider, forge)
		if err != nil {
			return err
		}
		c.doors = func() []*member { return r.fleet.of(provider) }
		r.hooks[provider], public[provider] = c, c.url()
	}
	if r.fleet, err = newFleet(r.Options, r.bundle, programs, r.shops, public); err != nil {
		return err
	}
	r.up, err = newUpstream(r.fleet.urls(), r.shops, r.plans)
	r.history = &check.History{
		Seed: r.Seed, Again: r.Again, Commit: r.Commit, Secrets: r.shops.secrets, Rates: map[string]check.Rate{},
		Limits: check.Limits{Stuck: r.Stuck, Heal: r.Heal, RSS: maxRSS, FDs: maxFDs},
	}
	for _, p := range r.Providers {
		r.history.Rates[p] = r.limit
	}
	return err
}

// close ends everything, and leaves the bundle only where it tells something.
func (r *run) close() {
	r.fleet.end(10 * r.Timeout)
	r.up.nc.Close()
	r.shops.close()
	for _, c := range r.hooks {
		c.close()
	}
	if !r.wanted && !r.Keep && r.Dir == "" {
		_ = os.RemoveAll(r.bundle)
	}
}

// phases goes through the phases of a run.
func (r *run) phases(ctx context.Context) (*check.Report, error) {
	awake, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	if r.begin != nil {
		if err := r.begin(awake); err != nil {
			return nil, err
		}
	}
	if err := r.fleet.startAll(awake); err != nil {
		return nil, err
	}
	life, end := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer func() { end(); group.Wait() }()
	group.Go(func() { r.up.follow(life) })
	group.Go(func() { r.watch(life) })
	r.history.Began = time.Now()
	var orders sync.WaitGroup
	if r.trials == nil {
		orders.Go(func() { r.up.handIn(life, r.plans) })
	}
	r.say("quiet for %s, %d orders to come, seed %d", r.Quiet, r.Orders, r.Seed)
	if !pause(ctx, r.Quiet) {
		return nil, ctx.Err()
	}
	if err := r.faults(ctx); err != nil {
		return nil, err
	}
	drain, cancelDrain := context.WithTimeout(ctx, r.Heal)
	defer cancelDrain()
	orders.Wait()
	r.up.contradict(drain)
	r.settle(drain)
	r.say("first check")
	report, err := r.judge(ctx)
	if err != nil || !report.OK() {
		return report, err
	}
	// An answer that comes late must change nothing that was true.
	r.say("second check in %s, when no answer can come any more", r.lateFor())
	if !pause(ctx, r.lateFor()) {
		return nil, ctx.Err()
	}
	return r.judge(ctx)
}

// faults lets the nemesis rage, and heals everything.
func (r *run) faults(ctx context.Context) error {
	if r.trials != nil {
		return r.tried(ctx)
	}
	r.say("faults for %s", r.For)
	r.history.Faulty = time.Now()
	r.shops.spoil(r.Percent)
	for _, c := range r.hooks {
		c.spoilt.Store(true)
	}
	rage, cancel := context.WithTimeout(ctx, r.For)
	defer cancel()
	if r.enough != nil {
		go func() {
			for pause(rage, 50*time.Millisecond) {
				if r.enough(r.shops) {
					cancel()
				}
			}
		}()
	}
	if err := r.rage(rage); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.healed(ctx)
}

// rage lets the nemesis of the programs and that of the nodes have their way.
func (r *run) rage(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	var broken error
	var n *nodes
	if r.fleet.cluster != nil && !r.Calm {
		var err error
		if n, err = newNodes(r.Options, r.fleet, r.shops); err != nil {
			return err
		}
		defer n.close()
		group.Go(func() {
			if broken = n.rage(ctx); broken != nil {
				cancel()
			}
		})
	}
	err := newNemesis(r.Options, r.fleet, r.shops).rage(ctx)
	group.Wait()
	if n != nil {
		r.nodeDeeds = n.done
	}
	return errors.Join(err, broken)
}

// tried makes the trials of a directed run.
func (r *run) tried(ctx context.Context) error {
	r.history.Faulty = time.Now()
	if err := r.trials(ctx); err != nil {
		return err
	}
	return r.healed(ctx)
}

// healed ends all faults and waits until everything works again.
func (r *run) healed(ctx context.Context) error {
	r.say("healing")
	r.shops.heal()
	for _, c := range r.hooks {
		c.spoilt.Store(false)
	}
	patience := starting
	if r.Mutant != "" {
		patience = 5 * time.Second
	}
	awake, cancelAwake := context.WithTimeout(ctx, patience)
	defer cancelAwake()
	// A mutant may have made the programs stop their work, as they should.
	if err := errors.Join(r.fleet.mend(awake), r.fleet.awaitReady(awake)); err != nil && r.Mutant == "" {
		return err
	}
	r.history.Healed = time.Now()
	return nil
}

// settle waits for the end of all orders.
func (r *run) settle(ctx context.Context) {
	r.say("waiting for the last order")
	if r.up.awaitSettled(ctx) {
		r.history.Settled = time.Now()
		r.up.awaitTaken(ctx)
	}
}

// judge dumps everything and holds it against the invariants.
func (r *run) judge(ctx context.Context) (*check.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	h := r.history
	// The logs first and the books last: what a log says was acknowledged is in the
	// streams, and what was told before it was read is in the books.
	logs := r.fleet.logs()
	streams, err := dumpStreams(ctx, r.up.js)
	if err != nil {
		return nil, err
	}
	if r.fleet.cluster != nil {
		if err := r.fleet.cluster.AwaitHealthy(ctx); err != nil { // a copy that is behind is not wrong
			return nil, err
		}
		if h.Copies, err = dumpCopies(ctx, r.up.js, len(r.fleet.nodes())); err != nil {
			return nil, err
		}
	}
	h.Streams, h.Logs, h.Books, h.Standings = streams, logs, r.shops.books(), r.shops.standings()
	h.Goods, h.Incidents, h.Hooks = r.shops.drop.Keys(), r.fleet.journal.Lines(), nil
	for _, c := range r.hooks {
		h.Hooks = append(h.Hooks, c.sent()...)
	}
	h.Orders = h.Orders[:0]
	r.up.mu.Lock()
	for _, p := range r.plans {
		h.Orders = append(h.Orders, p.Order)
	}
	h.Seen = make(map[uint64]string, len(r.up.seen))
	for seq, body := range r.up.seen {
		if n := len(streams["EVENTS"]); n > 0 && seq <= streams["EVENTS"][n-1].Seq { // the rest came since
			h.Seen[seq] = body
		}
	}
	h.Samples = r.samples
	r.up.mu.Unlock()
	return check.Check(h), nil
}

// watch tells how it goes, and samples the processes.
func (r *run) watch(ctx context.Context) {
	for pause(ctx, 5*time.Second) {
		now := sample(r.fleet)
		r.up.mu.Lock()
		r.samples = append(r.samples, now...)
		r.up.mu.Unlock()
		stored, settled := r.up.counts()
		r.say("%d of %d orders handed in, %d ended; %d processes killed, servers %d times",
			stored, len(r.plans), settled, r.fleet.journal.Count(check.Killed, "nats-server"), r.fleet.serverKills())
	}
}

func (r *run) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.Progress, "%s %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}
