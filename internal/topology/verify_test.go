package topology_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

func TestVerify_AcceptsWhatSetupMade(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	for _, p := range messages.Providers() {
		if err := topology.Verify(t.Context(), js, p, small()); err != nil {
			t.Error(err)
		}
	}
}

func TestVerify_NothingSetUpNamesEverythingMissing(t *testing.T) {
	t.Parallel()
	err := topology.Verify(t.Context(), natstest.Start(t).JS(t), messages.SkinsBack, small())
	if !errors.Is(err, topology.ErrNotSetUp) || errors.Is(err, topology.ErrDiffers) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"beltline setup", "PERMITS_SKINSBACK", "EVENTS", "COMMANDS", "DLQ",
		"worker-skinsback-place", "worker-skinsback-follow", "bucket beltline",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from:\n%s", want, err)
		}
	}
}

func TestVerify_AMissingConsumerIsNotSetUp(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	if err := js.DeleteConsumer(t.Context(), messages.StreamCommands, messages.Exchanger.FollowConsumer()); err != nil {
		t.Fatal(err)
	}
	if err := topology.Verify(t.Context(), js, messages.Exchanger, small()); !errors.Is(err, topology.ErrNotSetUp) {
		t.Errorf("got %v", err)
	}
	if err := topology.Verify(t.Context(), js, messages.GamesDrop, small()); err != nil {
		t.Errorf("another provider's worker: %v", err)
	}
}

// Two workers with different limits would share permits that one of them does
// not believe in.
func TestVerify_NamesBothValuesThatDiffer(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	for _, tt := range []struct {
		name  string
		with  topology.ProviderSettings
		wants []string
	}{
		{"rate", topology.ForProvider(providers.Rate{Requests: 600, Window: time.Minute}, 20*time.Second), []string{"600/1m", "500/1m", "rate limit"}},
		{"window", topology.ForProvider(providers.Rate{Requests: 500, Window: time.Hour}, 20*time.Second), []string{"500/1h", "500/1m", "rate limit"}},
		{"timeout", topology.ForProvider(providers.Rate{Requests: 500, Window: time.Minute}, 25*time.Second), []string{"25s", "20s", "timeout"}},
		{
			"lease over the ack wait",
			topology.ProviderSettings{
				Rate: providers.Rate{Requests: 500, Window: time.Minute}, Timeout: 20 * time.Second,
				Lease: 35 * time.Second, AckWait: time.Minute,
			},
			[]string{"worker-skinsback-place", "35s"},
		},
	} {
		s := small()
		s.Providers[messages.SkinsBack] = tt.with
		err := topology.Verify(t.Context(), js, messages.SkinsBack, s)
		if !errors.Is(err, topology.ErrDiffers) || errors.Is(err, topology.ErrNotSetUp) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for _, want := range tt.wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is missing from %v", tt.name, want, err)
			}
		}
	}
}

// The record says one thing, the server enforces another: what is enforced counts.
func TestVerify_SeesWhatWasChangedByHand(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*testing.T, jetstream.JetStream){
		"permits raised": func(t *testing.T, js jetstream.JetStream) {
			change(t, js, "PERMITS_GAMESDROP", func(c *jetstream.StreamConfig) { c.MaxMsgs = 3000 })
		},
		"permits forgotten sooner": func(t *testing.T, js jetstream.JetStream) {
			change(t, js, "PERMITS_GAMESDROP", func(c *jetstream.StreamConfig) { c.MaxAge = time.Second })
		},
		"permits overwritten": func(t *testing.T, js jetstream.JetStream) {
			change(t, js, "PERMITS_GAMESDROP", func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld })
		},
		"ledger ages": func(t *testing.T, js jetstream.JetStream) {
			change(t, js, messages.StreamEvents, func(c *jetstream.StreamConfig) { c.MaxAge = 24 * time.Hour })
		},
		"ledger overwritten": func(t *testing.T, js jetstream.JetStream) {
			change(t, js, messages.StreamEvents, func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld })
		},
		"commands limited": func(t *testing.T, js jetstream.JetStream) {
			change(t, js, messages.StreamCommands, func(c *jetstream.StreamConfig) { c.MaxMsgs = 1000 })
		},
		"deliveries counted": func(t *testing.T, js jetstream.JetStream) {
			c, err := js.Consumer(t.Context(), messages.StreamCommands, messages.GamesDrop.PlaceConsumer())
			if err != nil {
				t.Fatal(err)
			}
			config := c.CachedInfo().Config
			config.MaxDeliver = 5
			if _, err := js.UpdateConsumer(t.Context(), messages.StreamCommands, config); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := natstest.Start(t).JS(t)
			setUp(t, js, small())
			edit(t, js)
			if err := topology.Verify(t.Context(), js, messages.GamesDrop, small()); !errors.Is(err, topology.ErrDiffers) {
				t.Errorf("got %v", err)
			}
			setUp(t, js, small())
			if err := topology.Verify(t.Context(), js, messages.GamesDrop, small()); err != nil {
				t.Errorf("after setup: %v", err)
			}
		})
	}
}

func TestVerify_AnUnconfiguredProviderIsRefused(t *testing.T) {
	t.Parallel()
	if err := topology.Verify(t.Context(), natstest.Start(t).JS(t), "other", small()); err == nil {
		t.Error("accepted")
	}
}
