package rig

import (
	"context"
	"time"
)

// doubles is how many orders the naive worker must have bought twice before a
// control run ends.
const doubles = 3

// Control makes a run with a naive worker at BalanceSteam: it calls, records
// and acknowledges, and writes no intent. What it breaks must be found. Things
// are broken until the books show it, however slow the machine.
func Control(ctx context.Context, o Options) (*Result, error) {
	o.Naive, o.Providers = balanceSteam, []string{balanceSteam}
	o.Orders, o.Span = 400, 10*time.Second
	o.Quiet, o.For, o.Heal = time.Second, 2*time.Minute, time.Minute
	o.DispatcherUntil, o.Rate, o.Percent = time.Nanosecond, 4, 0
	o.Again = "go run ./test/crash -control"
	o.enough = func(s *shops) bool {
		twice := map[string]int{}
		n := 0
		for _, p := range s.steam.Purchases() {
			if twice[p.LoginOrEmail]++; twice[p.LoginOrEmail] == 2 {
				n++
			}
		}
		return n >= doubles
	}
	return Run(ctx, o)
}

// Build makes all programs that any run needs, in a folder that runs are given
// as Options.Programs. With tags they obey FAILPOINTS, or MUTANT.
func Build(ctx context.Context, dir string, tags ...string) error {
	all := Options{Providers: Providers()}
	if err := all.build(ctx, dir, tags...); err != nil {
		return err
	}
	control := Options{Providers: []string{balanceSteam}, Naive: balanceSteam}
	return control.build(ctx, dir, tags...)
}
