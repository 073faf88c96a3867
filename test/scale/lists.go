package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/test/hold/beside"
)

// pageOf is how many orders a list shows.
const pageOf = 50

// askLists measures lists of some kinds, on both systems in turn.
func (r *rig) askLists(ctx context.Context, phase string) error {
	yes := true
	for _, kind := range []struct {
		what  string
		asked messages.OrdersAsked
	}{
		{"the last orders", messages.OrdersAsked{}},
		{"of a state", messages.OrdersAsked{State: messages.Succeeded, Provider: messages.BalanceSteam}},
		{"of a state that no order has", messages.OrdersAsked{State: messages.Reversed}},
		{"that need an operator", messages.OrdersAsked{NeedsOperator: &yes}},
	} {
		kind.asked.Limit = pageOf
		times := map[*beside.System][]float64{}
		for range r.o.lists {
			for _, s := range r.systems() {
				begun := time.Now()
				page, err := list(ctx, s.NC, kind.asked)
				if err != nil {
					return fmt.Errorf("%s: list %s: %w", s.Name, kind.what, err)
				}
				times[s] = append(times[s], 1000*time.Since(begun).Seconds())
				if kind.asked.State == messages.Succeeded && len(page.Orders) != min(pageOf, r.ended[s]) {
					return fmt.Errorf("%s: list %s shows %d orders", s.Name, kind.what, len(page.Orders))
				}
			}
		}
		loaded, small := beside.SpreadOf(times[r.loaded]), beside.SpreadOf(times[r.small])
		low, high := beside.Interval(times[r.loaded], times[r.small])
		r.note(figure{Phase: phase, What: "list " + kind.what + ", mean", Unit: "ms", Loaded: loaded.Mean, Beside: small.Mean, Low: low, High: high})
		r.note(figure{Phase: phase, What: "list " + kind.what + ", p99", Unit: "ms", Loaded: loaded.P99, Beside: small.P99})
	}
	return nil
}

// watchings is how many single orders are watched, unless they take too long.
const watchings = 5

// watchOne measures how long an upstream waits that reads all events of one
// order that has ended, with a consumer of that order's subjects.
func (r *rig) watchOne(ctx context.Context, phase string) error {
	times := map[*beside.System][]float64{}
	for begun := time.Now(); len(times[r.small]) < watchings && time.Since(begun) < time.Minute; {
		for s, n := range map[*beside.System]int{r.loaded: r.o.ended, r.small: r.o.few} {
			took, err := watch(ctx, s, fmt.Sprintf("ended-%08d", rand.IntN(n)))
			if err != nil {
				return err
			}
			times[s] = append(times[s], 1000*took.Seconds())
		}
	}
	loaded, small := beside.SpreadOf(times[r.loaded]), beside.SpreadOf(times[r.small])
	r.note(figure{Phase: phase, What: "all events of one order by a consumer, mean", Unit: "ms", Loaded: loaded.Mean, Beside: small.Mean})
	r.note(figure{Phase: phase, What: "all events of one order by a consumer, max", Unit: "ms", Loaded: loaded.Max, Beside: small.Max})
	return nil
}

// watch reads an order's events until it has ended.
func watch(ctx context.Context, s *beside.System, id string) (time.Duration, error) {
	begun, done := time.Now(), make(chan struct{}, 1)
	c, err := s.JS.OrderedConsumer(ctx, messages.StreamEvents, jetstream.OrderedConsumerConfig{FilterSubjects: []string{messages.OrderEvents(beside.Tenant, id)}})
	if err != nil {
		return 0, fmt.Errorf("%s: watch %s: %w", s.Name, id, err)
	}
	reading, err := c.Consume(func(m jetstream.Msg) {
		if a, err := messages.ParseEventSubject(m.Subject()); err == nil && a.Type == messages.Succeeded {
			done <- struct{}{} // each watch has an order of its own, and this is its last event
		}
	})
	if err != nil {
		return 0, err
	}
	defer reading.Stop()
	deadline := time.NewTimer(beside.Patience)
	defer deadline.Stop()
	select {
	case <-done:
		return time.Since(begun), nil
	case <-deadline.C:
		return 0, fmt.Errorf("%s: the events of order %s do not come", s.Name, id)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// profiles is the folder for the profiles of a system's dispatcher; "" for none.
func (r *rig) profiles(s *beside.System, phase string) string {
	if r.o.profiles == "" || s != r.loaded {
		return ""
	}
	return filepath.Join(r.o.profiles, strings.ReplaceAll(strings.ReplaceAll(phase, " ", "-"), ",", ""))
}
