package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// load is what a system is put under.
type load struct {
	rule
	workers int
	nodes   int // of the NATS cluster; 0 is one server
	orders  int // that wait to be placed before the workers start
	lasts   time.Duration
	use     float64       // of the limit, that must be reached; 0 where it is shown only
	skew    time.Duration // by which the first worker's clock is wrong
	env     map[string]string
}

// What must hold. The limits themselves have no tolerance.
const (
	mostUneven   = 1.5  // the busiest replica's permits by the idlest's
	mostAsked    = 4.0  // messages to NATS for each permit
	fewestChecks = 0.20 // of all permits; a quarter of the slots is theirs
)

// saturated runs workers that always have more to ask than they may.
func saturated(l load) func(context.Context, *bench) (outcome, error) {
	return func(ctx context.Context, b *bench) (outcome, error) {
		var o outcome
		s, err := b.newSystem(ctx, skinsback, l)
		defer s.close()
		if err != nil {
			return o, err
		}
		e, first, err := s.begin(ctx, l)
		if err != nil {
			return o, err
		}
		defer e.stop()
		if err := s.ready(ctx, s.workers...); err != nil {
			return o, err
		}
		// Replicas share alike once all of them run and what was free at the
		// start is used up: a burst belongs to who comes first.
		even := time.Now().Add(l.window + time.Second)
		end := first.Add(l.lasts)
		if end.Before(even.Add(l.lasts * 2 / 3)) {
			end = even.Add(l.lasts * 2 / 3)
		}
		if !pause(ctx, time.Until(end)) {
			return o, ctx.Err()
		}
		o.judgeLimit(s, l.rule)
		o.judgeUse(between(s.front.log(), first, first.Add(l.lasts)), l)
		o.judgeShares(e.between(even, end), l)
		o.Thrown = s.thrown(ctx)
		return o, nil
	}
}

// begin fills the queue, starts the workers and waits for the first request.
func (s *system) begin(ctx context.Context, l load) (*ear, time.Time, error) {
	if err := s.fill(ctx, "o", l.orders); err != nil {
		return nil, time.Time{}, err
	}
	e, err := s.listen()
	if err != nil {
		return nil, time.Time{}, err
	}
	if err := s.startWorkers(); err != nil {
		return e, time.Time{}, err
	}
	timed, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	first, err := s.front.await(timed, time.Time{}, func(arrival) bool { return true })
	if err != nil {
		return e, first, fmt.Errorf("no request arrived: %w", err)
	}
	return e, first, nil
}

// fault does harm to a system for a while, and leaves it whole.
type fault func(ctx context.Context, s *system, lasts time.Duration) error

// broken saturates a system, does harm to it, and judges its whole life.
func broken(l load, harm fault) func(context.Context, *bench) (outcome, error) {
	return func(ctx context.Context, b *bench) (outcome, error) {
		var o outcome
		s, err := b.newSystem(ctx, skinsback, l)
		defer s.close()
		if err != nil {
			return o, err
		}
		e, first, err := s.begin(ctx, l)
		if err != nil {
			return o, err
		}
		defer e.stop()
		if err := s.ready(ctx, s.workers...); err != nil {
			return o, err
		}
		if err := harm(ctx, s, l.lasts); err != nil {
			return o, err
		}
		harmed := time.Now()
		o.judgeUse(between(s.front.log(), first, harmed), load{rule: l.rule, lasts: harmed.Sub(first)})
		// All is whole again: the limit must be reached again, too.
		err = s.until(ctx, "requests arrive again", func(context.Context) bool {
			return between(s.front.log(), harmed, time.Now()) >= 2*l.limit
		})
		if err != nil {
			o.miss("%s", err)
		}
		o.Notes = append(o.Notes, s.deeds()...)
		o.judgeLimit(s, l.rule)
		o.Thrown = s.thrown(ctx)
		if l.skew != 0 {
			o.judgeShares(e.between(first.Add(l.window), harmed), l)
		}
		return o, nil
	}
}

func (o *outcome) judgeLimit(s *system, r rule) {
	log := s.front.log()
	o.Limit, o.Requests = r.limit, len(log)
	if o.Overruns, o.Fullest = overruns(log, r); o.Overruns > 0 {
		o.miss("%d requests were too many", o.Overruns)
	}
}

func (o *outcome) judgeUse(n int, l load) {
	o.Use = float64(n) / (float64(l.limit) * float64(l.lasts) / float64(l.window))
	if o.Use < l.use {
		o.miss("%.1f %% of the limit were used, not %.0f %%", 100*o.Use, 100*l.use)
	}
}

func (o *outcome) judgeShares(h heard, l load) {
	if h.granted == 0 {
		o.miss("no permit was granted")
		return
	}
	o.Asked, o.Checks = float64(h.asked)/float64(h.granted), float64(h.checks)/float64(h.granted)
	if o.Asked > mostAsked {
		o.miss("%.2f messages to NATS for each permit", o.Asked)
	}
	if o.Checks < fewestChecks {
		o.miss("checks got %.0f %% of the permits", 100*o.Checks)
	}
	counts := slices.Sorted(maps.Values(h.by))
	if len(counts) < l.workers {
		o.miss("only %d of %d workers got permits", len(counts), l.workers)
		return
	}
	o.Uneven = float64(counts[len(counts)-1]) / float64(counts[0])
	if o.Uneven > mostUneven {
		o.miss("the workers got %v permits", counts)
	}
}
