package topology_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestDefault_IsTheContractsTopology(t *testing.T) {
	t.Parallel()
	s := topology.Default()
	got, err := json.MarshalIndent(map[string]any{
		"streams": s.Streams(), "consumers": s.Consumers(), "bucket": s.Bucket(),
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "topology.json")
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
		t.Errorf("topology changed (-golden +got); if on purpose, run with -update\n%s", diff)
	}
}

func TestDefault_CoversEveryRegisteredProviderAndIsValid(t *testing.T) {
	t.Parallel()
	s := topology.Default()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, r := range providers.Registrations() {
		want := topology.ProviderSettings{
			Rate: r.RateLimit, Timeout: r.Timeout, Lease: r.Timeout + 5*time.Second, AckWait: r.Timeout + 15*time.Second,
		}
		if diff := cmp.Diff(want, s.Providers[r.Name]); diff != "" {
			t.Errorf("%s (-want +got)\n%s", r.Name, diff)
		}
	}
}

// The wire package's subjects must land in exactly the stream and consumer
// that the contract names; a filter that missed one would lose it silently.
func TestStreams_TakeExactlyTheirSubjects(t *testing.T) {
	t.Parallel()
	s := topology.Default()
	for _, p := range messages.Providers() {
		for subject, stream := range map[string]string{
			messages.OrderSubject("acme", messages.SubmitRequest):      messages.StreamOrders,
			messages.OrderSubject("acme", messages.CancelRequest):      messages.StreamOrders,
			messages.OrderSubject("acme", messages.ConfirmRequest):     messages.StreamOrders,
			messages.EventSubject(p, "acme", "o-1", messages.Accepted): messages.StreamEvents,
			messages.CommandSubject(p, messages.Place, "acme", "o-1"):  messages.StreamCommands,
			messages.ScheduleSubject(p, "acme", "o-1"):                 messages.StreamCommands,
			messages.ExpireSubject(p, "acme", "o-1"):                   messages.StreamCommands,
			messages.DeadOrders("acme"):                                messages.StreamDLQ,
			messages.DeadCommands(p):                                   messages.StreamDLQ,
			p.PermitSubject():                                          p.PermitStream(),
			"orders.acme.delete":                                       "",
		} {
			if got := streamOf(s, subject); got != stream {
				t.Errorf("%s lands in %q, want %q", subject, got, stream)
			}
		}
		for verb, consumer := range map[messages.Verb]string{
			messages.Place: p.PlaceConsumer(), messages.Check: p.FollowConsumer(),
			messages.Cancel: p.FollowConsumer(), messages.Confirm: p.FollowConsumer(),
		} {
			if got := consumerOf(s, messages.CommandSubject(p, verb, "acme", "o-1")); got != consumer {
				t.Errorf("%s of %s is read by %q, want %q", verb, p, got, consumer)
			}
		}
		if got := consumerOf(s, messages.ScheduleSubject(p, "acme", "o-1")); got != "" {
			t.Errorf("timers are read by %q; nobody may, or they are gone before they fire", got)
		}
	}
}

func streamOf(s topology.Settings, subject string) string {
	var found []string
	for _, c := range s.Streams() {
		for _, pattern := range c.Subjects {
			if matches(pattern, subject) {
				found = append(found, c.Name)
			}
		}
	}
	return strings.Join(found, "+")
}

func consumerOf(s topology.Settings, subject string) string {
	var found []string
	for _, c := range s.Consumers() {
		if c.Stream != messages.StreamCommands {
			continue
		}
		for _, pattern := range append(c.Config.FilterSubjects, c.Config.FilterSubject) {
			if matches(pattern, subject) {
				found = append(found, c.Config.Name)
			}
		}
	}
	return strings.Join(found, "+")
}

func matches(pattern, subject string) bool {
	have, want := strings.Split(subject, "."), strings.Split(pattern, ".")
	for i, token := range want {
		if token == ">" {
			return len(have) > i
		}
		if i >= len(have) || token != "*" && token != have[i] {
			return false
		}
	}
	return len(have) == len(want)
}

func TestConsumers_GrowWithMaxInFlight(t *testing.T) {
	t.Parallel()
	s := topology.Default()
	s.MaxInFlight = 500
	for _, c := range s.Consumers() {
		if c.Config.MaxAckPending != 50_000 {
			t.Errorf("%s: max ack pending %d does not carry 100 replicas of 500", c.Config.Name, c.Config.MaxAckPending)
		}
	}
}

func TestValidate_NamesEveryFault(t *testing.T) {
	t.Parallel()
	s := topology.Default()
	s.Replicas, s.MaxInFlight, s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes = 0, 0, 0, -1, 5
	s.Providers = map[messages.Provider]topology.ProviderSettings{
		"other":            topology.ForProvider(providers.Rate{Requests: 1, Window: time.Second}, time.Second),
		messages.SkinsBack: {Timeout: 20 * time.Second, Lease: 25 * time.Second, AckWait: 25 * time.Second},
	}
	err := s.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"replicas", "max in flight", "EVENTS_MAX_BYTES", "ORDERS_MAX_BYTES", "DLQ_MAX_BYTES",
		`"other" is not a provider`, "skinsback: rate limit", "skinsback: timeout 20s, lease 25s and ack wait 25s",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from:\n%s", want, err)
		}
	}
	if _, err := topology.Setup(t.Context(), jetstream.JetStream(nil), s); err == nil {
		t.Error("Setup did not refuse the settings")
	}
}
