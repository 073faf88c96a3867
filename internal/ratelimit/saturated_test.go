package ratelimit_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beltline-io/beltline/internal/ratelimit"
)

// saturation is what a saturated run showed.
type saturation struct {
	*world
	took      []int // permits by replica
	checks    int   // permits for checks, of all replicas
	customers []time.Duration
	lasted    time.Duration
}

// saturate lets replicas ask for more than there is, each with more waiters
// than slots, for a while of the bubble's time. Now and then a customer comes.
func saturate(t *testing.T, replicas, limit int, window, lasts time.Duration) saturation {
	s := saturation{world: newWorld(7, limit, window), took: make([]int, replicas), lasted: lasts}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), lasts)
		defer cancel()
		done := make(chan struct{})
		waiters := 0
		for i := range replicas {
			l := s.replica()
			for n := range 32 {
				waiters++
				go func() {
					s.keepTaking(ctx, l, i, n%4 == 3)
					done <- struct{}{}
				}()
			}
		}
		l := s.replica() // one whose queue is empty but for its customers
		for ctx.Err() == nil {
			<-time.After(time.Second + s.draw(2*time.Second))
			began := time.Now()
			if _, err := l.Take(ctx, ratelimit.ForCustomer); err == nil {
				s.customers = append(s.customers, time.Since(began))
				s.arrive()
			}
		}
		for range waiters {
			<-done
		}
		<-time.After(window) // what paces sees that nobody waits any more
	})
	return s
}

func (s *saturation) keepTaking(ctx context.Context, l ratelimit.Limiter, replica int, check bool) {
	use := ratelimit.ForPlace
	if check {
		use = ratelimit.ForCheck
	}
	for {
		p, err := l.Take(ctx, use)
		if err != nil {
			return
		}
		<-time.After(s.draw(ratelimit.GreatestAge))
		if p.Check() != nil {
			continue
		}
		s.arrive()
		s.mu.Lock()
		s.took[replica]++
		if check {
			s.checks++
		}
		s.mu.Unlock()
	}
}

func TestShared_SaturatedItIsFairQuietAndUsesTheLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		replicas, limit int
		window          time.Duration
		use             float64 // of the limit
	}{
		{1, 500, time.Minute, .98}, {4, 500, time.Minute, .98}, {16, 500, time.Minute, .98},
		// A short window wastes more of it: a permit lives half a second longer,
		// and the server looks four times a second for those that are over.
		{1, 50, 6 * time.Second, .85}, {4, 50, 6 * time.Second, .85}, {16, 50, 6 * time.Second, .85},
	} {
		t.Run(fmt.Sprintf("%d replicas, %d in %s", c.replicas, c.limit, c.window), func(t *testing.T) {
			t.Parallel()
			s := saturate(t, c.replicas, c.limit, c.window, 3*time.Minute)
			use := float64(len(s.arrivals)) / (float64(c.limit) * float64(s.lasted) / float64(c.window))
			perPermit := float64(s.asked) / float64(s.granted)
			fair := float64(slices.Max(s.took)) / float64(max(slices.Min(s.took), 1))
			share := float64(s.checks) / float64(len(s.arrivals))
			slices.Sort(s.customers)
			usual, worst := s.customers[len(s.customers)*95/100], s.customers[len(s.customers)-1]
			t.Logf("use %.3f, requests per permit %.2f, busiest to idlest %.2f, checks' share %.2f, customers' p95 %s, worst %s",
				use, perPermit, fair, share, usual, worst)
			if n := s.overruns(); n > 0 {
				t.Errorf("%d overruns", n)
			}
			if use < c.use {
				t.Errorf("use of the limit is %.3f, want %.2f", use, c.use)
			}
			if perPermit > 4 {
				t.Errorf("%.2f requests per permit, want at most 4", perPermit)
			}
			if fair > 1.5 {
				t.Errorf("replicas took %v", s.took)
			}
			if share < .2 {
				t.Errorf("checks got %.2f of the permits, want a quarter", share)
			}
			// One that comes just when the reserve is used up waits for the next
			// permit that frees.
			if usual > time.Second || worst > c.window {
				t.Errorf("customers waited %s, the worst %s", usual, worst)
			}
		})
	}
}

// Far from the limit nothing is asked but for the permits themselves.
func TestShared_UnsaturatedAPermitCostsOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(1, 500, time.Minute)
	synctest.Test(t, func(t *testing.T) {
		l := w.replica()
		for range 400 {
			p, err := l.Take(t.Context(), ratelimit.ForPlace)
			if err != nil || p.Check() != nil {
				t.Error(err)
			}
		}
	})
	if w.granted != 400 || w.asked > 410 {
		t.Errorf("%d requests for %d permits", w.asked, w.granted)
	}
}

// A burst leaves a reserve, so that a customer does not wait for the window.
func TestShared_ABurstLeavesSomethingForCustomers(t *testing.T) {
	t.Parallel()
	w := newWorld(1, 500, time.Minute)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l, done := w.replica(), make(chan error, 1000)
		for range 1000 {
			go func() {
				_, err := l.Take(ctx, ratelimit.ForPlace)
				done <- err
			}()
		}
		synctest.Wait()
		<-time.After(10 * time.Second)
		began := time.Now()
		if _, err := w.replica().Take(ctx, ratelimit.ForCustomer); err != nil || time.Since(began) > time.Second {
			t.Errorf("after a burst a customer waited %s: %v", time.Since(began), err)
		}
		cancel()
		for range 1000 {
			<-done
		}
		<-time.After(time.Minute)
	})
}
