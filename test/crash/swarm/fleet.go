package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/test/crash/check"
	"github.com/beltline-io/beltline/test/crash/procs"
	"github.com/beltline-io/beltline/test/crash/swarm/life"
)

// asks is what a worker or a dispatcher writes to NATS when it has started and
// takes up its work.
const asks = "CONSUMER.MSG.NEXT."

// grave is how long the goroutines of a dead program may take to end. It is no
// promise of the product: a killed process has none. It shows a leak.
const grave = 30 * time.Second

// replica is a place in which one life follows another.
type replica struct {
	program, name string
	provider      string // empty for a dispatcher
	output        *procs.Output

	mu     sync.Mutex
	life   *life.Life
	hunted bool // its death is arranged already
}

// owner is what is known of a life afterwards.
type owner struct {
	life *life.Life
}

// fleet is all lives of a run.
type fleet struct {
	opts     *Options
	shops    *shops
	url      string
	journal  *procs.Journal
	replicas []*replica
	env      map[string]string

	ctx     context.Context
	stop    context.CancelFunc
	loops   sync.WaitGroup
	graves  sync.WaitGroup
	dead    atomic.Int64 // programs that have not ended yet though they are dead
	overdue atomic.Int64 // those that took longer than grave
	births  atomic.Int64

	mu        sync.Mutex
	instances map[string]*owner
	late      life.Late
}

