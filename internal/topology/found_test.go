package topology_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

func nothingGiven(string) bool { return false }

func TestCompare_FindsNothingWhereSetupHasBeen(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	if d := topology.Look(t.Context(), js, small()).Compare(small()); len(d) > 0 {
		t.Errorf("found %v", d)
	}
}

func TestCompare_NamesEverythingWhereNothingIsSetUp(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	all := topology.Look(t.Context(), js, small()).Compare(small())
	want := len(small().Streams()) + len(small().Consumers()) + 1
	for _, d := range all {
		if !d.Missing {
			t.Errorf("%s is not missing", d.Where)
		}
	}
	if len(all) != want {
		t.Errorf("%d are missing, not %d: %v", len(all), want, all)
	}
}

func TestCompare_NamesEachSettingThatSetupWouldChange(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	change := func(name string, edit func(*jetstream.StreamConfig)) {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		c := s.CachedInfo().Config
		edit(&c)
		if _, err := js.UpdateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	change(messages.StreamEvents, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
	change("KV_"+messages.Bucket, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
	if err := js.DeleteConsumer(t.Context(), messages.StreamCommands, messages.SkinsBack.PlaceConsumer()); err != nil {
		t.Fatal(err)
	}
	s := small()
	ps := s.Providers[messages.GamesDrop]
	ps.Rate = providers.Rate{Requests: 7, Window: time.Second}
	s.Providers[messages.GamesDrop] = ps
	found := map[string][]string{}
	for _, d := range topology.Look(t.Context(), js, s).Compare(s) {
		for _, f := range d.Settings {
			found[d.Where] = append(found[d.Where], f.Name)
		}
		if d.Missing {
			found[d.Where] = []string{"missing"}
		}
	}
	want := map[string][]string{
		"stream EVENTS": {"max_age"}, "bucket beltline": {"max_age"}, "stream PERMITS_GAMESDROP": {"max_msgs", "beltline.rate"},
		"consumer COMMANDS/worker-skinsback-place": {"missing"},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
}

func TestAdopt_TakesWhatWasNotGivenFromTheServer(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	theirs := small()
	theirs.EventsMaxBytes *= 2
	theirs.MaxInFlight = 300
	theirs.Providers[messages.GamesDrop] = topology.ProviderSettings{
		Rate: providers.Rate{Requests: 5, Window: 3 * time.Second}, Timeout: 4 * time.Second, Lease: 5 * time.Second, AckWait: 7 * time.Second,
	}
	setUp(t, js, theirs)
	f := topology.Look(t.Context(), js, small())
	if d := f.Compare(small()); len(d) == 0 {
		t.Fatal("other settings are not seen")
	}
	if d := f.Compare(f.Adopt(small(), nothingGiven)); len(d) > 0 {
		t.Errorf("what was not given is held against the server: %v", d)
	}
	given := func(name string) bool { return name == "GAMESDROP_RATE_LIMIT" }
	if d := f.Compare(f.Adopt(small(), given)); len(d) != 1 || d[0].Where != "stream PERMITS_GAMESDROP" {
		t.Errorf("of the rate limit that was given: %v", d)
	}
}
