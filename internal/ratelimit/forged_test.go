package ratelimit_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beltline-io/beltline/internal/ratelimit"
)

// forge tells all replicas what nobody has done, as often as every says, until
// ctx ends.
func (w *world) forge(ctx context.Context, every time.Duration, n ratelimit.Note, seq uint64) {
	for ctx.Err() == nil {
		w.mu.Lock()
		w.tell(n, seq)
		w.mu.Unlock()
		select {
		case <-time.After(every):
		case <-ctx.Done():
		}
	}
}

// crowd are more replicas than an order has places.
func crowd(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("nobody-%d", i))
	}
	return names
}

// Whoever can say something on the subject of the turns may cost others their
// places and some time. The permits go on, and nobody asks without end.
func TestShared_ForgedTurnsStopNobodyAndMakeNoNoise(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		n   ratelimit.Note
		seq uint64
	}{
		"a sequence far ahead":           {ratelimit.Note{By: "x"}, 1 << 40},
		"the greatest sequence":          {ratelimit.Note{By: "x"}, math.MaxUint64},
		"a turn far ahead":               {ratelimit.Note{By: "x", Turn: true}, 1 << 40},
		"an order of replicas not there": {ratelimit.Note{By: "x", Turn: true, Next: crowd(1000)}, 1},
		"calls of nobody":                {ratelimit.Note{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const limit, window = 50, 6 * time.Second
			s := saturation{world: newWorld(5, limit, window), took: make([]int, 2), lasted: 10 * time.Minute}
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), s.lasted)
				defer cancel()
				done := make(chan struct{})
				for i := range s.took {
					l := s.replica()
					for n := range 8 {
						go func() {
							s.keepTaking(ctx, l, i, n%4 == 3)
							done <- struct{}{}
						}()
					}
				}
				go s.forge(ctx, time.Minute, c.n, c.seq)
				for range 8 * len(s.took) {
					<-done
				}
				<-time.After(2 * window)
			})
			use := float64(len(s.arrivals)) / (limit * float64(s.lasted) / float64(window))
			perPermit := float64(s.asked) / float64(s.granted)
			t.Logf("use %.2f, requests per permit %.2f, %v", use, perPermit, s.took)
			if n := s.overruns(); n > 0 {
				t.Errorf("%d overruns", n)
			}
			if use < .7 {
				t.Errorf("use of the limit is %.3f", use)
			}
			if perPermit > 4 {
				t.Errorf("%.2f requests per permit", perPermit)
			}
		})
	}
}

// More replicas than an order has places all get their turns.
func TestTurns_OfMoreReplicasThanThereArePlacesAllGetTheirs(t *testing.T) {
	t.Parallel()
	const replicas, rounds = 264, 5
	all, took := map[string]*ratelimit.Turns{}, map[string]int{}
	names := crowd(replicas)
	for _, name := range names {
		all[name] = ratelimit.NewTurns(name)
	}
	now := time.Now()
	for range replicas * rounds {
		now = now.Add(time.Second)
		for _, caller := range names {
			if all[caller].MayCall(now) {
				for _, other := range all {
					other.Called(caller)
				}
			}
		}
		rand.Shuffle(replicas, func(i, k int) { names[i], names[k] = names[k], names[i] })
		first := all[names[0]].First()
		took[first]++
		n := ratelimit.Note{By: first, Turn: true, Next: all[first].Take()}
		for _, other := range all {
			other.Passed(n)
		}
	}
	for _, name := range names {
		if took[name] == 0 {
			t.Errorf("%s had no turn in %d", name, replicas*rounds)
		}
	}
}

// Replicas that bear one name by mistake get permits all the same.
func TestShared_ReplicasOfOneNameGetPermitsAllTheSame(t *testing.T) {
	t.Parallel()
	s := saturation{world: newWorld(3, 50, 6*time.Second), took: make([]int, 3), lasted: 3 * time.Minute}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), s.lasted)
		defer cancel()
		done := make(chan struct{})
		for i := range s.took {
			if i < 2 {
				s.world.replicas = 0
			}
			l := s.replica()
			for range 4 {
				go func() {
					s.keepTaking(ctx, l, i, false)
					done <- struct{}{}
				}()
			}
		}
		for range 4 * len(s.took) {
			<-done
		}
		<-time.After(12 * time.Second)
	})
	use := float64(len(s.arrivals)) / (50 * float64(s.lasted) / float64(6*time.Second))
	t.Logf("took %v, use %.2f, %.2f requests per permit", s.took, use, float64(s.asked)/float64(s.granted))
	for i, n := range s.took {
		if n == 0 {
			t.Errorf("replica %d got nothing", i)
		}
	}
	if use < .8 {
		t.Errorf("use of the limit is %.2f", use)
	}
}

// Who waits learns of a greater limit long before the next permit would free.
func TestShared_AGreaterLimitIsSeenByThoseWhoWait(t *testing.T) {
	t.Parallel()
	w := newWorld(9, 5, 24*time.Hour)
	synctest.Test(t, func(t *testing.T) {
		first := w.replica()
		for range 5 {
			if _, err := first.Take(t.Context(), ratelimit.ForCustomer); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		done := make(chan error)
		for range 3 {
			l := w.replica()
			go func() {
				_, err := l.Take(ctx, ratelimit.ForPlace)
				done <- err
			}()
		}
		<-time.After(10 * time.Minute)
		w.mu.Lock()
		quiet := w.asked
		w.limit = 50
		w.mu.Unlock()
		began := time.Now()
		for range 3 {
			if err := <-done; err != nil {
				t.Errorf("after %s with a limit of 50: %v", time.Since(began), err)
			}
		}
		t.Logf("seen after %s; %d requests in ten minutes without a permit to be had", time.Since(began), quiet)
		if time.Since(began) > 5*time.Minute {
			t.Errorf("it was seen after %s", time.Since(began))
		}
		<-time.After(time.Minute)
	})
}
