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
	"regexp"
	"syscall"
	"time"
)

type options struct {
	quick bool
	only  string
	json  string
	keep  bool
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "the short form: about three minutes")
	flag.StringVar(&o.only, "only", "", "run only the cases whose names match this expression")
	flag.StringVar(&o.json, "json", "", "write all figures to this file too")
	flag.BoolVar(&o.keep, "keep", false, "keep the logs and stores of all processes")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "limit:", err)
		os.Exit(1)
	}
}

var errMissed = errors.New("a target was missed")

// testcase is one run of a system of its own.
type testcase struct {
	name  string
	quick bool // part of the short form
	run   func(ctx context.Context, b *bench) (outcome, error)
}

// bench is what all cases share.
type bench struct {
	options
	dir      string // of the case
	programs string
}

// cases are all that is shown, in the order in which they run.
func cases(quick bool) []testcase {
	steady, faulty, backlog := time.Minute, 45*time.Second, 20_000
	if quick {
		steady, faulty, backlog = 20*time.Second, 20*time.Second, 1000
	}
	seconds := rule{50, 6 * time.Second}
	return []testcase{
		{"unsaturated", true, unsaturated},
		{"1 worker", false, saturated(load{workers: 1, rule: seconds, lasts: steady, orders: 2000})},
		{"4 workers", true, saturated(load{workers: 4, rule: seconds, lasts: steady, orders: 1000})},
		{"16 workers, a backlog", false, saturated(load{workers: 16, rule: seconds, lasts: steady, orders: backlog})},
		{"500 per minute, 16 workers", false, saturated(load{workers: 16, rule: rule{500, time.Minute}, lasts: 3 * time.Minute, orders: 3000, use: .98})},
		{"customers before a backlog", true, customers(seconds, backlog, false)},
		{"customers before checks", false, customers(seconds, 0, true)},
		{"workers killed", true, broken(load{workers: 4, rule: seconds, lasts: faulty, orders: 2000}, killWorkers)},
		{"NATS killed", true, broken(load{workers: 4, rule: seconds, lasts: faulty, orders: 2000}, killServer)},
		{"NATS paused", false, broken(load{workers: 4, rule: seconds, lasts: faulty, orders: 2000}, pauseServer)},
		{"a worker paused for 20 s", false, broken(load{workers: 4, rule: seconds, lasts: faulty, orders: 2000}, pauseWorker)},
		{"a clock 10 minutes ahead", false, broken(load{workers: 4, rule: seconds, lasts: faulty, orders: 2000, skew: 10 * time.Minute}, leaveAlone)},
		{"a clock 10 minutes behind", false, broken(load{workers: 4, rule: seconds, lasts: faulty, orders: 2000, skew: -10 * time.Minute}, leaveAlone)},
		{"latency from 5 ms to 9 s", false, broken(load{workers: 4, rule: seconds, lasts: faulty, orders: 2000}, swing)},
		{"three nodes, the leader moves", false, broken(load{workers: 4, rule: seconds, lasts: faulty, orders: 2000, nodes: 3}, moveLeader)},
	}
}

func run(ctx context.Context, o options, w io.Writer) (err error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	dir, err := os.MkdirTemp("", "beltline-limit-")
	if err != nil {
		return err
	}
	var r report
	defer func() {
		if o.keep || err != nil && ctx.Err() == nil {
			say("logs and stores of all processes are in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	}()
	var chosen []testcase
	for _, c := range cases(o.quick) {
		if only.MatchString(c.name) && (c.quick || !o.quick) {
			chosen = append(chosen, c)
		}
	}
	b := &bench{options: o, programs: filepath.Join(dir, "bin")}
	say("building the programs")
	if err := b.build(ctx); err != nil {
		return err
	}
	for i, c := range chosen {
		say("[%d/%d] %s", i+1, len(chosen), c.name)
		b.dir = filepath.Join(dir, fmt.Sprint(i+1))
		out, err := c.run(ctx, b)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // the others are worth their time all the same
			out.miss("%s", err)
		}
		out.Case = c.name
		r.Cases = append(r.Cases, out)
		say("    %s", out.line())
	}
	r.show(w)
	if err := r.save(o.json); err != nil {
		return err
	}
	if r.missed() {
		return errMissed
	}
	return nil
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
