package doctor_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/doctor"
	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Nothing runs here but the server: what is looked at is what it keeps.
func TestExamine_NamesWhatIsWrongWithWhatTheServerKeeps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		spoil    func(t *testing.T, js jetstream.JetStream, kv jetstream.KeyValue)
		severity doctor.Severity
		check    string
		says     string
	}{
		{
			"the ledger is nearly full", fill("events.gamesdrop.acme.o%.accepted", messages.StreamEvents, 85),
			doctor.Fault, "stream EVENTS", `8\d % of 1.0 MiB are in use`,
		},
		{
			"the ledger fills up", fill("events.gamesdrop.acme.o%.accepted", messages.StreamEvents, 73),
			doctor.Warning, "stream EVENTS", `7\d % of 1.0 MiB are in use`,
		},
		{
			"nobody takes orders", fill("orders.acme.submit", messages.StreamOrders, 83),
			doctor.Warning, "stream ORDERS", `8\d % of 1.0 MiB are in use`,
		},
		{
			"dead letters pile up", fill("dlq.orders.acme", messages.StreamDLQ, 97),
			doctor.Fault, "stream DLQ", `9\d % of 1.0 MiB are in use`,
		},
		{"a consumer is paused", func(t *testing.T, js jetstream.JetStream, _ jetstream.KeyValue) {
			_, err := js.PauseConsumer(t.Context(), messages.StreamCommands, messages.GamesDrop.PlaceConsumer(), time.Now().Add(time.Hour))
			ok(t, err)
		}, doctor.Warning, "consumer COMMANDS/worker-gamesdrop-place", "is paused on the server for another"},
		{"a lane is closed", func(t *testing.T, _ jetstream.JetStream, kv jetstream.KeyValue) {
			_, _, err := lane.Shut(t.Context(), kv, messages.GamesDrop, lane.State{Reason: "INSUFFICIENT_BALANCE", Since: time.Now(), Until: time.Now().Add(time.Hour), By: "w1"}, time.Now())
			ok(t, err)
		}, doctor.Warning, "lane gamesdrop", "closed since .*: INSUFFICIENT_BALANCE .*tried again at"},
		{"a lane cannot be read", func(t *testing.T, _ jetstream.JetStream, kv jetstream.KeyValue) {
			_, err := kv.PutString(t.Context(), messages.GamesDrop.LaneKey(), "{")
			ok(t, err)
		}, doctor.Fault, "lane gamesdrop", "cannot be read"},
		{"another namespace", func(t *testing.T, _ jetstream.JetStream, kv jetstream.KeyValue) {
			_, err := kv.PutString(t.Context(), topology.NamespaceKey, strings.Repeat("0", 32))
			ok(t, err)
		}, doctor.Fault, "namespace", "not to be trusted"},
		{"the ledger was made anew", func(t *testing.T, _ jetstream.JetStream, kv jetstream.KeyValue) {
			_, err := kv.PutString(t.Context(), topology.LedgerMarkKey, `{"v":1,"created":"2026-01-01T00:00:00Z","seq":7,"by":"w1"}`)
			ok(t, err)
		}, doctor.Fault, "ledger", "it is another stream"},
		{"commands wait for a worker that is away", func(t *testing.T, js jetstream.JetStream, _ jetstream.KeyValue) {
			_, err := js.Publish(t.Context(), "commands.gamesdrop.place.acme.o1", []byte("{}"))
			ok(t, err)
		}, doctor.Fault, "worker-gamesdrop", "none runs; 1 command waits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := natstest.Start(t, natstest.WithListener())
			js := srv.JS(t)
			s := topology.Default()
			s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes = 1<<20, 1<<20, 1<<20
			_, err := topology.Setup(t.Context(), js, s)
			ok(t, err)
			kv, err := js.KeyValue(t.Context(), messages.Bucket)
			ok(t, err)
			tt.spoil(t, js, kv)
			all := doctor.Examine(t.Context(), doctor.Options{
				Connect: func() (*nats.Conn, jetstream.JetStream, error) {
					nc := srv.Conn(t)
					js, err := jetstream.New(nc)
					return nc, js, err
				},
				Settings: s,
			})
			if !slices.ContainsFunc(all, func(f doctor.Finding) bool {
				return f.Check == tt.check && f.Severity == tt.severity && regexp.MustCompile(tt.says).MatchString(f.Found)
			}) {
				t.Errorf("%s %s is not found: %+v", tt.severity, tt.check, all)
			}
			for _, name := range checks(all, doctor.Fault) {
				if name != tt.check && name != "dispatcher" {
					t.Errorf("%s is called a fault, too", name)
				}
			}
		})
	}
}

// fill stores messages until so many percent of the stream's size are in use.
func fill(subject, stream string, percent uint64) func(*testing.T, jetstream.JetStream, jetstream.KeyValue) {
	return func(t *testing.T, js jetstream.JetStream, _ jetstream.KeyValue) {
		t.Helper()
		for n := 0; ; n++ {
			s, err := js.Stream(t.Context(), stream)
			ok(t, err)
			if s.CachedInfo().State.Bytes*100 >= percent<<20 {
				return
			}
			_, err = js.Publish(t.Context(), strings.ReplaceAll(subject, "%", strings.Repeat("x", n+1)), make([]byte, 9<<10))
			ok(t, err)
		}
	}
}
