package upstream_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

func connect(t *testing.T, s *natstest.Server) *upstream.Client {
	t.Helper()
	c, err := upstream.Connect(app.NATS{URL: app.NewServers(s.URL())}, "acme")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// answerer stands in for a server's stream: it gives the answers one by one, and
// the last one for ever.
func answerer(t *testing.T, nc *nats.Conn, subject string, answers ...*nats.Msg) (asked func() int) {
	t.Helper()
	n := make(chan int, 100)
	count := 0
	_, err := nc.Subscribe(subject, func(m *nats.Msg) {
		a := answers[min(count, len(answers)-1)]
		count++
		n <- count
		_ = m.RespondMsg(&nats.Msg{Header: a.Header, Data: a.Data})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return func() int { return len(n) }
}

func body(text string) *nats.Msg { return &nats.Msg{Data: []byte(text)} }

const ack = `{"stream":"ORDERS","seq":7}`

func TestSend_ADuplicateIsNotStoredAndIsSentAgain(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	asked := answerer(t, s.Conn(t), "orders.acme.submit", body(`{"stream":"ORDERS","seq":3,"duplicate":true}`), body(ack))
	seq, err := connect(t, s).Submit(t.Context(), []byte(`{}`))
	if err != nil || seq != 7 || asked() != 2 {
		t.Errorf("sequence %d after %d requests, %v", seq, asked(), err)
	}
}

func TestSend_AlwaysADuplicateIsAnError(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	answerer(t, s.Conn(t), "orders.acme.submit", body(`{"stream":"ORDERS","seq":3,"duplicate":true}`))
	if seq, err := connect(t, s).Submit(t.Context(), []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "did not store it") {
		t.Errorf("sequence %d, %v", seq, err)
	}
}

func TestSend_WaitsForRoom(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	full := body(`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}`)
	asked := answerer(t, s.Conn(t), "orders.acme.submit", full, full, body(ack))
	if seq, err := connect(t, s).Submit(t.Context(), []byte(`{}`)); err != nil || seq != 7 || asked() != 3 {
		t.Errorf("sequence %d after %d requests, %v", seq, asked(), err)
	}
}

func TestSend_ACancelIsNotRepeatedAfterAnUnknownError(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	asked := answerer(t, s.Conn(t), "orders.acme.cancel", body(`{"error":{"code":500,"err_code":10000,"description":"?"}}`))
	if _, err := connect(t, s).Cancel(t.Context(), "a", ""); err == nil || asked() != 1 {
		t.Errorf("%d requests, %v", asked(), err)
	}
}

func TestSend_NoStreamSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	if _, err := connect(t, s).Submit(t.Context(), []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "beltline setup") {
		t.Errorf("%v", err)
	}
}

func TestConnect_FailsAtOnceAndShowsNoPassword(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	_, err := upstream.Connect(app.NATS{URL: app.NewServers("nats://user:hunter2@127.0.0.1:1")}, "acme")
	if !errors.Is(err, upstream.ErrUnreachable) || strings.Contains(err.Error(), "hunter2") || time.Since(begun) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
}

func TestLast_TellsTheServiceErrorsApart(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	c := connect(t, s)
	if _, err := c.Last(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "is the dispatcher running?") {
		t.Errorf("nobody there: %v", err)
	}
	refusal := func(code string) *nats.Msg {
		return &nats.Msg{Header: nats.Header{"Nats-Service-Error-Code": {code}, "Nats-Service-Error": {"because"}}}
	}
	answerer(t, s.Conn(t), "svc.orders.acme.get", refusal("404"), refusal("503"), body(`not an event`))
	if _, err := c.Last(t.Context(), "a"); !errors.Is(err, upstream.ErrNotFound) {
		t.Errorf("404: %v", err)
	}
	if _, err := c.Last(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "(503): because") {
		t.Errorf("503: %v", err)
	}
	if _, err := c.Last(t.Context(), "a"); !errors.Is(err, messages.ErrMalformed) {
		t.Errorf("not an event: %v", err)
	}
}

func TestDeadLetters_BeginWhereTheyAreToldToAndNameTheirOrigin(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	settings := topology.Default()
	settings.EventsMaxBytes, settings.OrdersMaxBytes, settings.DLQMaxBytes = 1<<20, 1<<20, 1<<20
	if _, err := topology.Setup(t.Context(), s.JS(t), settings); err != nil {
		t.Fatal(err)
	}
	c := connect(t, s)
	bury := func(origin string) {
		t.Helper()
		_, err := s.JS(t).PublishMsg(t.Context(), &nats.Msg{Subject: messages.DeadOrders("acme"), Header: nats.Header{
			messages.HeaderOrigin: {origin}, messages.HeaderReason: {"order_conflict"}, messages.HeaderOrderID: {"a"},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	bury("ORDERS:1:orders.acme.submit")
	from, err := c.Now(t.Context(), messages.StreamDLQ)
	if err != nil {
		t.Fatal(err)
	}
	feed, err := c.DeadLetters(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	origins := map[string]uint64{
		"ORDERS:17:orders.acme.submit": 17, "COMMANDS:18:commands.x": 0, "ORDERS:x:orders.acme.submit": 0, "": 0,
	}
	for origin, seq := range origins {
		bury(origin)
		want := upstream.DeadLetter{Seq: seq, Reason: "order_conflict", OrderID: "a"}
		if diff := cmp.Diff(want, <-feed); diff != "" {
			t.Errorf("%q: %s", origin, diff)
		}
	}
}

func TestEvents_GoOnAfterARestartWithoutLossOrRepeat(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	settings := topology.Default()
	settings.EventsMaxBytes, settings.OrdersMaxBytes, settings.DLQMaxBytes = 1<<20, 1<<20, 1<<20
	if _, err := topology.Setup(t.Context(), s.JS(t), settings); err != nil {
		t.Fatal(err)
	}
	c := connect(t, s)
	feed, err := c.Events(t.Context(), c.AllEvents(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(30) {
		if n%10 == 9 {
			s.Restart(t)
		}
		e := messages.Event{N: n + 1, Type: messages.Accepted, State: messages.Accepted, Time: time.Now(), Tenant: "acme", OrderID: fmt.Sprint("o", n)}
		text, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.JS(t).Publish(t.Context(), messages.EventSubject("gamesdrop", "acme", e.OrderID, e.Type), text); err != nil {
			t.Fatal(err)
		}
		if news := <-feed; news.Err != nil || news.Event.N != n+1 {
			t.Fatalf("event %d: %+v", n+1, news)
		}
	}
}
