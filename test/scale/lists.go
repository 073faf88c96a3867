package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

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

// profiles is the folder for the profiles of a system's dispatcher; "" for none.
func (r *rig) profiles(s *beside.System, phase string) string {
	if r.o.profiles == "" || s != r.loaded {
		return ""
	}
	return filepath.Join(r.o.profiles, strings.ReplaceAll(strings.ReplaceAll(phase, " ", "-"), ",", ""))
}
