package beside

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// Restart is how long a program took until it did its work again, in seconds,
// the median of the rounds.
type Restart struct {
	Program string  `json:"program"`
	How     string  `json:"how"`
	Loaded  float64 `json:"loaded_seconds"`
	Empty   float64 `json:"empty_seconds"`
}

// IndexComplete is what the dispatcher logs when the sweeper knows all orders.
const IndexComplete = "index of unfinished orders is complete"

// a kind of restart: what is ended how, and what is waited for.
type kind struct {
	program, how string
	of           func(*System) *Process
	sig          syscall.Signal
	until        func(context.Context, *System) error
}

func kinds() []kind {
	nats := func(s *System) *Process { return s.NATS }
	dispatcher := func(s *System) *Process { return s.Dispatcher }
	worker := func(s *System) *Process { return s.Worker }
	self := func(of func(*System) *Process) func(context.Context, *System) error {
		return func(ctx context.Context, s *System) error { return of(s).AwaitReady(ctx) }
	}
	swept := func(ctx context.Context, s *System) error { return s.Dispatcher.AwaitLog(ctx, IndexComplete) }
	serve := func(ctx context.Context, s *System) error { return s.Serves(ctx) }
	return []kind{
		{"worker", "stopped", worker, syscall.SIGTERM, self(worker)},
		{"worker", "killed", worker, syscall.SIGKILL, self(worker)},
		{"dispatcher", "stopped", dispatcher, syscall.SIGTERM, self(dispatcher)},
		{"dispatcher", "killed", dispatcher, syscall.SIGKILL, self(dispatcher)},
		{"dispatcher, index complete", "stopped", dispatcher, syscall.SIGTERM, swept},
		{"dispatcher, index complete", "killed", dispatcher, syscall.SIGKILL, swept},
		{"nats-server", "stopped", nats, syscall.SIGTERM, self(nats)},
		{"nats-server", "killed", nats, syscall.SIGKILL, self(nats)},
		{"nats-server, until an order", "stopped", nats, syscall.SIGTERM, serve},
		{"nats-server, until an order", "killed", nats, syscall.SIGKILL, serve},
	}
}

// Serves returns when a new order has come through.
func (s *System) Serves(ctx context.Context) error {
	_, err := s.Probe(ctx, fmt.Sprintf("after-%d", time.Now().UnixNano()))
	return err
}

// Restarts does every kind so many times, the loaded and the empty system in turn.
func Restarts(ctx context.Context, loaded, empty *System, rounds int) ([]Restart, error) {
	var all []Restart
	for _, k := range kinds() {
		took := map[*System][]float64{}
		for range rounds {
			for _, s := range []*System{loaded, empty} {
				d, err := s.restart(ctx, k)
				if err != nil {
					return all, fmt.Errorf("%s of %s, %s: %w", k.program, s.Name, k.how, err)
				}
				took[s] = append(took[s], d.Seconds())
				if err := s.Settled(ctx); err != nil {
					return all, err
				}
			}
		}
		if rounds > 0 {
			all = append(all, Restart{Program: k.program, How: k.how, Loaded: median(took[loaded]), Empty: median(took[empty])})
		}
	}
	return all, nil
}

// restart measures from the start of the new process. How long the old one took
// to end is a matter of what it had in hand.
func (s *System) restart(ctx context.Context, k kind) (time.Duration, error) {
	p := k.of(s)
	if err := p.End(k.sig); err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := p.Start(); err != nil {
		return 0, err
	}
	err := k.until(ctx, s)
	return time.Since(begun), err
}

// Settled waits until everything does its work again, the sweeper too, so that
// the next restart begins from the same place as this one.
func (s *System) Settled(ctx context.Context) error {
	for _, p := range s.Processes() {
		if err := p.AwaitReady(ctx); err != nil {
			return err
		}
	}
	if err := s.Dispatcher.AwaitLog(ctx, IndexComplete); err != nil {
		return err
	}
	return s.Serves(ctx)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
