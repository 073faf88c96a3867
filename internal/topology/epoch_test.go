package topology_test

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

func epoch(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	return config(t, js, messages.StreamEvents).Metadata[topology.MetaEpoch]
}

func forgetEpoch(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	change(t, js, messages.StreamEvents, func(c *jetstream.StreamConfig) { delete(c.Metadata, topology.MetaEpoch) })
}

func TestEpoch_StaysWithItsLedgerAndIsAnotherForTheNext(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	first := epoch(t, js)
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(first) {
		t.Fatalf("epoch %q", first)
	}
	if r := setUp(t, js, small()); epoch(t, js) != first || len(r.Updated) > 0 {
		t.Errorf("after a second setup it is %q, updated %v", epoch(t, js), r.Updated)
	}
	if err := js.DeleteStream(t.Context(), messages.StreamEvents); err != nil {
		t.Fatal(err)
	}
	setUp(t, js, small())
	if next := epoch(t, js); next == first || next == "" {
		t.Errorf("the stream that was made anew has epoch %q", next)
	}
	for _, name := range []string{messages.StreamOrders, messages.StreamCommands, messages.StreamDLQ} {
		if e := config(t, js, name).Metadata[topology.MetaEpoch]; e != "" {
			t.Errorf("%s has epoch %q", name, e)
		}
	}
}

// A ledger of before epochs, or one whose metadata somebody has written over:
// whoever sets it up, and however often, it gets one and the same.
func TestEpoch_ALedgerWithoutOneGetsTheSameFromEverybody(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	forgetEpoch(t, js)
	setUp(t, js, small())
	first := epoch(t, js)
	forgetEpoch(t, js)
	setUp(t, js, small())
	if again := epoch(t, js); again != first || first == "" {
		t.Errorf("it got %q and then %q", first, again)
	}
}

func TestEpoch_TheOneThatIsRememberedIsRestored(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	s, err := js.Stream(t.Context(), messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	remember := func(created time.Time) {
		value, err := json.Marshal(map[string]any{"created": created, "epoch": "remembered"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bucket(t, js).Put(t.Context(), topology.LedgerMarkKey, value); err != nil {
			t.Fatal(err)
		}
	}
	remember(s.CachedInfo().Created)
	forgetEpoch(t, js)
	setUp(t, js, small())
	if got := epoch(t, js); got != "remembered" {
		t.Errorf("it got %q", got)
	}
	remember(s.CachedInfo().Created.Add(-time.Second))
	forgetEpoch(t, js)
	setUp(t, js, small())
	if got := epoch(t, js); got == "remembered" || got == "" {
		t.Errorf("it got %q, which is that of another stream", got)
	}
}
