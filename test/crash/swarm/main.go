// Command swarm lets workers and dispatchers die by the thousand, and shows from
// the books of the shops that nothing was bought twice and nothing was lost. It
// ends with code 1 where an invariant is broken, and says where the evidence is.
//
//	go run ./test/crash/swarm -orders 20000 -runs 5
//
// It is the fast complement of test/crash, which kills real processes: here the
// programs of internal/programs run as many lives of package life in one
// process, so that a death costs milliseconds. The NATS server is a process of
// its own, and never dies. Whatever outlives a program, the shops' books and the
// server's store, is as real as there, and the same judge (test/crash/check)
// judges it.
//
// It promises that the seed fixes what is ordered and where deaths are put; the
// timing is not repeated.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// errBroken: an invariant did not hold.
var errBroken = errors.New("an invariant is broken")

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := start(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "swarm:", err)
		}
		cancel()
		os.Exit(1)
	}
}

// command is what the flags say.
type command struct {
	Options
	runs    int
	until   time.Duration
	control bool
	results string
}

func start(ctx context.Context, args []string) error {
	c := command{Options: Options{Progress: os.Stderr}}
	flags := flag.NewFlagSet("swarm", flag.ContinueOnError)
	flags.Uint64Var(&c.Seed, "seed", uint64(time.Now().Unix()), "what is ordered and who dies where") //nolint:gosec // after 1970
	flags.IntVar(&c.runs, "runs", 1, "runs, each with the next seed and a fresh store")
	flags.DurationVar(&c.until, "until", 0, "begin no run after this time; 0 for no bound")
	flags.IntVar(&c.Orders, "orders", 20000, fmt.Sprintf("orders of one run, at most %d", maxOrders))
	flags.IntVar(&c.Open, "open", 0, "orders that are under way at one time (default 400)")
	flags.IntVar(&c.Workers, "workers", 0, "of each provider (default 6)")
	flags.IntVar(&c.Dispatchers, "dispatchers", 0, "replicas of the dispatcher (default 2)")
	flags.Float64Var(&c.Deaths, "deaths", 80, "in a second, where the machine keeps pace")
	flags.Float64Var(&c.Each, "each", 0.25, "deaths for each order that has ended, at most")
	flags.IntVar(&c.Percent, "percent", 1, "of the requests to shops are spoilt")
	flags.DurationVar(&c.Timeout, "timeout", 0, "of a request to a shop; lease, ack wait and the rest follow (default 500ms)")
	flags.DurationVar(&c.Heal, "heal", 0, "the longest wait for the last order after the last death (default 10m)")
	flags.IntVar(&c.InFlight, "in-flight", 0, "messages that a life works on at one time (default 3)")
	flags.BoolVar(&c.control, "control", false, "first show that a naive worker is caught")
	flags.StringVar(&c.results, "results", "", "file to which a line is added for each run")
	flags.StringVar(&c.Dir, "dir", "", "folder for logs and dumps; a new one if empty")
	flags.BoolVar(&c.Keep, "keep", false, "keep them though all went well")
	if err := flags.Parse(args); err != nil {
		return err
	}
	built, err := os.MkdirTemp("", "beltline-swarm-bin-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(built) }()
	c.Commit = commit(ctx)
	debug.SetGCPercent(300) // many small heaps in one: time is dearer than memory
	if c.NATSServer, err = buildServer(ctx, built); err != nil {
		return err
	}
	if c.control {
		if err := c.controlRun(ctx); err != nil {
			return err
		}
	}
	return c.all(ctx)
}

// all makes the runs one after the other, and goes on after a broken one.
func (c command) all(ctx context.Context) error {
	var faults []error
	begun := time.Now()
	for i := range c.runs {
		if c.until > 0 && time.Since(begun) > c.until {
			break
		}
		o := c.Options
		o.Seed += uint64(i) //nolint:gosec // not negative
		o.Again = fmt.Sprintf("go run ./test/crash/swarm -seed %d -orders %d -open %d -workers %d -deaths %g -each %g -percent %d -timeout %s -in-flight %d",
			o.Seed, o.Orders, o.Open, o.Workers, o.Deaths, o.Each, o.Percent, o.Timeout, o.InFlight)
		result, err := swarm(ctx, o)
		if err != nil {
			return errors.Join(append(faults, err)...)
		}
		result.Write(os.Stdout)
		if c.results != "" {
			faults = append(faults, result.Append(c.results))
		}
		if !result.OK() {
			result.Report.Write(os.Stdout)
			faults = append(faults, fmt.Errorf("seed %d: %w", o.Seed, errBroken))
		}
		if result.Bundle != "" {
			fmt.Println("bundle:", result.Bundle)
		}
		result = nil
		runtime.GC() // dumps and books of a run are large
	}
	return errors.Join(faults...)
}

// controlRun puts a naive worker in the place of a real one. The judge must see
// what it buys twice.
func (c command) controlRun(ctx context.Context) error {
	result, err := control(ctx, c.Options)
	if err != nil {
		return err
	}
	if c.results != "" {
		err = result.Append(c.results)
	}
	if result.BoughtTwice == 0 {
		result.Write(os.Stdout)
		return errors.Join(err, errors.New("the naive worker was not caught: the judge is blind"))
	}
	fmt.Printf("negative control: a naive worker bought %d of %d orders twice under %d deaths, and was caught by I1\n",
		result.BoughtTwice, result.Orders, result.Deaths)
	return err
}

// control makes the run of a naive worker. Its messages come again only long
// after it should have answered: what it buys twice is the deaths' doing.
func control(ctx context.Context, o Options) (*Result, error) {
	o.Naive, o.Orders, o.Percent, o.Timeout, o.Heal = true, maxOrders, 0, 3*time.Second, 30*time.Second
	o.Deaths, o.Each = min(max(o.Deaths, 1), 10), 10
	o.Again = "go run ./test/crash/swarm -control"
	return swarm(ctx, o)
}

// commit is what the programs are built from; "+" says that more was changed.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
