package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

// mostDelay is how much longer a customer may wait behind a backlog than in an
// empty system, until the provider is asked.
const mostDelay = time.Second

// probes is how many customers ask in an empty system, and again in a full one.
const probes = 16

// customers measures how long it takes from a confirm or a cancel until it
// arrives at the exchanger: in an empty system, and behind orders that wait to
// be placed, or behind checks that wait for their share.
func customers(r rule, backlog int, checks bool) func(context.Context, *bench) (outcome, error) {
	return func(ctx context.Context, b *bench) (outcome, error) {
		var o outcome
		l := load{rule: r, workers: 2}
		if checks {
			// All orders are asked about all the time, and few may be at once.
			l.env = map[string]string{"POLL_MAX": "2s", "MAX_IN_FLIGHT": "8"}
		}
		s, err := b.newSystem(ctx, exchanger, l)
		defer s.close()
		if err != nil {
			return o, err
		}
		began := time.Now()
		if err := s.startWorkers(); err != nil {
			return o, err
		}
		if err := s.ready(ctx, s.workers...); err != nil {
			return o, err
		}
		ids, err := s.openBids(ctx, 4*probes)
		if err != nil {
			return o, err
		}
		// In an empty system something is free at once.
		if !checks && !pause(ctx, 2*r.window) {
			return o, ctx.Err()
		}
		var empty, full delays
		if !checks { // there the polls have filled the limit from the first
			if empty, err = s.probe(ctx, ids[:probes]); err != nil {
				return o, err
			}
			if err := s.fill(ctx, "backlog", backlog); err != nil {
				return o, err
			}
		}
		if !pause(ctx, 2*r.window) {
			return o, ctx.Err()
		}
		if full, err = s.probe(ctx, ids[probes:2*probes]); err != nil {
			return o, err
		}
		left, err := s.waiting(ctx)
		if err != nil {
			return o, err
		}
		o.judgeLimit(s, r)
		o.judgeUse(between(s.front.log(), began, time.Now()), load{rule: r, lasts: time.Since(began)})
		o.Thrown = s.thrown(ctx)
		o.Notes = append(o.Notes, fmt.Sprintf("until the provider is asked: empty %s, full %s, with %d orders waiting", empty, full, left))
		if late := full.most() - empty.most(); late > mostDelay {
			o.miss("a customer waited %s longer than in an empty system", late.Round(time.Millisecond))
		}
		return o, nil
	}
}

// openBids places orders and waits until their customers may act.
func (s *system) openBids(ctx context.Context, n int) ([]string, error) {
	ids, stop, err := s.follow(ctx, messages.ActionRequired)
	if err != nil {
		return nil, err
	}
	defer stop()
	if err := s.fill(ctx, "bid", n); err != nil {
		return nil, err
	}
	timed, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var open []string
	for len(open) < n {
		select {
		case id := <-ids:
			if !slices.Contains(open, id) {
				open = append(open, id)
			}
		case <-timed.Done():
			return nil, fmt.Errorf("only %d of %d bids were opened: %w", len(open), n, timed.Err())
		}
	}
	return open, nil
}

type delays []time.Duration

func (d delays) most() time.Duration {
	if len(d) == 0 {
		return 0
	}
	return slices.Max(d)
}

func (d delays) String() string {
	if len(d) == 0 {
		return "not measured"
	}
	sorted := slices.Sorted(slices.Values(d))
	return fmt.Sprintf("p50 %s, most %s", sorted[len(sorted)/2].Round(time.Millisecond), d.most().Round(time.Millisecond))
}

// probe lets customers confirm and cancel by turns, one after the other.
func (s *system) probe(ctx context.Context, ids []string) (delays, error) {
	var all delays
	for i, id := range ids {
		if !pause(ctx, 500*time.Millisecond) {
			return nil, ctx.Err()
		}
		what, op := messages.ConfirmRequest, exchangertest.OpPayBid
		if i%2 == 1 {
			what, op = messages.CancelRequest, exchangertest.OpCancelBid
		}
		asked := time.Now()
		if err := s.ask(ctx, what, id); err != nil {
			return nil, err
		}
		timed, cancel := context.WithTimeout(ctx, patience)
		at, err := s.front.await(timed, asked, func(a arrival) bool { return a.op == op })
		cancel()
		if err != nil {
			return nil, fmt.Errorf("%s of %s did not arrive: %w", op, id, err)
		}
		all = append(all, at.Sub(asked))
	}
	return all, nil
}