func newFleet(o *Options, bundle, url string, s *shops) (*fleet, error) {
	f := &fleet{opts: o, shops: s, url: url, journal: &procs.Journal{}, instances: map[string]*owner{}, env: o.times()}
	f.ctx, f.stop = context.WithCancel(context.Background())
	maps.Copy(f.env, map[string]string{
		"NATS_URL": url, "LOG_LEVEL": "info", "LOG_FORMAT": "json",
		"EVENTS_MAX_BYTES": "3GiB", "ORDERS_MAX_BYTES": "256MiB", "DLQ_MAX_BYTES": "256MiB",
	})
	for _, p := range providers() {
		f.env[strings.ToUpper(p)+"_RATE_LIMIT"] = fmt.Sprintf("%d/%s", rate.Requests, rate.Window)
	}
	logs := filepath.Join(bundle, "logs")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return nil, err
	}
	add := func(program, provider string, n int) error {
		name := fmt.Sprintf("%s-%d", program, n)
		out, err := procs.NewOutput(filepath.Join(logs, name+".log"), nil)
		f.replicas = append(f.replicas, &replica{program: program, name: name, provider: provider, output: out})
		return err
	}
	for n := range o.Dispatchers {
		if err := add("dispatcher", "", n); err != nil {
			return nil, err
		}
	}
	for _, p := range providers() {
		if o.Naive && p != balanceSteam {
			continue
		}
		for n := range o.Workers {
			if err := add("worker-"+p, p, n); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// start begins the first life of every replica, the dispatchers' before those
// of the workers, which wait for the streams.
func (f *fleet) start(ctx context.Context) error {
	for i, r := range f.replicas {
		f.loops.Go(func() { f.keep(r) })
		if r.provider == "" && !f.awaitWorking(ctx, f.replicas[:i+1]) {
			return fmt.Errorf("%s does not work: %w", r.name, ctx.Err())
		}
	}
	if !f.awaitWorking(ctx, f.replicas) {
		return fmt.Errorf("not all workers work: %w", ctx.Err())
	}
	return nil
}

// awaitWorking waits until all of them work.
func (f *fleet) awaitWorking(ctx context.Context, all []*replica) bool {
	for {
		idle := 0
		for _, r := range all {
			if l, _ := r.now(); l == nil || !l.Working() {
				idle++
			}
		}
		if idle == 0 {
			return true
		}
		if !pause(ctx, 10*time.Millisecond) {
			return false
		}
	}
}

// now is the present life, and whether its death is arranged.
func (r *replica) now() (*life.Life, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.life, r.hunted
}

// keep lets one life follow another until the fleet is stopped.
func (f *fleet) keep(r *replica) {
	for f.ctx.Err() == nil {
		if err := f.live(r); err != nil {
			f.journal.Note(r.program, r.name, check.Exited, err.Error())
			pause(f.ctx, 100*time.Millisecond)
		}
	}
}

// live is one life: it returns at its death, or when the fleet is stopped. The
// goroutines of a dead program end beside the next life.
func (f *fleet) live(r *replica) error {
	l := life.New(asks, func(how string) { f.journal.Note(r.program, r.name, check.Killed, how) })
	front := ""
	if r.provider != "" {
		var err error
		if front, err = l.Front(f.shops.address(r.provider)); err != nil {
			return err
		}
	}
	f.journal.Note(r.program, r.name, check.Spawned, "")
	f.births.Add(1)
	r.mu.Lock()
	r.life, r.hunted = l, false
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	log := l.Log(&register{to: r.output, tell: func(instance string) { f.enter(instance, l) }})
	execute := f.program(r, l, front, log)
	go func() { ended <- execute(ctx) }()
	select {
	case <-l.Died():
		f.bury(l, cancel, ended)
		return nil
	case code := <-ended:
		cancel()
		l.Close()
		return fmt.Errorf("ended by itself with %d", code)
	case <-f.ctx.Done():
		f.bury(l, cancel, ended)
		return nil
	}
}

// bury ends the goroutines of a program and frees what its life had.
func (f *fleet) bury(l *life.Life, cancel context.CancelFunc, ended <-chan int) {
	f.dead.Add(1)
	cancel()
	f.graves.Go(func() {
		defer f.dead.Add(-1)
		timer := time.NewTimer(grave)
		defer timer.Stop()
		select {
		case <-ended:
		case <-timer.C:
			f.overdue.Add(1)
			<-ended
		}
		l.Close()
		late := l.Late()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.late.Dials += late.Dials
		f.late.Writes += late.Writes
		f.late.Reads += late.Reads
		f.late.Lines += late.Lines
	})
}

// program is what runs in a life.
func (f *fleet) program(r *replica, l *life.Life, front string, log io.Writer) func(context.Context) int {
	if f.opts.Naive && r.provider == balanceSteam {
		return naive(f.url, l, f.shops.env(r.provider, front))
	}
	p := programs.Dispatcher()
	switch r.provider {
	case balanceSteam:
		p = programs.BalanceSteam()
	case skinsBack:
		p = programs.SkinsBack()
	case gamesDrop:
		p = programs.GamesDrop()
	case exchanger:
		p = programs.Exchanger()
	}
	env := maps.Clone(f.env)
	if r.provider != "" {
		maps.Copy(env, f.shops.env(r.provider, front))
		// Little in hand, because all of it waits for its redelivery at a death.
		env["MAX_IN_FLIGHT"] = fmt.Sprint(f.opts.InFlight)
	}
	return func(ctx context.Context) int {
		return p.Execute(ctx, app.Process{Environ: env, Stdout: log, Stderr: log, NATS: []nats.Option{nats.SetCustomDialer(l.NATS())}})
	}
}

// end ends all programs gently, and waits for all goroutines of theirs.
func (f *fleet) end() {
	f.stop()
	f.loops.Wait()
	f.graves.Wait()
	for _, r := range f.replicas {
		_ = r.output.Close()
	}
}

// enter notes which life an instance is: events name the instance.
func (f *fleet) enter(instance string, l *life.Life) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instances[instance] = &owner{life: l}
}

// deaths are the times at which instances died.
func (f *fleet) deaths() map[string]time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string]time.Time{}
	for instance, o := range f.instances {
		if at := o.life.DiedAt(); !at.IsZero() {
			all[instance] = at
		}
	}
	return all
}

// logs are what all lives printed.
func (f *fleet) logs() (map[string]string, error) {
	all := map[string]string{}
	for _, r := range f.replicas {
		text, err := r.output.Text()
		if err != nil {
			return nil, err
		}
		all[r.name] = text
	}
	return all, nil
}

var instanceOf = regexp.MustCompile(`"instance":"([^"]+)"`)

// register passes lines on, and reads from the first that says it which
// instance a life is.
type register struct {
	to   io.Writer
	tell func(instance string)
	done atomic.Bool
}

// Write implements [io.Writer].
func (g *register) Write(p []byte) (int, error) {
	if !g.done.Load() {
		if m := instanceOf.FindSubmatch(p); m != nil && g.done.CompareAndSwap(false, true) {
			g.tell(string(m[1]))
		}
	}
	return g.to.Write(p)
}
