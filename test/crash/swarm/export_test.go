package main

import (
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
)

// What the tests need of the command.
var (
	Swarm       = swarm
	Control     = control
	BuildServer = buildServer
)

// Planned are the orders of a run, and the other content for each.
func Planned(o Options) (orders []check.Order, contrary [][]byte) {
	for _, p := range plans(&o) {
		orders, contrary = append(orders, p.Order), append(contrary, p.contrary())
	}
	return orders, contrary
}

// Times are the waits that programs are given.
func Times(o Options) map[string]string { return o.times() }

// Recover measures how long orders waited after the deaths of those who had
// placed them.
func Recover(events []check.Message, deaths map[string]time.Time) *Result {
	r := &Result{}
	r.recover(&check.History{Streams: map[string][]check.Message{"EVENTS": events}}, deaths, 900*time.Millisecond)
	return r
}

// Places are n places that a reaper picks; "" is a random moment.
func Places(seed uint64, n int) (all []string) {
	r := newReaper(&Options{Seed: seed}, nil, nil)
	for range n {
		p, _, placed := r.place()
		if !placed {
			all = append(all, "")
			continue
		}
		all = append(all, p.String())
	}
	return all
}
