package main

import (
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
