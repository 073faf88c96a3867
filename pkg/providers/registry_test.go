package providers_test

import (
	"encoding"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

var (
	_ encoding.TextMarshaler   = providers.Rate{}
	_ encoding.TextUnmarshaler = (*providers.Rate)(nil)
)

func TestParseRate_ReadsAndWritesTheFormOfTheContract(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]providers.Rate{
		"500/1m":   {Requests: 500, Window: time.Minute},
		"30/1s":    {Requests: 30, Window: time.Second},
		"60/1h":    {Requests: 60, Window: time.Hour},
		"1/1h30m":  {Requests: 1, Window: 90 * time.Minute},
		"10/10m":   {Requests: 10, Window: 10 * time.Minute},
		"10/20h":   {Requests: 10, Window: 20 * time.Hour},
		"5/1m30s":  {Requests: 5, Window: 90 * time.Second},
		"7/1h0m5s": {Requests: 7, Window: time.Hour + 5*time.Second},
		"2/250ms":  {Requests: 2, Window: 250 * time.Millisecond},
	} {
		got, err := providers.ParseRate(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v (%s), %v", text, got, got, err)
		}
		b, err := got.MarshalText()
		var back providers.Rate
		if err != nil || back.UnmarshalText(b) != nil || back != want {
			t.Errorf("%s: %s came back as %v, %v", text, b, back, err)
		}
	}
}

func TestParseRate_RefusesWhatIsNoRate(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "500", "500/", "/1m", "0/1m", "-5/1m", "500/0s", "500/-1m", "500/1", "1.5/1m", "500/1m/2", "500 / 1m", "500/100us", "many/1m", "99999999999999999999/1m"} {
		if got, err := providers.ParseRate(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
		kept := providers.Rate{Requests: 1, Window: time.Second}
		if err := kept.UnmarshalText([]byte(text)); err == nil || kept.Requests != 1 {
			t.Errorf("%q: %v, and the value became %v", text, err, kept)
		}
	}
}

func TestRate_RoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := providers.Rate{
			Requests: rapid.IntRange(1, 1_000_000).Draw(t, "requests"),
			Window:   time.Duration(rapid.Int64Range(1, 48*3600*1000).Draw(t, "milliseconds")) * time.Millisecond,
		}
		if got, err := providers.ParseRate(want.String()); err != nil || got != want {
			t.Fatalf("%v was written as %s and read as %v, %v", want, want, got, err)
		}
	})
}

func TestRegistrations_CoverEveryProviderAndKindOnce(t *testing.T) {
	t.Parallel()
	sold := map[messages.Kind]messages.Provider{}
	for _, p := range messages.Providers() {
		r, ok := providers.Lookup(p)
		if !ok || r.Name != p || r.Title == "" || r.Timeout <= 0 || r.RateLimit.Requests < 1 || r.RateLimit.Window <= 0 {
			t.Errorf("%s is not registered completely: %+v", p, r)
		}
		for _, k := range r.Kinds {
			if other, twice := sold[k]; twice {
				t.Errorf("%s is sold by %s and %s", k, other, p)
			}
			if sold[k] = p; !r.Sells(k) {
				t.Errorf("%s does not sell its own %s", p, k)
			}
		}
	}
	if len(providers.Registrations()) != len(messages.Providers()) || len(sold) != len(messages.Kinds()) {
		t.Errorf("%d registrations and %d kinds", len(providers.Registrations()), len(sold))
	}
	if _, ok := providers.Lookup(messages.NoProvider); ok {
		t.Error("the provider none is registered")
	}
	steam, _ := providers.Lookup(messages.BalanceSteam)
	if steam.Recovery != providers.RecoverByOperator || steam.Sells(messages.Offer) {
		t.Errorf("%+v", steam)
	}
}
