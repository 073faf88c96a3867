package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/beltline-io/beltline/test/crash/procs"
	"github.com/beltline-io/beltline/test/crash/rig"
)

type options struct {
	nodes, kills, writers, each int
	seed                        uint64
	results, commit             string
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	var o options
	flag.IntVar(&o.nodes, "nodes", 1, "servers: 1, or 3 of which always the leader of EVENTS is killed")
	flag.IntVar(&o.kills, "kills", 300, "servers to kill")
	flag.IntVar(&o.each, "store", 150, "kills after which the store is judged and a fresh one begun")
	flag.IntVar(&o.writers, "writers", 48, "writers at once")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().Unix()), "when the kills come") //nolint:gosec // after 1970
	flag.StringVar(&o.results, "results", "", "file to which a line is added for each store")
	flag.Parse()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "kills:", err)
		cancel()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.nodes != 1 && o.nodes != 3 || o.kills < 1 || o.each < 1 || o.writers < 2 {
		return errors.New("-nodes is 1 or 3; -kills, -store and -writers are positive, and there are two writers at least")
	}
	if out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty=+", "--abbrev=12").Output(); err == nil {
		o.commit = strings.TrimSpace(string(out))
	}
	dir, err := os.MkdirTemp("", "beltline-kills-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := procs.Build(ctx, filepath.Join(dir, "bin"), procs.NATSServer); err != nil {
		return err
	}
	killed := 0
	for n := 0; killed < o.kills && ctx.Err() == nil; n++ {
		begun := time.Now()
		together(n%2 == 1)
		t, err := newTrial(ctx, o, dir, n)
		if err == nil {
			err = t.run(ctx, min(o.each, o.kills-killed))
		}
		if err != nil {
			return err
		}
		killed += t.killed
		found, err := t.judge(ctx)
		t.close()
		if err != nil {
			return fmt.Errorf("seed %d, store %d: %w", o.seed, n, err)
		}
		fmt.Printf("%s: %d kills, %d orders, %d events and %d commands told to be stored: %d gone, %d doubled, %d not as told; %d in batches\n",
			time.Since(begun).Round(time.Second), t.killed, t.orders.Load(), t.told, t.commands, found.gone, found.doubled, found.wrong, found.batched)
		if err := record(o, t, found, time.Since(begun)); err != nil {
			return err
		}
		if found.gone+found.doubled+found.wrong > 0 {
			return fmt.Errorf("seed %d, store %d: %s", o.seed, n, found.first)
		}
	}
	return context.Cause(ctx)
}

// together makes the writers of the next store take to batches, or not.
func together(eager bool) {
	if eager {
		_ = os.Setenv("GROUPCOMMIT", "eager") //nolint:errcheck // the name is sound
		return
	}
	_ = os.Unsetenv("GROUPCOMMIT")
}

// record adds a line to the results.
func record(o options, t *trial, f findings, took time.Duration) error {
	if o.results == "" {
		return nil
	}
	r := rig.Result{
		Time: time.Now().UTC(), Commit: o.commit, Seed: o.seed + uint64(t.n), Seconds: int(took.Seconds()), Form: "kills", //nolint:gosec // small
		Orders: int(t.orders.Load()), Events: t.told, ServerKills: t.killed, Unkept: f.gone, Wrong: f.wrong + f.doubled,
	}
	if o.nodes > 1 {
		r.Form, r.Nodes, r.LeaderKills = "kills of leaders", o.nodes, t.killed
	}
	return r.Append(o.results)
}
