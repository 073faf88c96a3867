package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
)

// mostCost is what a permit may cost of the event that a worker stores anyway:
// less than one publish more.
const mostCost = 1.0

// unsaturated measures what a permit costs where the limit is far away, beside
// what storing an event costs. Both are measured by turns in one run, so that a
// busy moment of the machine hits both.
func unsaturated(ctx context.Context, b *bench) (outcome, error) {
	var o outcome
	r := rule{100_000, time.Minute}
	s, err := b.newSystem(ctx, skinsback, load{rule: r})
	defer s.close()
	if err != nil {
		return o, err
	}
	l := ratelimit.New(s.js, ratelimit.Options{Provider: messages.SkinsBack, Instance: "bench", Log: zerolog.Nop()})
	// A stream as the ledger is one, written to as the ledger is.
	if _, err := s.js.CreateStream(ctx, jetstream.StreamConfig{Name: "BESIDE", Subjects: []string{"beside.>"}}); err != nil {
		return o, err
	}
	body := make([]byte, 600) // about what an event of a deposit has
	for i := range body {
		body[i] = 'x'
	}
	rounds := 2000
	if b.quick {
		rounds = 500
	}
	permits, events := make([]time.Duration, 0, rounds), make([]time.Duration, 0, rounds)
	for i := range rounds {
		begun := time.Now()
		p, err := l.Take(ctx, ratelimit.ForPlace)
		if err != nil {
			return o, err
		}
		permits = append(permits, time.Since(begun))
		if err := p.Check(); err != nil {
			o.Thrown++
		}
		begun = time.Now()
		if _, err := s.js.Publish(ctx, fmt.Sprintf("beside.%d", i), body, jetstream.WithExpectLastSequencePerSubject(0)); err != nil {
			return o, err
		}
		events = append(events, time.Since(begun))
	}
	ratio := float64(middle(permits)) / float64(middle(events))
	o.Limit, o.Requests = r.limit, rounds
	o.Notes = append(o.Notes, fmt.Sprintf("p50 of a permit %s, of an event by compare-and-set %s: ratio %.2f",
		middle(permits).Round(time.Microsecond), middle(events).Round(time.Microsecond), ratio))
	if ratio > mostCost {
		o.miss("a permit costs %.2f of a publish", ratio)
	}
	return o, nil
}

func middle(all []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}
