package main

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// restart is how long a program took until it did its work again, in seconds,
// the median of the rounds.
type restart struct {
	Program string  `json:"program"`
	How     string  `json:"how"`
	Loaded  float64 `json:"loaded_seconds"`
	Empty   float64 `json:"empty_seconds"`
}

// indexComplete is what the dispatcher logs when the sweeper knows all orders.
const indexComplete = "index of unfinished orders is complete"

// a kind of restart: what is ended how, and what is waited for.
type kind struct {
	program, how string
	of           func(*system) *process
	sig          syscall.Signal
	until        func(context.Context, *system) error
}

func kinds() []kind {
	nats := func(s *system) *process { return s.nats }
	dispatcher := func(s *system) *process { return s.dispatcher }
	worker := func(s *system) *process { return s.worker }
	self := func(of func(*system) *process) func(context.Context, *system) error {
		return func(ctx context.Context, s *system) error { return of(s).awaitReady(ctx) }
	}
	swept := func(ctx context.Context, s *system) error { return s.dispatcher.awaitLog(ctx, indexComplete) }
	serve := func(ctx context.Context, s *system) error { return s.serves(ctx) }
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

// serves returns when a new order has come through.
func (s *system) serves(ctx context.Context) error {
	_, err := s.probe(ctx, fmt.Sprintf("after-%d", time.Now().UnixNano()))
	return err
}

// restarts does every kind so many times, the loaded and the empty system in turn.
func restarts(ctx context.Context, loaded, empty *system, rounds int) ([]restart, error) {
	var all []restart
	for _, k := range kinds() {
		took := map[*system][]float64{}
		for range rounds {
			for _, s := range []*system{loaded, empty} {
				d, err := s.restart(ctx, k)
				if err != nil {
					return all, fmt.Errorf("%s of %s, %s: %w", k.program, s.name, k.how, err)
				}
				took[s] = append(took[s], d.Seconds())
				if err := s.settled(ctx); err != nil {
					return all, err
				}
			}
		}
		if rounds > 0 {
			all = append(all, restart{Program: k.program, How: k.how, Loaded: median(took[loaded]), Empty: median(took[empty])})
		}
	}
	return all, nil
}

// restart measures from the start of the new process. How long the old one took
// to end is a matter of what it had in hand.
func (s *system) restart(ctx context.Context, k kind) (time.Duration, error) {
	p := k.of(s)
	if err := p.end(k.sig); err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := p.start(); err != nil {
		return 0, err
	}
	err := k.until(ctx, s)
	return time.Since(begun), err
}

// settled waits until everything does its work again, the sweeper too, so that
// the next restart begins from the same place as this one.
func (s *system) settled(ctx context.Context) error {
	for _, p := range s.processes() {
		if err := p.awaitReady(ctx); err != nil {
			return err
		}
	}
	if err := s.dispatcher.awaitLog(ctx, indexComplete); err != nil {
		return err
	}
	return s.serves(ctx)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
