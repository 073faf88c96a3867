package orders_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/orders"
	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type rig struct {
	srv    *natstest.Server
	nc     *nats.Conn
	js     jetstream.JetStream
	ledger *ledger.Ledger
}

func newRig(t *testing.T) *rig {
	t.Helper()
	srv := natstest.Start(t)
	nc := srv.Conn(t)
	js, err := jetstream.New(nc)
	must(t, err)
	_, err = topology.Setup(t.Context(), js, topology.Default())
	must(t, err)
	l, err := ledger.Open(t.Context(), nc, js, ledger.Options{})
	must(t, err)
	t.Cleanup(l.Close)
	return &rig{srv, nc, js, l}
}

func (r *rig) serve(t *testing.T) *service.Service {
	t.Helper()
	reader := orders.NewReader(r.nc, r.js, r.ledger, zerolog.Nop())
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() { reader.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	s, err := orders.Serve(r.nc, reader, orders.Options{Log: zerolog.Nop()})
	must(t, err)
	t.Cleanup(s.Stop)
	must(t, r.nc.Flush())
	return s
}

// write stores an order of the tenant with a canceled event behind it.
func (r *rig) write(t *testing.T, tenant, id, body string) {
	t.Helper()
	e, _ := order.Apply(nil, order.Change{Input: order.Accept, At: time.Now(), New: &order.Submission{
		Tenant: tenant, OrderID: id, Provider: messages.GamesDrop, Kind: messages.Offer, Order: json.RawMessage(body),
	}})
	seq, err := r.ledger.Append(t.Context(), e, 0)
	must(t, err)
	e, _ = order.Apply(e, order.Change{Input: order.CancelRequest, At: time.Now(), Evidence: map[string]any{"price": json.Number("1.10")}})
	_, err = r.ledger.Append(t.Context(), e, seq)
	must(t, err)
}

func (r *rig) ask(t *testing.T, subject, body string) *nats.Msg {
	t.Helper()
	m, err := r.nc.Request(subject, []byte(body), 10*time.Second)
	must(t, err)
	return m
}

func wantCode(t *testing.T, m *nats.Msg, code string) {
	t.Helper()
	if got := m.Header.Get(micro.ErrorCodeHeader); got != code {
		t.Errorf("code %q (%s), want %q", got, m.Header.Get(micro.ErrorHeader), code)
	}
	var body messages.ProblemBody
	if code != "" && (json.Unmarshal(m.Data, &body) != nil || body.Error.Code == "" || body.Error.Message != m.Header.Get(micro.ErrorHeader)) {
		t.Errorf("the body of an error does not say what the header says: %s", m.Data)
	}
}

func TestGet_LastEventIsAnsweredAsStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	r.write(t, "acme", "o1", `{"v":1,"id":"o1","note":"a<b>&c"}`)
	m := r.ask(t, "svc.orders.acme.get", `{"id":"o1"}`)
	wantCode(t, m, "")
	last, err := r.ledger.Last(t.Context(), "acme", "o1")
	must(t, err)
	got, err := messages.DecodeEvent(m.Data)
	must(t, err)
	if got.N != 2 || got.Type != messages.Canceled || got.Key() != "acme/o1" || !got.Time.Equal(last.Event.Time) {
		t.Errorf("answer %s", m.Data)
	}
	stored, err := r.js.Stream(t.Context(), messages.StreamEvents)
	must(t, err)
	raw, err := stored.GetMsg(t.Context(), last.Seq)
	must(t, err)
	if !messages.SameContent(raw.Data, m.Data) {
		t.Errorf("answer %s\nstored %s", m.Data, raw.Data)
	}
}

func TestHistory_AllEventsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	r.write(t, "acme", "o1", `{"v":1}`)
	m := r.ask(t, "svc.orders.acme.history", `{"id":"o1"}`)
	wantCode(t, m, "")
	var all []*messages.Event
	must(t, json.Unmarshal(m.Data, &all))
	if len(all) != 2 || all[0].Type != messages.Accepted || all[1].Type != messages.Canceled {
		t.Errorf("answer %s", m.Data)
	}
}

