package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
	"github.com/beltline-io/beltline/test/hold/beside"
)

// options say what is measured.
type options struct {
	orders   int
	provider string
	sync     string
	probes   int
	gap      time.Duration
	idle     time.Duration
	restarts int
	json     string
	profiles string
}

func main() {
	var o options
	flag.IntVar(&o.orders, "orders", 100_000, "orders to put on hold")
	flag.StringVar(&o.provider, "provider", "skinsback", "the shop; skinsback is the one that holds what it was given")
	flag.StringVar(&o.sync, "sync", "always", "nats-server's sync_interval: always, or default")
	flag.IntVar(&o.probes, "probes", 1000, "new orders on each system whose latency is measured")
	flag.DurationVar(&o.gap, "gap", 100*time.Millisecond, "rest between two of them")
	flag.DurationVar(&o.idle, "idle", 2*time.Minute, "how long the cost of doing nothing is measured")
	flag.IntVar(&o.restarts, "restarts", 3, "restarts of each kind")
	flag.StringVar(&o.json, "json", "", "write all figures to this file too")
	flag.StringVar(&o.profiles, "profiles", "", "write CPU profiles of the loaded system, taken while orders are measured, into this folder")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(1)
	}
}

func (o options) check() error {
	switch {
	case o.provider != "skinsback":
		return fmt.Errorf("-provider %q: only skinsback holds what it was given", o.provider)
	case o.sync != "always" && o.sync != "default":
		return fmt.Errorf("-sync %q is neither always nor default", o.sync)
	case o.orders < 0 || o.probes < 1 || o.restarts < 0 || o.idle < 0 || o.gap < 0:
		return errors.New("a number is negative, or -probes is 0")
	}
	return nil
}

// quiet keeps polling out of the way: nothing is asked of the shop that its
// callbacks do not cause. What goes wrong is then tried again in an hour.
var quiet = map[string]string{"POLL_FIRST": "1h", "POLL_MAX": "24h"}

func run(ctx context.Context, o options, w io.Writer) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "beltline-hold-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			say("the logs of all programs are in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	}()
	say("building the programs")
	programs := filepath.Join(dir, "bin")
	if err := beside.Build(ctx, programs, "./cmd/dispatcher", "./cmd/worker-skinsback", beside.Server); err != nil {
		return err
	}
	// One shop serves both, so that its books weigh on both alike.
	shop := skinsbacktest.New()
	defer shop.Close()
	plan := beside.Plan{Programs: programs, Always: o.sync == "always", Shop: shop, Hooks: true}
	loaded, err := beside.Start(ctx, "loaded", plan)
	defer loaded.Stop()
	if err != nil {
		return err
	}
	empty, err := beside.Start(ctx, "empty", plan)
	defer empty.Stop()
	if err != nil {
		return err
	}
	r, err := measure(ctx, o, loaded, empty)
	if r.Latency.Orders == 0 {
		return err
	}
	r.show(w) // whatever went wrong later on, this was measured
	return errors.Join(err, r.save(o.json))
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// measure takes all figures, on both systems in turn.
func measure(ctx context.Context, o options, loaded, empty *beside.System) (report, error) {
	r := report{Orders: o.orders, Sync: o.sync}
	both := []*beside.System{loaded, empty}
	var err error
	say("new orders while both systems are empty")
	if r.Noise, err = beside.Compare(ctx, loaded, empty, o.probes, o.gap, "noise-"); err != nil {
		return r, err
	}
	say("putting %d orders on hold", o.orders)
	if err := loaded.Renew(ctx, quiet); err != nil {
		return r, err
	}
	if r.Fill, r.PutOff, err = fill(ctx, loaded, o.orders); err != nil {
		return r, err
	}
	for _, s := range both { // from now on with the default times again
		if err := errors.Join(s.Renew(ctx, nil), s.Settled(ctx)); err != nil {
			return r, err
		}
	}
	say("new orders beside %d on hold", o.orders)
	profiled := loaded.Profile(ctx, o.profiles, o.idle)
	if r.Latency, err = beside.Compare(ctx, loaded, empty, o.probes, o.gap, "new-"); err != nil {
		return r, err
	}
	if err := <-profiled; err != nil {
		return r, err
	}
	say("doing nothing for %s", o.idle)
	if r.Idle, err = beside.Idle(ctx, loaded, empty, o.idle); err != nil {
		return r, err
	}
	if r.Memory, err = beside.Weigh(ctx, loaded, empty, "since it was filled"); err != nil {
		return r, err
	}
	if r.Disk, err = beside.Size(loaded, empty); err != nil {
		return r, err
	}
	say("restarting everything, %d times each way", o.restarts)
	if r.Restarts, err = beside.Restarts(ctx, loaded, empty, o.restarts); err != nil {
		return r, err
	}
	if o.restarts > 0 {
		again, err := beside.Weigh(ctx, loaded, empty, "after a restart")
		r.Memory = append(r.Memory, again...)
		return r, err
	}
	return r, nil
}
