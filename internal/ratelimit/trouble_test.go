package ratelimit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
)

// permitsOf looks at the stream itself.
func permitsOf(t *testing.T, js jetstream.JetStream) jetstream.StreamState {
	t.Helper()
	s, err := js.Stream(t.Context(), messages.SkinsBack.PermitStream())
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State
}

func TestStream_MissingOrWithoutALimitItGrantsNothingAndSaysWhy(t *testing.T) {
	t.Parallel()
	stream := jetstream.StreamConfig{
		Name: messages.SkinsBack.PermitStream(), Subjects: []string{messages.SkinsBack.PermitSubject()},
		MaxMsgs: 20, MaxAge: time.Minute, Discard: jetstream.DiscardNew,
	}
	for name, c := range map[string]struct {
		edit func(*jetstream.StreamConfig)
		says string
	}{
		"missing":           {nil, "stream not found"},
		"any number":        {func(c *jetstream.StreamConfig) { c.MaxMsgs = -1 }, "does not limit anything"},
		"no age":            {func(c *jetstream.StreamConfig) { c.MaxAge = 0 }, "does not limit anything"},
		"forgets the first": {func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }, "does not limit anything"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d := natstest.Start(t), openDoor(t)
			js := s.JS(t)
			if c.edit != nil {
				config := stream
				c.edit(&config)
				if _, err := js.CreateStream(t.Context(), config); err != nil {
					t.Fatal(err)
				}
			}
			r := join(t, d, "r1", s.Conn(t))
			for _, u := range uses {
				err := takeUntilTold(t, r.limiter, u, c.says)
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: %v, want a deadline exceeded that says %q", u, err, c.says)
				}
			}
			if c.edit == nil {
				return
			}
			if n := permitsOf(t, js).Msgs; n > 0 {
				t.Errorf("%d permits were asked for", n)
			}
		})
	}
}

// takeFor asks for a permit for a while.
func takeFor(t *testing.T, l ratelimit.Limiter, u ratelimit.Use, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	_, err := l.Take(ctx, u)
	return err
}

// takeUntilTold asks for a permit until there is one, or the reason is told why
// not. On a busy machine the first time may be too short for either.
func takeUntilTold(t *testing.T, l ratelimit.Limiter, u ratelimit.Use, reason string) (err error) {
	t.Helper()
	for d := 100 * time.Millisecond; d < soon; d *= 2 {
		if err = takeFor(t, l, u, d); err == nil || strings.Contains(err.Error(), reason) {
			return err
		}
	}
	return err
}

// A permit stream that is full grants nothing to anybody before its permits are
// over, however urgent, to replicas that know of it and to new ones, and is seldom
// asked.
func TestStream_FullItGrantsNothingToAnybody(t *testing.T) {
	t.Parallel()
	s, d := natstest.Start(t), openDoor(t)
	js := s.JS(t)
	setUp(t, js, rule{5, time.Hour}, 1)
	for range 5 {
		if _, err := js.Publish(t.Context(), messages.SkinsBack.PermitSubject(), nil); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	known, fresh := join(t, d, "known", s.Conn(t)), join(t, d, "new", s.Conn(t))
	for _, r := range []*replica{known, fresh, known} {
		for _, u := range uses {
			if err := takeFor(t, r.limiter, u, 250*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s of %s: %v", u, r.name, err)
			}
		}
	}
	seconds := time.Since(began).Seconds()
	if n := float64(known.conn.Stats().OutMsgs + fresh.conn.Stats().OutMsgs); n > 20+10*seconds {
		t.Errorf("%.0f messages to NATS in %.1f s, though nothing frees for an hour", n, seconds)
	}
	if state := permitsOf(t, js); state.Msgs != 5 || state.LastSeq != 5 {
		t.Errorf("the stream holds %d permits, the last is %d", state.Msgs, state.LastSeq)
	}
}

// aging is a limiter whose permits have become old before they are used.
type aging struct{ ratelimit.Limiter }

func (l aging) Take(ctx context.Context, u ratelimit.Use) (ratelimit.Permit, error) {
	p, err := l.Limiter.Take(ctx, u)
	p.Granted = p.Granted.Add(-2 * p.MaxAge)
	return p, err
}

func TestStream_AStalePermitSendsNothingAndIsCounted(t *testing.T) {
	t.Parallel()
	s, d := natstest.Start(t), openDoor(t)
	setUp(t, s.JS(t), small, 1)
	r := join(t, d, "r1", s.Conn(t))
	slow := aging{r.limiter}
	r.http = providerhttp.New(providerhttp.Config{Name: "skinsback", Limiter: slow})
	t.Cleanup(r.http.Close)

	if err := r.read(t.Context(), ratelimit.ForCheck); !errors.Is(err, ratelimit.ErrStale) {
		t.Errorf("a read with a stale permit: %v", err)
	}
	if n := r.counter(t, "beltline_permits_thrown_away_total"); n != 1 {
		t.Errorf("%.0f permits counted as thrown away by a read, want 1", n)
	}
	p, err := slow.Take(t.Context(), ratelimit.ForPlace)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.spend(t.Context(), p); !errors.Is(err, ratelimit.ErrStale) {
		t.Errorf("a create with a stale permit: %v", err)
	}
	if n := r.counter(t, "beltline_permits_thrown_away_total"); n != 2 {
		t.Errorf("%.0f permits counted as thrown away after a create, want 2", n)
	}
	if n := d.count(); n > 0 {
		t.Errorf("%d requests arrived", n)
	}
}