// A long wait makes a long history, and nobody wants to be told the order a
// hundred times instead of what happened.
func TestHistory_ThatDoesNotFitLeavesOutWhatIsRepeated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		events, order, record int // how many, and how long
		want                  string
		records               int // that are left in the first of them
	}{
		"it fits":              {3, 1 << 10, 1 << 10, "", 2},
		"the order is long":    {4, 100 << 10, 1 << 10, "order, metadata", 2},
		"told again and again": {40, 1 << 10, 5 << 10, "order, metadata, evidence.http that was told before", 2},
		"told once, too long":  {8, 1 << 10, 50 << 10, "order, metadata, evidence.http", 0},
	} {
		r := newRig(t)
		r.serve(t)
		r.write(t, "acme", "big", `{"v":1,"x":"`+strings.Repeat("a", c.order)+`"}`)
		last, err := r.ledger.Last(t.Context(), "acme", "big")
		must(t, err)
		for i := range c.events {
			e := *last.Event
			e.N, e.Type = e.N+1, messages.CancelRefused
			record := func(i int) any { return map[string]any{"text": fmt.Sprint(i) + strings.Repeat("r", c.record)} }
			e.Evidence = map[string]any{"i": i, "http": []any{record(i), record(i + 1)}}
			seq, err := r.ledger.Append(t.Context(), &e, last.Seq)
			must(t, err)
			last = &ledger.Entry{Event: &e, Seq: seq}
		}
		m := r.ask(t, "svc.orders.acme.history", `{"id":"big"}`)
		wantCode(t, m, "")
		if got := m.Header.Get(messages.HeaderShortened); got != c.want {
			t.Errorf("%s: without %q, want %q", name, got, c.want)
		}
		var all []*messages.Event
		must(t, json.Unmarshal(m.Data, &all))
		if len(all) != c.events+2 {
			t.Fatalf("%s: %d events", name, len(all))
		}
		first, end := all[2], all[len(all)-1]
		if told, _ := first.Evidence["http"].([]any); len(told) != c.records || first.Evidence["i"] == nil || (first.Order == nil) != (c.want != "") {
			t.Errorf("%s: the first has %d records, order %t", name, len(told), first.Order != nil)
		}
		if told, _ := end.Evidence["http"].([]any); len(told) != 2 || end.Order == nil {
			t.Errorf("%s: the last has %d records, order %t", name, len(told), end.Order != nil)
		}
	}
}

func TestHistory_ThatCannotBeMadeToFitSaysHowToReadIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	r.write(t, "acme", "big", `{"v":1}`)
	last, err := r.ledger.Last(t.Context(), "acme", "big")
	must(t, err)
	for range 3 {
		e := *last.Event
		e.N, e.Type, e.Evidence = e.N+1, messages.CancelRefused, map[string]any{"x": strings.Repeat("a", 100<<10)}
		seq, err := r.ledger.Append(t.Context(), &e, last.Seq)
		must(t, err)
		last = &ledger.Entry{Event: &e, Seq: seq}
	}
	m := r.ask(t, "svc.orders.acme.history", `{"id":"big"}`)
	wantCode(t, m, "500")
	if text := m.Header.Get(micro.ErrorHeader); !strings.Contains(text, "events.*.acme.big.>") {
		t.Errorf("text %q does not say where to read instead", text)
	}
	wantCode(t, r.ask(t, "svc.orders.acme.get", `{"id":"big"}`), "")
}

func TestService_OrderOfAnotherTenantIsNotFound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	r.write(t, "acme", "o1", `{"v":1}`)
	for _, method := range []string{"get", "history"} {
		wantCode(t, r.ask(t, "svc.orders.bravo."+method, `{"id":"o1"}`), "404")
		wantCode(t, r.ask(t, "svc.orders.acme."+method, `{"id":"o2"}`), "404")
	}
}

