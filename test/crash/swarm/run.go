package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
	"github.com/beltline-io/beltline/test/crash/procs"
)

// starting is how long everything may take to start, and to be read at the end.
const starting = 2 * time.Minute

// run is one run: a fresh store, a seed, and everything in it.
type run struct {
	*Options
	bundle  string
	plans   []*plan
	shops   *shops
	server  *procs.Server
	output  *procs.Output
	fleet   *fleet
	up      *upstream
	history *check.History
	wanted  bool // the bundle is evidence
	before  int  // goroutines there were before
	most    int  // goroutines at one time
	load    time.Duration
	cpu     [2]int // seconds that the load took: here, and in the server
}

// swarm makes a whole run and returns what came of it. An error says that the
// run could not be made; what the pipeline did wrong is in the result.
func swarm(ctx context.Context, o Options) (result *Result, err error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	r := &run{Options: &o, before: runtime.NumGoroutine()}
	defer func() {
		r.close()
		if result != nil {
			result.Left = max(0, settledGoroutines(r.before)-r.before)
		}
	}()
	begun := time.Now()
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	report, err := r.phases(ctx)
	if err != nil {
		r.wanted = true
		return nil, fmt.Errorf("%w (the logs are in %s)", err, r.bundle)
	}
	result = r.result(report, time.Since(begun))
	r.wanted = !report.OK() && !r.Naive // of that one knows why
	if r.wanted || r.Keep {
		result.Bundle = r.bundle
		err = save(r.bundle, r.history, report)
	}
	return result, err
}

// settledGoroutines waits until no more goroutines run than before; it does not
// wait for ever.
func settledGoroutines(before int) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for {
		if n := runtime.NumGoroutine(); n <= before || !pause(ctx, 20*time.Millisecond) {
			return n
		}
	}
}

