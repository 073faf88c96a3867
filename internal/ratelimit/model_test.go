package ratelimit_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/ratelimit"
)

// transit is the longest way from a replica to the provider that the margin
// allows for.
const transit = ratelimit.Margin - ratelimit.GreatestAge

// fault is what a mutant does otherwise.
type fault string

const (
	none              fault = ""
	noMargin          fault = "permits live for the window only"
	grantNotArrival   fault = "an old permit is used all the same"
	givenBack         fault = "a crash gives its permit back"
	checksAreNotTaken fault = "checks take no permit"
)

// scene is one random world with its replicas.
type scene struct {
	seed             int64
	limit, replicas  int
	takers, requests int
	window, slow     time.Duration
	loss             float64
	pauses, crashes  float64
}

var scenes = rapid.Custom(func(t *rapid.T) scene {
	return scene{
		seed:     rapid.Int64().Draw(t, "seed"),
		limit:    rapid.IntRange(1, 30).Draw(t, "limit"),
		replicas: rapid.IntRange(1, 5).Draw(t, "replicas"),
		takers:   rapid.IntRange(1, 8).Draw(t, "takers"),
		requests: rapid.IntRange(1, 12).Draw(t, "requests"),
		window:   time.Duration(rapid.IntRange(1, 60).Draw(t, "window")) * 200 * time.Millisecond,
		slow:     rapid.SampledFrom([]time.Duration{time.Millisecond, 50 * time.Millisecond, 700 * time.Millisecond}).Draw(t, "slow"),
		loss:     rapid.SampledFrom([]float64{0, 0, .05, .3}).Draw(t, "loss"),
		pauses:   rapid.SampledFrom([]float64{0, .1, .5}).Draw(t, "pauses"),
		crashes:  rapid.SampledFrom([]float64{0, .1}).Draw(t, "crashes"),
	}
})

// play runs a scene to its end and returns the provider's world.
func play(t *testing.T, s scene, f fault) *world {
	w := newWorld(s.seed, s.limit, s.window)
	w.slow, w.loss = s.slow, s.loss
	if f == noMargin {
		w.life = s.window
	}
	synctest.Test(t, func(t *testing.T) {
		var all sync.WaitGroup
		for range s.replicas {
			l := w.replica()
			for taker := range s.takers {
				all.Go(func() {
					for range s.requests {
						w.request(t.Context(), l, uses[taker%len(uses)], s, f)
					}
				})
			}
		}
		all.Wait()
		<-time.After(time.Minute) // what serves the lines sees that nobody waits
	})
	return w
}

var uses = []ratelimit.Use{ratelimit.ForPlace, ratelimit.ForCheck, ratelimit.ForPrepare, ratelimit.ForCustomer}

// request is what a replica does for one request: it may be paused, or die,
// between the permit and the writing of its request.
func (w *world) request(ctx context.Context, l ratelimit.Limiter, u ratelimit.Use, s scene, f fault) {
	if f == checksAreNotTaken && u == ratelimit.ForCheck {
		w.arrive()
		return
	}
	p, err := l.Take(ctx, u)
	if err != nil {
		return
	}
	if w.chance(s.pauses) {
		<-time.After(w.draw(2 * s.window))
	} else {
		<-time.After(w.draw(ratelimit.GreatestAge))
	}
	if p.Check() != nil && f != grantNotArrival {
		return // thrown away
	}
	<-time.After(w.draw(transit))
	w.arrive()
	if f == givenBack && w.chance(s.crashes) {
		w.mu.Lock()
		if len(w.live) > 0 {
			w.live = w.live[:len(w.live)-1]
		}
		w.mu.Unlock()
	}
}

func TestShared_NoWindowIsEverOverrun(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := scenes.Draw(rt, "scene")
		if w := play(t, s, none); w.overruns() > 0 {
			rt.Fatalf("%d overruns in %+v", w.overruns(), s)
		}
	})
}

// A model that cannot see a fault would show nothing.
func TestShared_TheModelSeesEveryFault(t *testing.T) {
	t.Parallel()
	for _, f := range []fault{noMargin, grantNotArrival, givenBack, checksAreNotTaken} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			for i := range 500 {
				s := scenes.Example(i)
				if play(t, s, f).overruns() > 0 {
					return
				}
			}
			t.Error("no scene of 500 shows it")
		})
	}
}
