package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

const p = messages.GamesDrop

func settings() topology.Settings {
	s := topology.Default()
	s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes = 16<<20, 16<<20, 16<<20
	return s
}

type bundle struct {
	srv *natstest.Server
	js  jetstream.JetStream
	q   *queue.Queue
}

func setup(t *testing.T) bundle {
	t.Helper()
	srv := natstest.Start(t)
	js := srv.JS(t)
	if _, err := topology.Setup(t.Context(), js, settings()); err != nil {
		t.Fatal(err)
	}
	return bundle{srv: srv, js: js, q: queue.New(js)}
}

func command(order string) messages.Command {
	return messages.Command{V: messages.Version, Tenant: "acme", OrderID: order, Seq: 7, N: 2}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// last returns the last message on a subject of a stream, or nil.
func last(t *testing.T, js jetstream.JetStream, stream, subject string) *jetstream.RawStreamMsg {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	must(t, err)
	m, err := s.GetLastMsgForSubject(t.Context(), subject)
	if err != nil {
		return nil
	}
	return m
}

// consume delivers the follow commands of the provider, not acknowledged.
func consume(t *testing.T, js jetstream.JetStream) <-chan jetstream.Msg {
	t.Helper()
	c, err := js.Consumer(t.Context(), messages.StreamCommands, p.FollowConsumer())
	must(t, err)
	all := make(chan jetstream.Msg, 1<<14)
	cc, err := c.Consume(func(m jetstream.Msg) { all <- m })
	must(t, err)
	t.Cleanup(cc.Stop)
	return all
}

func receive(t *testing.T, from <-chan jetstream.Msg) jetstream.Msg {
	t.Helper()
	select {
	case m := <-from:
		return m
	case <-time.After(natstest.Patience):
		t.Fatal("no command came")
		return nil
	}
}

// eventually polls cond until it holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), natstest.Patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s for %s", natstest.Patience, what)
		}
	}
}

// rearm is a timer far in the future, as the queue writes it.
func rearm(subject, order string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = command(order).Encode()
	m.Header.Set("Nats-Schedule", "@at 2199-01-01T00:00:00Z")
	m.Header.Set("Nats-Schedule-Target", messages.CommandSubject(p, messages.Check, "acme", order))
	return m
}