// prepare makes everything ready, and starts the server.
func (r *run) prepare(ctx context.Context) (err error) {
	if r.bundle = r.Dir; r.bundle == "" {
		if r.bundle, err = os.MkdirTemp("", "beltline-swarm-"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(r.bundle, 0o700); err != nil {
		return err
	}
	binary := r.NATSServer
	if binary == "" {
		if binary, err = buildServer(ctx, filepath.Join(r.bundle, "bin")); err != nil {
			return err
		}
	}
	r.shops, r.plans = openShops(r.Options), plans(r.Options)
	if r.output, err = procs.NewOutput(filepath.Join(r.bundle, "nats-server.log"), nil); err != nil {
		return err
	}
	if r.server, err = procs.NewServer(binary, filepath.Join(r.bundle, "nats"), r.output, &procs.Journal{}); err != nil {
		return err
	}
	awake, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	if err := errors.Join(r.server.Start(), r.server.AwaitListening(awake)); err != nil {
		return err
	}
	if r.fleet, err = newFleet(r.Options, r.bundle, r.server.URL(), r.shops); err != nil {
		return err
	}
	if r.up, err = newUpstream(r.server.URL(), r.shops, r.plans); err != nil {
		return err
	}
	r.history = &check.History{
		Seed: r.Seed, Again: r.Again, Commit: r.Commit, Secrets: r.shops.secrets, Rates: map[string]check.Rate{},
		Limits: check.Limits{Stuck: 2 * time.Minute, Heal: r.Heal},
	}
	for _, p := range providers() {
		r.history.Rates[p] = rate
	}
	return nil
}

// buildServer builds the server that the module pins.
func buildServer(ctx context.Context, dir string) (binary string, err error) {
	return filepath.Join(dir, "nats-server"), procs.Build(ctx, dir, procs.NATSServer)
}

// close ends everything, and leaves the bundle only where it tells something.
func (r *run) close() {
	if r.fleet != nil {
		r.fleet.end()
	}
	if r.up != nil {
		r.up.nc.Close()
	}
	if r.server != nil {
		r.server.Terminate(10 * time.Second)
	}
	if r.shops != nil {
		r.shops.close()
	}
	if r.output != nil {
		_ = r.output.Close()
	}
	if !r.wanted && !r.Keep && r.Dir == "" {
		_ = os.RemoveAll(r.bundle)
	}
}

// phases goes through the phases of a run: orders come, and everybody dies;
// nobody dies any more, and every order ends; the check, and another one when no
// answer can come any more.
func (r *run) phases(ctx context.Context) (*check.Report, error) {
	awake, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	if err := r.fleet.start(awake); err != nil {
		return nil, err
	}
	life, end := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer func() { end(nil); group.Wait() }()
	group.Go(func() { end(r.up.follow(life)) })
	group.Go(func() { r.watch(life) })
	r.history.Began = time.Now()
	r.history.Faulty = r.history.Began
	r.say("seed %d: %d orders, %d workers, %g deaths in a second", r.Seed, r.Orders, len(r.fleet.replicas), r.Deaths)
	here, there := used(os.Getpid()), used(r.server.PID())
	r.rage(life)
	r.load = time.Since(r.history.Began)
	r.cpu = [2]int{used(os.Getpid()) - here, used(r.server.PID()) - there}
	r.shops.heal()
	r.history.Healed = time.Now()
	drain, cancelDrain := context.WithTimeout(life, r.Heal)
	defer cancelDrain()
	r.up.contradict(drain)
	r.say("waiting for the last order")
	all := r.up.await(drain, func() bool { return r.up.handed == len(r.plans) && r.up.open == 0 })
	if all {
		r.history.Settled = time.Now()
	}
	if life.Err() != nil {
		return nil, context.Cause(life)
	}
	r.say("check")
	report, err := r.judge(ctx)
	if err != nil || !report.OK() || r.Naive {
		return report, err
	}
	// An answer that comes late must change nothing that was true.
	if !pause(ctx, r.lateFor()) {
		return nil, ctx.Err()
	}
	return r.judge(ctx)
}

// rage hands all orders in while everybody dies.
func (r *run) rage(ctx context.Context) {
	raging, calm := context.WithCancel(ctx)
	defer calm()
	orders, enough := context.WithCancel(ctx)
	defer enough()
	r.shops.spoil(r.Percent)
	var group sync.WaitGroup
	group.Go(func() { newReaper(r.Options, r.fleet, r.up).reap(raging, r.Deaths) })
	if r.Naive {
		group.Go(func() {
			for pause(raging, 100*time.Millisecond) {
				if r.shops.caught() {
					enough()
				}
			}
		})
	}
	r.up.handIn(orders, r.plans, r.Open)
	if r.Naive { // those that were not handed in are no part of the run
		r.plans = r.plans[:r.up.handed]
	}
	calm()
	group.Wait()
}

// judge dumps everything and holds it against the invariants.
func (r *run) judge(ctx context.Context) (*check.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	h := r.history
	logs, err := r.fleet.logs()
	if err != nil {
		return nil, err
	}
	h.Logs = logs
	// After the logs, so that what they say was stored is in it; and the books
	// last, so that what events tell of them is in them.
	streams, err := dumpStreams(ctx, r.up.js)
	if err != nil {
		return nil, err
	}
	h.Streams, h.Books, h.Standings = streams, r.shops.books(), r.shops.standings()
	h.Goods, h.Incidents = r.shops.drop.Keys(), r.fleet.journal.Lines()
	r.up.mu.Lock()
	defer r.up.mu.Unlock()
	h.Orders = h.Orders[:0]
	for _, p := range r.plans {
		h.Orders = append(h.Orders, p.Order)
	}
	h.Seen = make(map[uint64]string, len(r.up.seen))
	for seq, body := range r.up.seen {
		if n := len(streams["EVENTS"]); n > 0 && seq <= streams["EVENTS"][n-1].Seq { // the rest came since
			h.Seen[seq] = body
		}
	}
	return check.Check(h), nil
}

// watch tells how it goes, and counts goroutines.
func (r *run) watch(ctx context.Context) {
	for n := 1; pause(ctx, 200*time.Millisecond); n++ {
		r.most = max(r.most, runtime.NumGoroutine())
		if n%25 == 0 {
			handed, open := r.up.counts()
			r.say("%d of %d orders handed in, %d open (%s); %d deaths, %d not yet cold; %d goroutines",
				handed, r.Orders, open, counts(r.up.unfinished()), r.fleet.journal.Count(check.Killed), r.fleet.dead.Load(), runtime.NumGoroutine())
		}
	}
}

func (r *run) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.Progress, "%s %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}
