package app_test

import (
	"slices"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

type dispatcherConfig struct {
	app.Common
	Dispatching app.Dispatching `embed:""`
}

// loadTimes loads for a worker of the provider, or for the dispatcher.
func loadTimes(own messages.Provider, environ map[string]string) (*app.Common, error) {
	var c dispatcherConfig
	_, err := app.Load(&c, app.Input{Name: "x", Environ: environ, Provider: own})
	return &c.Common, err
}

func TestTimes_FollowTheTimeOutOfEachProvider(t *testing.T) {
	t.Parallel()
	c, err := loadTimes("", map[string]string{"SKINSBACK_TIMEOUT": "30s"})
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[messages.Provider][3]time.Duration{
		messages.GamesDrop: {20 * time.Second, 25 * time.Second, 35 * time.Second},
		messages.SkinsBack: {30 * time.Second, 35 * time.Second, 45 * time.Second},
		messages.Exchanger: {60 * time.Second, 65 * time.Second, 75 * time.Second},
	} {
		s := c.Provider(p)
		if got := [3]time.Duration{s.Timeout, s.Lease, s.AckWait}; got != want {
			t.Errorf("%s: got %v, want %v", p, got, want)
		}
	}
}

func TestTimes_AnOrderThatBreaksThePromiseIsAFault(t *testing.T) {
	t.Parallel()
	type vars = map[string]string
	for _, tc := range []struct {
		name string
		own  messages.Provider
		env  vars
		want []string // names of the faults
	}{
		{"lease as long as the time-out", messages.GamesDrop, vars{"LEASE": "20s"}, []string{"LEASE"}},
		{"ack wait as long as the lease", messages.GamesDrop, vars{"ACK_WAIT": "25s"}, []string{"ACK_WAIT"}},
		{"ack wait shorter than a set lease", messages.GamesDrop, vars{"LEASE": "50s", "ACK_WAIT": "40s"}, []string{"ACK_WAIT"}},
		{"hold down as long as the ack wait", messages.GamesDrop, vars{"HOLD_DOWN": "35s"}, []string{"HOLD_DOWN"}},
		{"a worker is strict with its own provider", messages.Exchanger, vars{"LEASE": "25s"}, []string{"LEASE"}},
		{"a worker does not judge others", messages.GamesDrop, vars{"LEASE": "25s"}, nil},
		{"the dispatcher lets the exchanger keep its own", "", vars{"LEASE": "25s"}, nil},
		{"unless its time-out was set", "", vars{"LEASE": "25s", "EXCHANGER_TIMEOUT": "60s"}, []string{"LEASE"}},
		{"a lease that fits nobody", "", vars{"LEASE": "5s"}, []string{"LEASE"}},
		{"an ack wait that fits nobody", "", vars{"ACK_WAIT": "5s"}, []string{"ACK_WAIT"}},
		{"an ack wait between the providers", "", vars{"ACK_WAIT": "40s"}, nil},
		{"a lease of nothing", "", vars{"LEASE": "0s"}, []string{"LEASE"}},
		{"a negative time-out", messages.GamesDrop, vars{"GAMESDROP_TIMEOUT": "-1s"}, []string{"GAMESDROP_TIMEOUT"}},
		{"a time-out beyond the hold down", "", vars{"GAMESDROP_TIMEOUT": "20m"}, []string{"HOLD_DOWN"}},
		{"a hold down that suits the provider in use", "", vars{"GAMESDROP_TIMEOUT": "300ms", "LEASE": "500ms", "ACK_WAIT": "1s", "HOLD_DOWN": "5s"}, nil},
		{"a hold down that suits nobody", "", vars{"HOLD_DOWN": "5s"}, []string{"HOLD_DOWN"}},
		{"first poll after the longest", "", vars{"POLL_FIRST": "2h"}, []string{"POLL_FIRST"}},
		{"first poll as long as the longest", "", vars{"POLL_FIRST": "1h"}, nil},
		{"no wait for absence", "", vars{"ABSENCE_WAIT": "0s"}, []string{"ABSENCE_WAIT"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := loadTimes(tc.own, tc.env)
			var got []string
			if err != nil {
				got = faults(t, err)
			}
			if !slices.Equal(got, tc.want) && !(len(tc.want) == 1 && slices.Equal(slices.Compact(got), tc.want)) {
				t.Errorf("got faults of %v, want %v: %v", got, tc.want, err)
			}
		})
	}
}

func TestTimes_ASetLeaseMovesTheAckWaitWithIt(t *testing.T) {
	t.Parallel()
	c, err := loadTimes("", map[string]string{"LEASE": "25s"})
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Provider(messages.GamesDrop); s.Lease != 25*time.Second || s.AckWait != 35*time.Second {
		t.Errorf("gamesdrop got %+v", s)
	}
	if s := c.Provider(messages.Exchanger); s.Lease != 65*time.Second || s.AckWait != 75*time.Second {
		t.Errorf("exchanger got %+v, want what follows from its own time-out", s)
	}
}

func TestTopology_OfTheDefaultsIsTopologysDefault(t *testing.T) {
	t.Parallel()
	c, err := loadTimes("", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, want := c.Topology(), topology.Default()
	if got.Replicas != want.Replicas || got.MaxInFlight != want.MaxInFlight || got.EventsMaxBytes != want.EventsMaxBytes ||
		got.OrdersMaxBytes != want.OrdersMaxBytes || got.DLQMaxBytes != want.DLQMaxBytes {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, r := range providers.Registrations() {
		if got.Providers[r.Name] != want.Providers[r.Name] {
			t.Errorf("%s: got %+v, want %+v", r.Name, got.Providers[r.Name], want.Providers[r.Name])
		}
	}
}
