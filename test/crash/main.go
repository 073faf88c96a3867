// Command crash runs the whole of Beltline as real processes, breaks it by seed,
// and shows from the books of the shops that nothing was bought twice and
// nothing was lost. It ends with code 1 where an invariant is broken, and says
// where the evidence is.
//
//	go run ./test/crash -seed 7 -for 2m -orders 4000
//	go run ./test/crash -control
//	go run ./test/crash -mutants all
//	go run ./test/crash -nodes 3 -for 4m -orders 4000
//	go run ./test/crash -directed
//	go run ./test/crash -sum .beltline/crash.jsonl
//
// What the invariants are stands in package check, what is broken in package rig.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/beltline-io/beltline/test/crash/rig"
)

// errBroken: an invariant did not hold.
var errBroken = errors.New("an invariant is broken")

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "crash:", err)
		}
		cancel()
		os.Exit(1)
	}
}

// command is what the flags say.
type command struct {
	rig.Options
	runs    int
	control bool
	hunt    string
	direct  bool
	results string
}

func run(ctx context.Context, args []string) error {
	c := command{Options: rig.Options{Progress: os.Stderr}}
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	flags.Uint64Var(&c.Seed, "seed", uint64(time.Now().Unix()), "what is ordered and what is broken") //nolint:gosec // after 1970
	flags.IntVar(&c.runs, "runs", 1, "runs, each with the next seed and a fresh store")
	flags.IntVar(&c.Orders, "orders", 2000, "orders of one run, at most 50000")
	flags.DurationVar(&c.For, "for", time.Minute, "how long things are broken")
	flags.DurationVar(&c.Quiet, "quiet", 5*time.Second, "how long nothing is broken before that")
	flags.DurationVar(&c.Heal, "heal", 3*time.Minute, "the longest wait for the last order after the last fault")
	flags.DurationVar(&c.DispatcherUntil, "dispatchers-for", 0, "how long dispatchers are killed; 0 is as long as the rest")
	flags.DurationVar(&c.Timeout, "timeout", time.Second, "of a request to a shop; lease, ack wait and the rest follow")
	flags.Float64Var(&c.Rate, "rate", 3, "deeds in a second: kills, pauses and so on")
	flags.IntVar(&c.Percent, "percent", 5, "of the requests to shops are spoilt")
	flags.IntVar(&c.Replicas, "replicas", 2, "of the dispatcher and of each worker")
	flags.IntVar(&c.Nodes, "nodes", 1, "NATS servers: 1, or a cluster of 3 whose nodes and leaders are killed, parted and moved")
	flags.DurationVar(&c.NodeEvery, "node-every", 6*time.Second, "the mean time between two deeds to nodes of a cluster")
	providers := flags.String("providers", strings.Join(rig.Providers(), ","), "which providers take part")
	flags.BoolVar(&c.control, "control", false, "first show that a naive worker is caught")
	flags.StringVar(&c.hunt, "mutants", "", "instead: show that these are caught (all, M1,M7, or commit for two that the commit picks)")
	flags.BoolVar(&c.direct, "directed", false, "instead: let processes die at each of their points, on first and later deliveries")
	flags.StringVar(&c.Points, "points", "", "of -directed: only those whose names begin so")
	flags.BoolVar(&c.Failpoints, "failpoints", false, "let workers die at points in their code as well")
	flags.BoolVar(&c.Sound, "sound", false, "with -mutants: show as well that nothing is found without them")
	flags.StringVar(&c.results, "results", "", "file to which a line is added for each run")
	flags.StringVar(&c.Dir, "dir", "", "folder for logs and dumps; a new one if empty")
	flags.BoolVar(&c.Keep, "keep", false, "keep them though all went well")
	sum := flags.String("sum", "", "instead: add up the results in this file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *sum != "" {
		return sumFile(os.Stdout, *sum)
	}
	c.Providers = strings.Split(*providers, ",")
	if c.Orders > 50000 {
		return errors.New("at most 50000 orders in one store; use -runs")
	}
	programs, err := os.MkdirTemp("", "beltline-crash-bin-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(programs) }()
	c.Programs, c.Commit = programs, commit(ctx)
	if c.hunt != "" {
		return c.mutants(ctx)
	}
	fmt.Fprintln(os.Stderr, "building the programs of", c.Commit)
	var tags []string
	if c.direct || c.Failpoints {
		tags = append(tags, "failpoint")
	}
	if err := rig.Build(ctx, programs, tags...); err != nil {
		return err
	}
	if c.direct {
		return c.directed(ctx)
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
	for i := range c.runs {
		o := c.Options
		o.Seed += uint64(i) //nolint:gosec // not negative
		o.Again = fmt.Sprintf("go run ./test/crash -seed %d -orders %d -for %s -quiet %s -timeout %s -rate %g -percent %d -replicas %d -nodes %d -node-every %s -providers %s -failpoints=%t",
			o.Seed, o.Orders, o.For, o.Quiet, o.Timeout, o.Rate, o.Percent, o.Replicas, o.Nodes, o.NodeEvery, strings.Join(o.Providers, ","), o.Failpoints)
		result, err := rig.Run(ctx, o)
		if err != nil {
			return err
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
	}
	return errors.Join(faults...)
}

// directed tries the points one by one.
func (c command) directed(ctx context.Context) error {
	o := c.Options
	o.Again = fmt.Sprintf("go run ./test/crash -directed -seed %d -timeout %s -providers %s -points %q", o.Seed, o.Timeout, strings.Join(o.Providers, ","), o.Points)
	result, err := rig.Directed(ctx, o)
	if err != nil {
		return err
	}
	result.Write(os.Stdout)
	if c.results != "" {
		err = result.Append(c.results)
	}
	for _, u := range result.Unreached() {
		fmt.Printf("not reached: %s %s (%s)\n", u.Provider, u.Point, u.Mode)
	}
	for _, missed := range result.Missed() {
		err = errors.Join(err, fmt.Errorf("no process has come to %s", missed))
	}
	for _, base := range slices.Sorted(maps.Keys(rig.Untried())) {
		fmt.Printf("no case: %s (%s)\n", base, rig.Untried()[base])
	}
	if !result.OK() {
		result.Report.Write(os.Stdout)
		err = errors.Join(err, errBroken)
	}
	if result.Bundle != "" {
		fmt.Println("bundle:", result.Bundle)
	}
	return err
}

// controlRun puts a naive worker in the place of a real one. The judge must see
// what it buys twice.
func (c command) controlRun(ctx context.Context) error {
	result, err := rig.Control(ctx, c.Options)
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
	fmt.Printf("negative control: a naive worker bought %d of %d orders twice under %d kills, and was caught by I1\n",
		result.BoughtTwice, result.Orders, result.Deaths+result.ServerKills)
	return err
}

// commit is what the programs are built from; "+" says that more was changed.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
