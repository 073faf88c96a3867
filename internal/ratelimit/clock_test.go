package ratelimit_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
)

// skewed is the fence as a replica sees it whose clock is wrong: all that the
// server says of time is off by as much.
type skewed struct {
	*worldFence
	by time.Duration
}

func (f skewed) State(ctx context.Context) (ratelimit.FenceState, error) {
	s, err := f.worldFence.State(ctx)
	s.Now = s.Now.Add(f.by)
	if !s.Oldest.IsZero() {
		s.Oldest = s.Oldest.Add(f.by)
	}
	return s, err
}

// A replica never holds its own clock against the server's: one that is wrong
// by ten minutes gets no permit that the others do not get, and no fewer.
func TestShared_AReplicaWhoseClockIsWrongTakesItsShareAndNoMore(t *testing.T) {
	t.Parallel()
	s := saturation{world: newWorld(11, 50, 6*time.Second), took: make([]int, 4), lasted: time.Minute}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), s.lasted)
		defer cancel()
		done := make(chan struct{})
		waiters := 0
		for i, by := range []time.Duration{0, 10 * time.Minute, 0, -10 * time.Minute} {
			name := string(rune('a' + i))
			l := ratelimit.NewOver(skewed{(*worldFence)(s.world), by}, ratelimit.Options{Provider: messages.SkinsBack, Instance: name, Log: zerolog.Nop()})
			for n := range 16 {
				waiters++
				go func() {
					s.keepTaking(ctx, l, i, n%4 == 3)
					done <- struct{}{}
				}()
			}
		}
		for range waiters {
			<-done
		}
		<-time.After(s.window)
	})
	t.Logf("replicas took %v", s.took)
	if n := s.overruns(); n > 0 {
		t.Errorf("%d overruns", n)
	}
	if float64(slices.Max(s.took)) > 1.5*float64(slices.Min(s.took)) {
		t.Errorf("replicas took %v", s.took)
	}
}
