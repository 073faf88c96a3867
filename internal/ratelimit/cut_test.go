package ratelimit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
)

// cutFence answers nothing for a while, and says so at once, as the client of a
// server that is away does.
type cutFence struct {
	*worldFence
	until time.Time
	most  int // questions after which it is whole again, so that a test ends
	asked int
}

func (f *cutFence) cut() bool {
	w := (*world)(f.worldFence)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !time.Now().Before(f.until) || f.asked >= f.most {
		return false
	}
	f.asked++
	return true
}

func (f *cutFence) Publish(ctx context.Context, n ratelimit.Note) (uint64, bool, error) {
	if f.cut() {
		return 0, false, errLost
	}
	return f.worldFence.Publish(ctx, n)
}

func (f *cutFence) State(ctx context.Context) (ratelimit.FenceState, error) {
	if f.cut() {
		return ratelimit.FenceState{}, errLost
	}
	return f.worldFence.State(ctx)
}

// While NATS is away every question fails at once. A limiter that asked again at
// once would take a whole processor, and a line of the log for each try.
func TestShared_WhileNATSIsAwayPermitsAreAskedForNowAndThen(t *testing.T) {
	t.Parallel()
	const takers, away, most = 8, 10 * time.Second, 10_000
	synctest.Test(t, func(t *testing.T) {
		f := &cutFence{worldFence: (*worldFence)(newWorld(5, 500, time.Minute)), most: most}
		l := ratelimit.NewOver(f, ratelimit.Options{Provider: messages.SkinsBack, Instance: "r1", Log: zerolog.Nop()})
		if _, err := l.Take(t.Context(), ratelimit.ForPlace); err != nil { // from here on it knows that there is room
			t.Fatal(err)
		}
		f.until = time.Now().Add(away)
		began, done := time.Now(), make(chan error)
		for range takers {
			go func() {
				_, err := l.Take(t.Context(), ratelimit.ForPlace)
				done <- err
			}()
		}
		for range takers {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > away+2*time.Second {
			t.Errorf("the last permit came %s after the first was asked for, and NATS was away for %s", took, away)
		}
		if limit := 10 * takers * int(away/time.Second); f.asked > limit {
			t.Errorf("%d questions in %s, want at most %d", f.asked, away, limit)
		}
		<-time.After(time.Minute)
	})
}
