package ratelimit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beltline-io/beltline/internal/ratelimit"
)

func TestLocal_NeverMoreThanNArriveInAnyWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, window = 5, time.Second
		l := ratelimit.NewLocal(n, window)
		arrivals := make(chan time.Time, 200)
		for i := range 40 {
			go func() {
				p, err := l.Take(t.Context(), ratelimit.ForPlace)
				if err != nil {
					t.Error(err)
				}
				// The latest arrival that the permit allows, for every other one.
				if i%2 == 0 {
					<-time.After(p.MaxAge)
				}
				if !p.Fresh(time.Now()) {
					t.Errorf("permit is not fresh at its greatest age")
				}
				arrivals <- time.Now()
			}()
		}
		var log []time.Time
		for range 40 {
			log = append(log, <-arrivals)
		}
		for _, from := range log {
			in := 0
			for _, at := range log {
				if !at.Before(from) && at.Before(from.Add(window)) {
					in++
				}
			}
			if in > n {
				t.Fatalf("%d arrivals in the window from %s, limit %d", in, from, n)
			}
		}
	})
}

func TestLocal_AWaiterThatGivesUpGetsItsContextsError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := ratelimit.NewLocal(1, time.Hour)
		if _, err := l.Take(t.Context(), ratelimit.ForCheck); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.Take(ctx, ratelimit.ForCheck); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the context's error", err)
		}
	})
}

func TestPermit_IsStaleAfterItsGreatestAge(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := ratelimit.Permit{Granted: now, MaxAge: time.Second}
	if !p.Fresh(now.Add(time.Second)) || p.Fresh(now.Add(time.Second+1)) {
		t.Fatal("the greatest age is the last moment of freshness")
	}
}
