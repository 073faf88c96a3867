// Command storage spoils the store of the server under a running pipeline, in
// trials that a seed fixes, and shows by the books of the shops that nothing was
// bought twice, and by the acknowledgements that the fence trips where the ledger
// has lost something, and only there.
//
// Each trial has a fresh store, a nats-server in a process of its own, two
// replicas of everything, and orders for all providers in different states. The
// server is killed or stopped, one thing is done to what lies on its disk (or to
// its streams while it runs), and all goes on; an operator clears the fence where
// it has tripped. It promises that the judge believes only what lies outside of
// the store: the books of the shops, and what processes were told was stored.
//
//	go run ./test/crash/storage -trials 220
//	go run ./test/crash/storage -seed 17
//
// Nothing imports it. make crash-storage runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// errBroken: something was bought twice, lost, or not noticed.
var errBroken = errors.New("a promise is broken")

func main() {
	serveIfAsked()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "storage:", err)
		}
		cancel()
		os.Exit(1)
	}
}

// command is what the flags say.
type command struct {
	options
	seed     uint64
	trials   int
	parallel int
	controls int
	only     string
	results  string
}

func run(ctx context.Context, args []string) error {
	var c command
	flags := flag.NewFlagSet("storage", flag.ContinueOnError)
	flags.Uint64Var(&c.seed, "seed", uint64(time.Now().Unix())/1000*1000, "of the first trial; it fixes fault, orders and moments") //nolint:gosec // after 1970
	flags.IntVar(&c.trials, "trials", 1, "trials, each with the next seed and a fresh store")
	flags.IntVar(&c.parallel, "parallel", 2, "trials at a time")
	flags.IntVar(&c.controls, "control", 0, "trials without a fence before, in which rollbacks must buy twice")
	flags.StringVar(&c.only, "only", "", "only faults whose names hold this")
	flags.StringVar(&c.results, "results", "", "file to which a line is added for each trial")
	flags.StringVar(&c.dir, "dir", "", "folder for the stores; the system's if empty")
	flags.BoolVar(&c.keep, "keep", false, "keep them though all went well")
	flags.BoolVar(&c.log, "log", false, "write the log of all nodes beside the store")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if c.controls > 0 {
		if err := c.control(ctx); err != nil {
			return err
		}
	}
	return c.all(ctx)
}

// faultOf is the fault of a seed, of those that were asked for.
func (c *command) faultOf(seed uint64) (fault, error) {
	all := faults()
	var some []fault
	for _, f := range all {
		if strings.Contains(f.name, c.only) {
			some = append(some, f)
		}
	}
	if len(some) == 0 {
		return fault{}, fmt.Errorf("no fault is named like %q", c.only)
	}
	return some[seed%uint64(len(some))], nil
}

// each makes trials side by side and hands over what came of each.
func (c *command) each(ctx context.Context, seeds []uint64, f func(seed uint64) (*outcome, error), take func(*outcome, error)) {
	next := make(chan uint64)
	var group sync.WaitGroup
	var taking sync.Mutex
	for range max(c.parallel, 1) {
		group.Go(func() {
			for seed := range next {
				out, err := f(seed)
				taking.Lock()
				take(out, err)
				taking.Unlock()
			}
		})
	}
	for _, seed := range seeds {
		if ctx.Err() != nil {
			break
		}
		next <- seed
	}
	close(next)
	group.Wait()
}

func (c *command) seeds(n int) (all []uint64) {
	for i := range n {
		all = append(all, c.seed+uint64(i)) //nolint:gosec // not negative
	}
	return all
}

// all makes the trials, and goes on after a broken one.
func (c *command) all(ctx context.Context) error {
	var faults []error
	var outcomes []*outcome
	began := time.Now()
	c.each(ctx, c.seeds(c.trials), func(seed uint64) (*outcome, error) {
		f, err := c.faultOf(seed)
		if err != nil {
			return &outcome{Seed: seed}, err
		}
		return try(ctx, seed, f, c.options)
	}, func(out *outcome, err error) {
		outcomes = append(outcomes, out)
		out.write(os.Stderr, c.again(out.Seed), err)
		if err == nil && len(out.Violations) > 0 {
			err = fmt.Errorf("seed %d: %w", out.Seed, errBroken)
		}
		faults = append(faults, err)
		if c.results != "" {
			faults = append(faults, out.append(c.results))
		}
	})
	table(os.Stdout, outcomes)
	fmt.Printf("\n%d trials in %s, first seed %d\n", len(outcomes), time.Since(began).Round(time.Second), c.seed)
	return errors.Join(append(faults, ctx.Err())...)
}

// again is the command that makes a trial again.
func (c *command) again(seed uint64) string {
	line := fmt.Sprintf("go run ./test/crash/storage -seed %d", seed)
	if c.only != "" {
		line += fmt.Sprintf(" -only %q", c.only)
	}
	return line + " -keep -log"
}

// control rolls everything back under workers without a fence. They must buy
// something twice, or the trials show nothing.
func (c *command) control(ctx context.Context) error {
	o := c.options
	o.control = true
	var twice, trials int
	var faults []error
	c.each(ctx, c.seeds(c.controls), func(seed uint64) (*outcome, error) { return try(ctx, seed, rollbacks()[0], o) },
		func(out *outcome, err error) {
			trials++
			twice += out.Twice
			faults = append(faults, err)
		})
	fmt.Printf("negative control: without the fence %d orders were bought twice in %d trials in which everything was rolled back\n", twice, trials)
	if twice == 0 {
		faults = append(faults, errors.New("nothing was bought twice without the fence: the trials show nothing"))
	}
	return errors.Join(faults...)
}
