package ratelimit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beltline-io/beltline/internal/ratelimit"
)

// A permit that is granted faster than what comes before its request can be done
// is thrown away, and missing for a whole window. So a burst goes no faster than
// its permits are used.
func TestShared_ABurstGoesNoFasterThanItsPermitsAreUsed(t *testing.T) {
	t.Parallel()
	const replicas, takers, limit = 16, 64, 500
	w := newWorld(3, limit, time.Minute)
	thrown := 0
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		// All intents of all replicas go to one disk, one after the other.
		disk, done := make(chan struct{}, 1), make(chan struct{})
		for range replicas {
			l := w.replica()
			for range takers {
				go func() {
					defer func() { done <- struct{}{} }()
					for {
						p, err := l.Take(ctx, ratelimit.ForPlace)
						if err != nil {
							return
						}
						disk <- struct{}{}
						<-time.After(3 * time.Millisecond)
						<-disk
						if p.Check() == nil {
							w.arrive()
							continue
						}
						w.mu.Lock()
						thrown++
						w.mu.Unlock()
					}
				}()
			}
		}
		for range replicas * takers {
			<-done
		}
		<-time.After(time.Minute)
	})
	t.Logf("%d requests, %d permits thrown away", len(w.arrivals), thrown)
	if thrown > limit/50 {
		t.Errorf("%d of %d permits were thrown away", thrown, w.granted)
	}
	if n := w.overruns(); n > 0 {
		t.Errorf("%d overruns", n)
	}
}

// A permit that nobody uses or throws away must not keep others waiting for
// longer than it could have been used.
func TestShared_PermitsThatAreForgottenHoldNobodyUp(t *testing.T) {
	t.Parallel()
	w := newWorld(3, 500, time.Minute)
	synctest.Test(t, func(t *testing.T) {
		l := w.replica()
		for range 20 {
			if _, err := l.Take(t.Context(), ratelimit.ForPlace); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(2 * ratelimit.GreatestAge)
		asked := w.asked
		if _, err := l.Take(t.Context(), ratelimit.ForPlace); err != nil {
			t.Fatal(err)
		}
		if n := w.asked - asked; n != 1 {
			t.Errorf("%d requests for a permit while nearly all are free, want 1", n)
		}
		<-time.After(time.Minute)
	})
}
