package rig

import (
	"fmt"
	"io"
	"slices"
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

// Providers lists all providers that the rig can run.
func Providers() []string { return []string{balanceSteam, skinsBack, gamesDrop, exchanger} }

// Options say what a run is like. Zero fields take their defaults.
type Options struct {
	Seed      uint64
	Orders    int
	Providers []string
	Replicas  int           // of the dispatcher and of each worker
	Nodes     int           // NATS servers: one, or a cluster of three
	NodeEvery time.Duration // the mean time between two deeds to nodes of a cluster
	Quiet     time.Duration // before the first fault
	For       time.Duration // the faults
	Heal      time.Duration // the longest wait for the last order after the last fault
	Stuck     time.Duration // how long an order may stand still while nothing is broken
	Rate      float64       // deeds of the nemesis in a second
	Percent   int           // of requests to shops that are spoilt
	Timeout   time.Duration // of a request to a shop; the other times follow from it
	// DispatcherUntil ends the kills of dispatchers that long after the first
	// fault; 0 is the end of the faults. What a killed dispatcher had in hand
	// comes back only after half a minute, and a short run cannot wait for that.
	DispatcherUntil time.Duration
	// Span is the time over which orders are handed in; 0 is as long as anything
	// is broken.
	Span time.Duration
	// enough ends the faults early, where what they are for has been seen.
	enough func(*shops) bool
	// Calm runs break nothing by force: only shops misbehave.
	Calm bool
	// only names the one deed that is done; empty for all.
	only string
	// lost: of spoilt requests only the answers are lost.
	lost bool
	// limit is the rate limit of every provider; zero is one out of the way.
	limit check.Rate
	// Points begin the names of the points that directed cases try; empty for all.
	Points string
	// Failpoints: the programs obey FAILPOINTS, and the nemesis uses that.
	Failpoints bool
	// Mutant is the one that the programs are to be, where their build has any.
	Mutant string
	// Sound makes the run of a mutant with the whole program: nothing may be found.
	Sound bool
	// Naive is the provider whose worker is the naive one; empty for none.
	Naive string

	Programs string // folder of the built programs; empty builds them
	Dir      string // folder for the bundle; empty makes one
	Keep     bool   // keep the bundle of a run in which all went well
	Commit   string // of the programs, for the result
	Again    string // the command that runs it again
	Progress io.Writer
}

// fill sets what was left out.
func (o *Options) fill() error {
	if o.Providers == nil {
		o.Providers = Providers()
	}
	for _, p := range o.Providers {
		if !slices.Contains(Providers(), p) {
			return fmt.Errorf("there is no provider %q; there are %s", p, strings.Join(Providers(), ", "))
		}
	}
	if o.Naive != "" && o.Naive != balanceSteam {
		return fmt.Errorf("the naive worker buys at %s only", balanceSteam)
	}
	if o.Nodes != 0 && o.Nodes != 1 && o.Nodes != 3 {
		return fmt.Errorf("there is one node, or there are three, not %d", o.Nodes)
	}
	o.Orders, o.Replicas = max(o.Orders, 1), either(o.Replicas, 2)
	o.Nodes, o.NodeEvery = either(o.Nodes, 1), either(o.NodeEvery, 6*time.Second)
	o.Quiet, o.For = either(o.Quiet, 3*time.Second), either(o.For, 30*time.Second)
	o.Heal, o.Stuck = either(o.Heal, 3*time.Minute), either(o.Stuck, 2*time.Minute)
	o.Timeout, o.Span = either(o.Timeout, time.Second), either(o.Span, o.Quiet+o.For)
	if o.Rate == 0 {
		o.Rate = 3
	}
	if o.DispatcherUntil == 0 {
		o.DispatcherUntil = o.For
	}
	if o.limit.Requests == 0 {
		o.limit = check.Rate{Requests: 20000, Window: 10 * time.Second}
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

// times are the waits of the programs: those of production at a fraction of
// their length, and in the same order (HTTP deadline < lease < ack wait < what
// looks into a doubt < hold-down).
func (o *Options) times() map[string]string {
	t := func(tenths int) string { return (o.Timeout * time.Duration(tenths) / 10).String() }
	env := map[string]string{
		"LEASE": t(15), "ACK_WAIT": o.ackWait().String(), "POLL_FIRST": t(1), "POLL_MAX": t(10), "ABSENCE_WAIT": t(40), "HOLD_DOWN": t(200),
		"BLOCKED_MAX": "5m", "DRAIN_TIMEOUT": t(30),
	}
	for _, p := range Providers() {
		env[strings.ToUpper(p)+"_TIMEOUT"] = t(10)
	}
	return env
}

// ackWait is after how long a message is delivered again whose worker died.
func (o *Options) ackWait() time.Duration { return o.Timeout * 25 / 10 }

// lease is how long an intent lasts.
func (o *Options) lease() time.Duration { return o.Timeout * 15 / 10 }

// lateFor is the longest time for which an answer can come late once nothing is
// broken any more: all that was under way has met its deadline, was delivered
// again, and was looked into.
func (o *Options) lateFor() time.Duration { return 2 * (o.Timeout + o.lease() + o.Timeout*25/10) }
