package ratelimit_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestPermit_IsStaleAfterItsGreatestAge(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := ratelimit.Permit{Granted: now, MaxAge: time.Second}
	if !p.Fresh(now.Add(time.Second)) || p.Fresh(now.Add(time.Second+1)) {
		t.Fatal("the greatest age is the last moment of freshness")
	}
}

func TestPermit_AStaleOneIsRefusedWhenItIsUsed(t *testing.T) {
	t.Parallel()
	if err := (ratelimit.Permit{Granted: time.Now(), MaxAge: time.Hour}).Check(); err != nil {
		t.Errorf("a fresh permit: %v", err)
	}
	if err := (ratelimit.Permit{Granted: time.Now().Add(-time.Second), MaxAge: time.Millisecond}).Check(); !errors.Is(err, ratelimit.ErrStale) {
		t.Errorf("a stale permit: %v", err)
	}
}

// A machine that slept has a monotonic clock that stood still, and a wall clock
// that did not.
func TestPermit_ASleepOfTheMachineMakesItStale(t *testing.T) {
	t.Parallel()
	p := ratelimit.Permit{Granted: time.Now(), MaxAge: time.Second}
	if p.Fresh(time.Now().Round(0).Add(time.Minute)) {
		t.Error("fresh a minute later by the wall clock")
	}
}

// The limit is kept only by permits that are not too old: more than that is for
// whoever says so.
func TestTake_APermitMayGrowAsOldAsTheLimitBearsUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for age, want := range map[time.Duration]time.Duration{0: ratelimit.GreatestAge, time.Minute: time.Minute} {
			w := newWorld(1, 10, time.Second)
			l := ratelimit.NewOver((*worldFence)(w), ratelimit.Options{Provider: messages.SkinsBack, Instance: "r", Age: age, Log: zerolog.Nop()})
			p, err := l.Take(t.Context(), ratelimit.ForPlace)
			if err != nil {
				t.Fatal(err)
			}
			granted := time.Now()
			if p.MaxAge != want || p.Fresh(granted.Add(want+time.Millisecond)) {
				t.Errorf("a permit may grow %s old, not %s", p.MaxAge, want)
			}
		}
	})
}
