package ratelimit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// never grants nothing.
type never struct{}

func (never) Take(ctx context.Context, _ ratelimit.Use) (ratelimit.Permit, error) {
	<-ctx.Done()
	return ratelimit.Permit{}, ctx.Err()
}

func TestPatient_GivesUpAPermitAndLeavesTheRestOfTheContextAlone(t *testing.T) {
	t.Parallel()
	l := ratelimit.Patient(never{})
	ctx, p := ratelimit.WithPatience(t.Context(), 10*time.Millisecond)
	if _, err := l.Take(ctx, ratelimit.ForCheck); !errors.Is(err, context.DeadlineExceeded) || !p.Over() {
		t.Errorf("error %v, over %t", err, p.Over())
	}
	if ctx.Err() != nil {
		t.Errorf("the request has no time left: %v", ctx.Err())
	}
	ended, cancel := context.WithCancel(t.Context())
	ctx, p = ratelimit.WithPatience(ended, time.Hour)
	cancel()
	if _, err := l.Take(ctx, ratelimit.ForCheck); !errors.Is(err, context.Canceled) || p.Over() {
		t.Errorf("who did not wait any more was told that the limit is used up: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := l.Take(short, ratelimit.ForCheck); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without patience: %v", err)
	}
}

func TestLook_TellsHowMuchOfTheLimitIsUsed(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	if _, err := ratelimit.Look(t.Context(), js, messages.GamesDrop); err == nil {
		t.Error("a level without a stream")
	}
	s := topology.Default()
	drop := s.Providers[messages.GamesDrop]
	drop.Rate.Requests, drop.Rate.Window = 3, time.Hour
	s.Providers[messages.GamesDrop] = drop
	if _, err := topology.Setup(t.Context(), js, s); err != nil {
		t.Fatal(err)
	}
	for used := range 4 {
		l, err := ratelimit.Look(t.Context(), js, messages.GamesDrop)
		if err != nil || l.Limit != 3 || l.InUse != used || l.Life != time.Hour+ratelimit.Margin {
			t.Fatalf("%+v, %v, with %d used", l, err, used)
		}
		if full := used == 3; full != (l.FreesIn > 0) || l.FreesIn > l.Life {
			t.Errorf("with %d used a permit frees in %s", used, l.FreesIn)
		}
		if used < 3 {
			if _, err := js.Publish(t.Context(), messages.GamesDrop.PermitSubject(), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}
