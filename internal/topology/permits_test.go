package topology_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// limited is a topology whose limit of SkinsBack is n in window.
func limited(n int, window time.Duration) topology.Settings {
	s := small()
	s.Providers[messages.SkinsBack] = topology.ForProvider(providers.Rate{Requests: n, Window: window}, time.Second)
	return s
}

// grants takes permits as fast as it can until ctx ends, and returns when each
// was granted at the latest.
func grants(ctx context.Context, js jetstream.JetStream) (at []time.Time) {
	for ctx.Err() == nil {
		if _, err := js.Publish(ctx, messages.SkinsBack.PermitSubject(), nil); err == nil {
			at = append(at, time.Now())
			continue
		}
		select { // as one who waits does
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return at
}

// Requests that have left the old window may still count in the longer one, and
// the stream has forgotten them.
func TestSetup_ALongerWindowIsNotOverrunByWhatTheShorterOneGranted(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	const before, after = 5, 8
	long := 2 * time.Second
	setUp(t, js, limited(before, 100*time.Millisecond))
	ctx, stop := context.WithCancel(t.Context())
	var at []time.Time
	var taking sync.WaitGroup
	taking.Go(func() { at = grants(ctx, js) })
	told := make(chan string, 1)
	wanted := limited(after, long)
	wanted.Progress = func(text string) { told <- text }
	eventually(t, "permits of the old limit", func() bool {
		s, err := js.Stream(t.Context(), messages.SkinsBack.PermitStream())
		return err == nil && s.CachedInfo().State.LastSeq > 2*before
	})
	changing := time.Now()
	setUp(t, js, wanted)
	changed := time.Now()
	eventually(t, "permits of the new limit", func() bool {
		s, err := js.Stream(t.Context(), messages.SkinsBack.PermitStream())
		return err == nil && s.CachedInfo().State.Msgs == after
	})
	stop()
	taking.Wait()
	if len(told) != 1 {
		t.Error("nobody was told of the wait")
	}
	// From the change on no window holds more than the new limit, though what
	// was granted before it obeyed the old one only.
	for i, g := range at {
		if i >= after && g.After(changing.Add(long)) && g.Sub(at[i-after]) < long {
			t.Errorf("grant %d came %s after the one that is %d before it", i, g.Sub(at[i-after]), after)
		}
	}
	if n := len(at); n < after || at[n-1].Before(changing.Add(long)) {
		t.Errorf("%d grants, the last %s after the change began", n, at[n-1].Sub(changing))
	}
	if changed.Sub(changing) < long {
		t.Errorf("the change took %s, less than the longer window", changed.Sub(changing))
	}
	if err := topology.Verify(t.Context(), js, messages.SkinsBack, wanted); err != nil {
		t.Error(err)
	}
}

// While the limit is being changed a worker waits; it is not misconfigured.
func TestVerify_AClosedLimitIsNotSetUpYet(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	s := limited(8, time.Minute)
	setUp(t, js, s)
	change(t, js, messages.SkinsBack.PermitStream(), func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 })
	if err := topology.Verify(t.Context(), js, messages.SkinsBack, s); !errors.Is(err, topology.ErrNotSetUp) || errors.Is(err, topology.ErrDiffers) {
		t.Errorf("got %v", err)
	}
}

// A setup that died while the limit was closed is taken up by the next.
func TestSetup_TakesUpAChangeThatWasCutShort(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	s := limited(8, 500*time.Millisecond)
	setUp(t, js, s)
	if _, err := js.Publish(t.Context(), messages.SkinsBack.PermitSubject(), nil); err != nil {
		t.Fatal(err)
	}
	granted := time.Now()
	change(t, js, messages.SkinsBack.PermitStream(), func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 })
	setUp(t, js, s)
	if c := config(t, js, messages.SkinsBack.PermitStream()); c.MaxMsgs != 8 || time.Since(granted) < 500*time.Millisecond {
		t.Errorf("limit %d after %s", c.MaxMsgs, time.Since(granted))
	}
}
