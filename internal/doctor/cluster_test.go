package doctor_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/doctor"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// eventually examines until a finding is as wanted: a cluster takes its time to
// place copies and to miss a server.
func eventually(t *testing.T, o doctor.Options, what string, is func(doctor.Finding) bool) {
	t.Helper()
	deadline, again := time.NewTimer(patience), time.NewTicker(200*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for {
		all := doctor.Examine(t.Context(), o)
		if slices.ContainsFunc(all, is) {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("%s was never found: %+v", what, all)
		}
	}
}

func TestExamine_OfThreeServersCountsTheCopiesAndNamesThoseThatAreAway(t *testing.T) {
	t.Parallel()
	c := natstest.StartCluster(t, 3)
	s := topology.Default()
	s.Replicas, s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes = 3, 64<<20, 16<<20, 16<<20
	s.Providers = map[messages.Provider]topology.ProviderSettings{messages.GamesDrop: s.Providers[messages.GamesDrop]}
	js := c.JS(t)
	if _, err := topology.Setup(t.Context(), js, s); err != nil {
		t.Fatal(err)
	}
	o := doctor.Options{
		Connect: func() (*nats.Conn, jetstream.JetStream, error) {
			nc := c.Conn(t)
			js, err := jetstream.New(nc)
			return nc, js, err
		},
		Settings: s,
	}
	eventually(t, o, "enough copies", func(f doctor.Finding) bool {
		return f.Check == "durability" && f.Severity == doctor.OK && strings.Contains(f.Found, "at least 3 copies")
	})

	dlq, err := js.Stream(t.Context(), messages.StreamDLQ)
	ok(t, err)
	config := dlq.CachedInfo().Config
	config.Replicas = 1
	_, err = js.UpdateStream(t.Context(), config)
	ok(t, err)
	eventually(t, o, "a stream with one copy", func(f doctor.Finding) bool {
		return f.Check == "durability" && f.Severity == doctor.Fault && strings.HasSuffix(f.Found, "fewer than 3 copies of stream DLQ (1)")
	})

	leader, err := c.WaitLeader(messages.StreamEvents)
	ok(t, err)
	away := (leader + 1) % 3
	c.StopNode(away)
	eventually(t, o, "the copy that is away", func(f doctor.Finding) bool {
		return f.Check == "stream EVENTS" && f.Severity == doctor.Warning && strings.Contains(f.Found, "node-"+string(rune('0'+away)))
	})
}
