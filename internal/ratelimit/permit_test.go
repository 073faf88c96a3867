package ratelimit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/ratelimit"
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
