package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/test/hold/beside"
)

const stopped = syscall.SIGTERM

// risen is how long a dispatcher took until it did each part of its work.
type risen struct {
	ready, lists, index time.Duration
	unfinished          int // orders that the sweeper has found
}

// rise starts the programs of both systems, whose servers run, one system
// after the other, and does not return before all do their work.
func (r *rig) rise(ctx context.Context, phase string) error {
	took := map[*beside.System]risen{}
	for _, s := range r.systems() {
		up, err := dispatch(ctx, s, r.profiles(s, phase))
		if err != nil {
			return err
		}
		took[s] = up
		if err := s.Begin(ctx, s.Workers()...); err != nil {
			return err
		}
		say("  %s: dispatcher ready after %s, lists after %s, index of %d orders after %s", s.Name,
			up.ready.Round(time.Millisecond), up.lists.Round(time.Millisecond), up.unfinished, up.index.Round(time.Millisecond))
	}
	if got := took[r.loaded].unfinished; got < r.held {
		return fmt.Errorf("the sweeper has found %d unfinished orders, and %d are on hold", got, r.held)
	}
	r.risen(phase, "dispatcher started", took)
	return nil
}

func (r *rig) risen(phase, what string, took map[*beside.System]risen) {
	for part, of := range map[string]func(risen) time.Duration{
		"ready":          func(u risen) time.Duration { return u.ready },
		"lists answered": func(u risen) time.Duration { return u.lists },
		"index complete": func(u risen) time.Duration { return u.index },
	} {
		r.note(figure{Phase: phase, What: what + " until " + part, Unit: "s", Loaded: of(took[r.loaded]).Seconds(), Beside: of(took[r.small]).Seconds()})
	}
}

// dispatch starts a dispatcher and measures until all its parts work. Its
// profiles are written into a folder meanwhile, unless that is "".
func dispatch(ctx context.Context, s *beside.System, profiles string) (risen, error) {
	var up risen
	begun := time.Now()
	if err := s.Dispatcher.Start(); err != nil {
		return up, err
	}
	var all sync.WaitGroup
	errs := make([]error, 4)
	wait := func(i int, took *time.Duration, until func() error) {
		all.Go(func() {
			errs[i] = until()
			*took = time.Since(begun)
		})
	}
	wait(0, &up.ready, func() error { return s.Dispatcher.AwaitReady(ctx) })
	wait(1, &up.lists, func() error { return awaitLists(ctx, s) })
	wait(2, &up.index, func() error { return s.Dispatcher.AwaitLog(ctx, beside.IndexComplete) })
	if profiles != "" {
		all.Go(func() { errs[3] = s.Dispatcher.ProfileTo(ctx, profiles, 20*time.Second) })
	}
	while(s.Name+": the dispatcher reads the ledger", all.Wait)
	if err := errors.Join(errs...); err != nil {
		return up, err
	}
	line, err := s.Dispatcher.Line(beside.IndexComplete)
	if err != nil {
		return up, err
	}
	var told struct {
		Count int `json:"count"`
	}
	err = json.Unmarshal([]byte(line), &told)
	up.unfinished = told.Count
	return up, err
}

// while says from time to time that something goes on, until it is done.
func while(what string, do func()) {
	begun, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	again := time.NewTicker(15 * time.Second)
	defer again.Stop()
	for {
		select {
		case <-done:
			return
		case <-again.C:
			say("  %s, for %s", what, time.Since(begun).Round(time.Second))
		}
	}
}

// awaitLists waits until lists are answered.
func awaitLists(ctx context.Context, s *beside.System) error {
	for deadline := time.Now().Add(20 * time.Minute); ; beside.Pause(ctx, 50*time.Millisecond) {
		_, err := list(ctx, s.NC, messages.OrdersAsked{Limit: 1})
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("%s: lists are not answered: %w", s.Name, err)
		}
	}
}

// kill ends each program without a warning and measures until it works again.
func (r *rig) kill(ctx context.Context, phase string) error {
	for range r.o.restarts {
		for i := range r.loaded.Workers() {
			took := map[*beside.System]time.Duration{}
			for _, s := range r.systems() {
				var err error
				if took[s], err = revive(ctx, s, s.Workers()[i]); err != nil {
					return err
				}
			}
			r.pair(phase, r.loaded.Workers()[i].Program+" killed until ready", took)
		}
		rose, err := r.killDispatchers(ctx)
		if err != nil {
			return err
		}
		r.risen(phase, "dispatcher killed", rose)
		ready, served := map[*beside.System]time.Duration{}, map[*beside.System]time.Duration{}
		for _, s := range r.systems() {
			begun := time.Now()
			var err error
			if ready[s], err = revive(ctx, s, s.NATS); err != nil {
				return err
			}
			if err := s.Serves(ctx); err != nil {
				return err
			}
			served[s] = time.Since(begun)
			if err := s.Settled(ctx); err != nil {
				return err
			}
		}
		r.pair(phase, "nats-server killed until ready", ready)
		r.pair(phase, "nats-server killed until a new order", served)
	}
	return nil
}

// killDispatchers kills those of both systems at once: each waits for the lease
// of its dead one for most of the time.
func (r *rig) killDispatchers(ctx context.Context) (map[*beside.System]risen, error) {
	both := r.systems()
	rose, errs := make([]risen, len(both)), make([]error, len(both))
	var all sync.WaitGroup
	for i, s := range both {
		all.Go(func() {
			if errs[i] = s.Dispatcher.End(syscall.SIGKILL); errs[i] == nil {
				rose[i], errs[i] = dispatch(ctx, s, "")
			}
		})
	}
	all.Wait()
	took := map[*beside.System]risen{}
	for i, s := range both {
		took[s] = rose[i]
	}
	return took, errors.Join(errs...)
}

func (r *rig) pair(phase, what string, took map[*beside.System]time.Duration) {
	r.note(figure{Phase: phase, What: what, Unit: "s", Loaded: took[r.loaded].Seconds(), Beside: took[r.small].Seconds()})
}

// revive kills a program and starts it again.
func revive(ctx context.Context, s *beside.System, p *beside.Process) (time.Duration, error) {
	if err := p.End(syscall.SIGKILL); err != nil {
		return 0, err
	}
	begun := time.Now()
	var err error
	while(p.Name+" starts", func() { err = s.Begin(ctx, p) })
	return time.Since(begun), err
}

// list asks for one page of the tenant's orders, as an upstream does.
func list(ctx context.Context, nc *nats.Conn, asked messages.OrdersAsked) (messages.OrderPage, error) {
	var page messages.OrderPage
	question, err := json.Marshal(asked)
	if err != nil {
		return page, err
	}
	once, end := context.WithTimeout(ctx, 30*time.Second)
	defer end()
	answer, err := nc.RequestWithContext(once, messages.OrdersServiceSubject(beside.Tenant, "list"), question)
	if err != nil {
		return page, err
	}
	if code := answer.Header.Get("Nats-Service-Error-Code"); code != "" {
		return page, fmt.Errorf("list: %s %s", code, answer.Header.Get("Nats-Service-Error"))
	}
	return page, json.Unmarshal(answer.Data, &page)
}
