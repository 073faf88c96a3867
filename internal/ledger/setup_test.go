package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

const tenant = "acme"

// patience ends a test that would otherwise wait for ever.
const patience = 60 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func eventsStream(replicas int, maxBytes int64) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: messages.StreamEvents, Subjects: []string{"events.>"}, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, MaxBytes: maxBytes, Replicas: replicas, AllowDirect: true, AllowAtomicPublish: true,
		DenyDelete: true, DenyPurge: true,
	}
}

func createEvents(t testing.TB, js jetstream.JetStream, replicas int, maxBytes int64) {
	t.Helper()
	natstest.CreateStream(t, js, eventsStream(replicas, maxBytes))
}

// open opens a ledger over a connection of its own.
func open(t testing.TB, nc *nats.Conn, o ledger.Options) *ledger.Ledger {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return openOn(t, nc, js, o)
}

func openOn(t testing.TB, nc *nats.Conn, js jetstream.JetStream, o ledger.Options) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(within(t), nc, js, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// bench is one server with an empty ledger.
type bench struct {
	srv *natstest.Server
	js  jetstream.JetStream
	l   *ledger.Ledger
}

func setup(t testing.TB, opts ...natstest.Option) bench {
	t.Helper()
	srv := natstest.Start(t, opts...)
	js := srv.JS(t)
	createEvents(t, js, 1, 1<<30)
	return bench{srv: srv, js: js, l: open(t, srv.Conn(t), ledger.Options{})}
}

// event is the n-th event of an order, by the writer that the nonce names.
func event(orderID string, n uint64, typ messages.Type, nonce string) *messages.Event {
	return &messages.Event{
		N: n, Type: typ, State: typ, Time: time.Date(2026, 11, 21, 20, 54, 1, 0, time.UTC),
		Tenant: tenant, OrderID: orderID, Provider: messages.GamesDrop, Kind: messages.Offer,
		Work: &messages.Work{Nonce: nonce},
	}
}

func mustAppend(t testing.TB, l *ledger.Ledger, e *messages.Event, expected uint64) uint64 {
	t.Helper()
	seq, err := l.Append(within(t), e, expected)
	if err != nil {
		t.Fatalf("append of n %d after %d: %v", e.N, expected, err)
	}
	return seq
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

// stored is how many messages the stream has.
func stored(t testing.TB, js jetstream.JetStream) uint64 {
	t.Helper()
	s, err := js.Stream(within(t), messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// checkChains reads the whole stream as upstream would and returns, for each
// order, its sequences. It fails the test where n does not count 1, 2, 3: that
// is what a second winner of a compare-and-set, or a lost event, looks like.
func checkChains(t testing.TB, js jetstream.JetStream) map[string][]uint64 {
	t.Helper()
	ctx := within(t)
	stream, err := js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	chains := make(map[string][]uint64)
	total := stream.CachedInfo().State.Msgs
	if total == 0 {
		return chains
	}
	c, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	it, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer it.Stop()
	for range total {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		e, err := messages.DecodeEvent(m.Data())
		if err != nil {
			t.Fatal(err)
		}
		key := e.OrderID
		chains[key] = append(chains[key], meta.Sequence.Stream)
		if e.N != uint64(len(chains[key])) {
			t.Errorf("order %s: event number %d in the stream (sequence %d) has n %d",
				key, len(chains[key]), meta.Sequence.Stream, e.N)
		}
	}
	return chains
}

func orderID(i int) string { return fmt.Sprintf("ord-%d", i) }

// filler makes an event n bytes longer.
func filler(e *messages.Event, n int) *messages.Event {
	e.Metadata = map[string]string{"filler": strings.Repeat("x", n)}
	return e
}
