package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
)

// The providers, as the contract names them.
const (
	balanceSteam = "balancesteam"
	skinsBack    = "skinsback"
	gamesDrop    = "gamesdrop"
	exchanger    = "exchanger"
)

func providers() []string { return []string{balanceSteam, skinsBack, gamesDrop, exchanger} }

// maxOrders of one store: dumps and books of a run lie in memory when it is judged.
const maxOrders = 50_000

// Options say what a run is like. Zero fields take their defaults.
type Options struct {
	Seed        uint64
	Orders      int
	Open        int           // orders that are under way at one time
	Workers     int           // of each provider
	Dispatchers int           // replicas
	Deaths      float64       // of workers in a second, at most
	Each        float64       // deaths for each order that has ended, at most
	Percent     int           // of requests to shops that are spoilt
	Timeout     time.Duration // of a request to a shop; the other times follow from it
	Heal        time.Duration // the longest wait for the last order after the last death
	InFlight    int           // messages that a life works on at one time
	// Naive puts a worker in the place of that of BalanceSteam that writes no
	// intent. The run ends when it has bought enough twice to be caught.
	Naive bool

	NATSServer string // the built server; empty builds it
	Dir        string // folder for the bundle; empty makes one
	Keep       bool   // keep the bundle of a run in which all went well
	Commit     string
	Again      string // the command that runs it again
	Progress   io.Writer
}

func (o *Options) fill() error {
	if o.Orders < 1 || o.Orders > maxOrders {
		return fmt.Errorf("%d orders: a run has between 1 and %d", o.Orders, maxOrders)
	}
	o.Open, o.Workers, o.Dispatchers = either(o.Open, 400), either(o.Workers, 6), either(o.Dispatchers, 2)
	o.Timeout, o.Heal, o.InFlight = either(o.Timeout, 500*time.Millisecond), either(o.Heal, 10*time.Minute), either(o.InFlight, 3)
	if o.Deaths == 0 {
		o.Deaths = 80
	}
	if o.Each == 0 {
		o.Each = 0.25
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return nil
}

func either[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// rate is the limit of every provider, out of the way: the load is what dies.
var rate = check.Rate{Requests: 20000, Window: 10 * time.Second}

// times are the waits of the programs: those of production at a fraction of
// their length, and in the same order (HTTP deadline < lease < ack wait < what
// looks into a doubt < hold-down).
func (o *Options) times() map[string]string {
	t := func(tenths int) string { return (o.Timeout * time.Duration(tenths) / 10).String() }
	env := map[string]string{
		"LEASE": t(13), "ACK_WAIT": o.ackWait().String(), "POLL_FIRST": t(5), "POLL_MAX": t(25), "ABSENCE_WAIT": t(60), "HOLD_DOWN": t(200),
		"BLOCKED_MAX": "5m",
		// The dead are given this long to notice that nothing works any more.
		"DRAIN_TIMEOUT": t(5),
	}
	for _, p := range providers() {
		env[strings.ToUpper(p)+"_TIMEOUT"] = t(10)
	}
	return env
}

// ackWait is after how long a message is delivered again whose worker died.
func (o *Options) ackWait() time.Duration { return o.Timeout * 18 / 10 }

// lateFor is the longest time for which an answer can come late once nothing
// dies any more: all that was under way has met its deadline, was delivered
// again, and was looked into.
func (o *Options) lateFor() time.Duration { return 10 * o.Timeout }