func TestService_BadRequestsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	r.write(t, "acme", "o1", `{"v":1}`)
	for _, body := range []string{
		``, `null`, `[]`, `"o1"`, `{}`, `{"id":1}`, `{"id":null}`, `{"id":""}`, `{"id":"*"}`, `{"id":">"}`, `{"id":"a.b"}`,
		`{"id":"o1","tenant":"bravo"}`, `{"ID":"o1"}`, `{"id":"o1","id":"o1"}`, `{"id":{"id":"o1"}}`,
		`{"id":"o1"} x`, `{"id":"o1"}{}`, `{"id":"o1"}}`, `{"id":"o1"`, `{"id":"` + strings.Repeat("a", 65) + `"}`,
		`{"id":"o1"}` + strings.Repeat(" ", messages.MaxOrderBytes),
	} {
		m := r.ask(t, "svc.orders.acme.get", body)
		if m.Header.Get(micro.ErrorCodeHeader) != "400" {
			t.Errorf("%.60s: code %q", body, m.Header.Get(micro.ErrorCodeHeader))
		}
	}
	for _, tenant := range []string{"unknown", "_sys", "täńant"} {
		wantCode(t, r.ask(t, "svc.orders."+tenant+".get", `{"id":"o1"}`), "400")
	}
}

func TestService_LedgerThatDoesNotAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	must(t, r.js.DeleteStream(t.Context(), messages.StreamEvents))
	wantCode(t, r.ask(t, "svc.orders.acme.get", `{"id":"o1"}`), "503")
}

func TestService_OneOfAllReplicasAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.serve(t)
	r.serve(t)
	r.write(t, "acme", "o1", `{"v":1}`)
	inbox := r.nc.NewInbox()
	answers, err := r.nc.SubscribeSync(inbox)
	must(t, err)
	must(t, r.nc.PublishRequest("svc.orders.acme.get", inbox, []byte(`{"id":"o1"}`)))
	_, err = answers.NextMsg(10 * time.Second)
	must(t, err)
	first.Stop() // whatever was under way is answered by now
	wantCode(t, r.ask(t, "svc.orders.acme.get", `{"id":"o1"}`), "")
	if n, _, _ := answers.Pending(); n != 0 {
		t.Errorf("%d more answers to one question", n)
	}
}

func TestService_ManyQuestionsAtOnceAreAllAnswered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	r.write(t, "acme", "o1", `{"v":1}`)
	var all sync.WaitGroup
	for range 300 {
		all.Go(func() {
			m, err := r.nc.Request("svc.orders.acme.history", []byte(`{"id":"o1"}`), 20*time.Second)
			if err != nil || m.Header.Get(micro.ErrorCodeHeader) != "" {
				t.Errorf("answer %v, error %v", m, err)
			}
		})
	}
	all.Wait()
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func must1[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func jetstreamSubject(subject string) jetstream.StreamPurgeOpt {
	return jetstream.WithPurgeSubject(subject)
}

func TestService_IsDiscoverableWithItsSchemas(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	var info micro.Info
	must(t, json.Unmarshal(r.ask(t, "$SRV.INFO.orders", "").Data, &info))
	if len(info.Endpoints) != len(messages.OrdersMethods()) {
		t.Errorf("endpoints %+v", info.Endpoints)
	}
	for _, e := range info.Endpoints {
		for _, key := range []string{service.MetaRequest, service.MetaAnswer} {
			var schema map[string]any
			if json.Unmarshal([]byte(e.Metadata[key]), &schema) != nil || len(schema) == 0 {
				t.Errorf("%s: %s is %q", e.Name, key, e.Metadata[key])
			}
		}
		if e.Subject != "svc.orders.*."+e.Name {
			t.Errorf("%s is asked at %s", e.Name, e.Subject)
		}
	}
	if m := r.ask(t, "$SRV.PING.orders", ""); len(m.Data) == 0 {
		t.Error("no answer to a ping")
	}
}
