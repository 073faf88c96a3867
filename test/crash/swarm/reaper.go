package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/beltline-io/beltline/test/crash/swarm/life"
)

const (
	// patience is how long a life may take to come to the point that was picked
	// for its death. Then it dies wherever it is: at a random moment.
	patience = 600 * time.Millisecond
	// young is how many of a hundred deaths may come before a life works.
	young = 8
	// head is how many of a thousand deaths are a dispatcher's: what it had in
	// hand comes back only after its ack wait, which is not configured.
	head = 3
)

// reaper arranges deaths by seed.
type reaper struct {
	fleet   *fleet
	up      *upstream
	each    float64
	random  *rand.Rand
	struck  int
	pending sync.WaitGroup
}

func newReaper(o *Options, f *fleet, u *upstream) *reaper {
	return &reaper{fleet: f, up: u, each: o.Each, random: rand.New(rand.NewPCG(o.Seed, 13))} //nolint:gosec // repeatable on purpose
}

// reap arranges so many deaths in a second until ctx ends, and returns when all
// who were to die are dead. A tick at which nobody may die is lost: on a busy
// machine the living must come to work.
func (r *reaper) reap(ctx context.Context, rate float64) {
	defer r.pending.Wait()
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if r.may() {
				r.strike()
			}
		}
	}
}

// may reports whether the orders have come far enough for one more death. On a
// starved machine every life would end before it has begun to work, and nothing
// would ever be between an intent and its outcome.
func (r *reaper) may() bool {
	handed, open := r.up.counts()
	return float64(r.struck) < float64(len(r.fleet.replicas))+r.each*float64(handed-open)
}

// strike picks who dies, and where.
func (r *reaper) strike() {
	var candidates []*replica
	dispatcher, early := r.random.IntN(1000) < head, r.random.IntN(100) < young
	for _, m := range r.fleet.replicas {
		l, hunted := m.now()
		if l == nil || hunted || (m.provider == "") != dispatcher || !l.Working() && !early {
			continue
		}
		candidates = append(candidates, m)
	}
	if len(candidates) == 0 {
		return
	}
	m := candidates[r.random.IntN(len(candidates))]
	r.struck++
	m.mu.Lock()
	m.hunted = true
	l := m.life
	m.mu.Unlock()
	wait := time.Duration(r.random.Int64N(int64(patience)))
	if point, n, placed := r.place(); placed {
		l.DieAt(point, n)
		wait = patience
	}
	r.pending.Go(func() {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-l.Died():
		case <-timer.C:
			l.Die("at a random moment")
		}
	})
}

// place picks where a life ends; false for a random moment. There are more
// writes to NATS between two requests than requests.
func (r *reaper) place() (p life.Point, n int, placed bool) {
	switch chance := r.random.IntN(100); {
	case chance < 15:
		return life.BeforeNATSWrite, 1 + r.random.IntN(12), true
	case chance < 30:
		return life.AfterNATSWrite, 1 + r.random.IntN(12), true
	case chance < 45:
		return life.BeforeNATSRead, 1 + r.random.IntN(12), true
	case chance < 60:
		return life.BeforeHTTPWrite, 1 + r.random.IntN(3), true
	case chance < 75:
		return life.AfterHTTPWrite, 1 + r.random.IntN(3), true
	case chance < 90:
		return life.BeforeHTTPRead, 1 + r.random.IntN(3), true
	default:
		return 0, 0, false
	}
}
