package rig

import (
	"context"
	"time"
)

// Control makes a run with a naive worker at BalanceSteam: it calls, records
// and acknowledges, and writes no intent. What it breaks must be found.
func Control(ctx context.Context, o Options) (*Result, error) {
	o.Naive, o.Providers = balanceSteam, []string{balanceSteam}
	o.Quiet, o.For, o.Orders = time.Second, 8*time.Second, 400
	o.DispatcherUntil, o.Rate = time.Nanosecond, 4
	o.Heal = time.Minute
	o.Again = "go run ./test/crash -control"
	return Run(ctx, o)
}

// Build makes all programs that any run needs, in a folder that runs are given
// as Options.Programs.
func Build(ctx context.Context, dir string) error {
	all := Options{Providers: Providers()}
	if err := all.build(ctx, dir); err != nil {
		return err
	}
	control := Options{Providers: []string{balanceSteam}, Naive: balanceSteam}
	return control.build(ctx, dir)
}
