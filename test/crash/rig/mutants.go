package rig

import (
	"context"
	"fmt"
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
)

// scenes are the short runs in which mutants must be caught: those that the rig
// catches, each at the shop and with the faults that bring it to light.
var scenes = map[string]scene{
	"M1":  {balanceSteam, calm},
	"M2":  {balanceSteam, ambushed},
	"M3":  {balanceSteam, spoilt},
	"M4":  {balanceSteam, spoilt},
	"M10": {balanceSteam, limited},
	"M13": {balanceSteam, spoilt},
	"M14": {gamesDrop, calm},
	"M16": {gamesDrop, spoilt},
	"M22": {gamesDrop, calm},
	"M24": {gamesDrop, calm},
}

// scene is what such a run is like.
type scene struct {
	provider string
	how      string
}

// The ways.
const (
	calm     = "calm"     // nothing is broken at all
	spoilt   = "spoilt"   // many answers are lost
	ambushed = "ambushed" // workers are killed when the shop has just bought
	limited  = "limited"  // the shop takes few requests
)

// Scene names the run in which a mutant is caught; empty where no run does.
func Scene(id string) string {
	s, ok := scenes[id]
	if !ok {
		return ""
	}
	return s.how + " " + s.provider
}

// set makes the options of the run. Whoever leaves an order behind is found when
// the wait for the last one is over, before any sweeper looks.
func (s scene) set(o *Options) {
	o.Providers, o.Replicas = []string{s.provider}, 2
	o.Orders, o.Span = 60, 2*time.Second
	o.Quiet, o.For, o.Heal = 500*time.Millisecond, 2*time.Second, 10*time.Second
	o.Timeout, o.DispatcherUntil = 800*time.Millisecond, time.Nanosecond
	o.Calm, o.Percent = true, 0
	switch s.how {
	case spoilt:
		o.Orders, o.Span, o.For, o.Percent, o.lost = 80, 3*time.Second, 4*time.Second, 40, true
	case ambushed:
		o.Orders, o.Span, o.For = 200, 6*time.Second, 6*time.Second
		o.Calm, o.only, o.Rate = false, "ambush the workers of a shop", 3
	case limited:
		o.limit, o.Heal = check.Rate{Requests: 20, Window: 2 * time.Second}, 30*time.Second
	}
}

// Mutant makes the run in which a mutant must be caught, of programs that were
// built with the tag. longer gives it more of everything, for a machine that was
// too slow for it.
func Mutant(ctx context.Context, o Options, id string, longer bool) (*Result, error) {
	s, ok := scenes[id]
	if !ok {
		return nil, fmt.Errorf("no run catches the mutant %q", id)
	}
	s.set(&o)
	if o.Mutant = id; o.Sound {
		o.Mutant = ""
	}
	o.Again = "go run ./test/crash -mutants " + id
	if longer || o.Sound {
		o.Heal = max(o.Heal, time.Minute)
	}
	if longer {
		o.Orders, o.Span, o.For = 3*o.Orders, 3*o.Span, 3*o.For
	}
	return Run(ctx, o)
}
