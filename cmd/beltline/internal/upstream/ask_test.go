package upstream_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestAsk_TellsAQuestionThatNobodyGotFromOneOfUnknownFate(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	c := connect(t, s)
	if _, err := c.Ask(t.Context(), "svc.operator.resolve", nil); !errors.Is(err, upstream.ErrNotAsked) {
		t.Errorf("nobody listens: %v", err)
	}
	got := make(chan struct{}, 1)
	if _, err := s.Conn(t).Subscribe("svc.operator.resolve", func(*nats.Msg) { got <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		for { // the subscription may be on its way to the server yet
			if _, err := c.Ask(ctx, "svc.operator.resolve", nil); !errors.Is(err, upstream.ErrNotAsked) {
				failed <- err
				return
			}
		}
	}()
	<-got
	cancel()
	if err := <-failed; err == nil || errors.Is(err, upstream.ErrDenied) {
		t.Errorf("asked, and never answered: %v", err)
	}
}

func TestAsk_ARefusalBearsAllThatIsKnown(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	c := connect(t, s)
	refused := nats.Header{"Nats-Service-Error-Code": {"409"}, "Nats-Service-Error": {"it has moved"}}
	answerer(t, s.Conn(t), "svc.operator.resolve",
		&nats.Msg{Header: refused, Data: []byte(`{"error":{"code":"moved","message":"it has moved","n":7}}`)},
		&nats.Msg{Header: refused})
	for _, want := range []messages.Problem{{Code: "moved", Message: "it has moved", N: 7}, {Message: "it has moved"}} {
		_, err := c.Ask(t.Context(), "svc.operator.resolve", map[string]string{})
		var refusal *upstream.Refusal
		if !errors.As(err, &refusal) || refusal.Status != "409" || refusal.Problem.N != want.N || refusal.Problem.Message != want.Message {
			t.Errorf("%+v, not %+v", err, want)
		}
	}
}

func TestAsk_AnAccountThatMayNotAskIsToldSoAtOnce(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener(), natstest.Configure(func(o *server.Options) {
		o.Users = []*server.User{{Username: "acme", Password: "pw", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{"svc.orders.acme.>"}}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}}
	}))
	c, err := upstream.Connect(app.NATS{URL: app.NewServers(strings.Replace(s.URL(), "//", "//acme:pw@", 1))}, "other")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.Last(t.Context(), "a"); !errors.Is(err, upstream.ErrDenied) || !strings.Contains(err.Error(), "svc.orders.other.get") {
		t.Errorf("another tenant's order: %v", err)
	}
	c.Tenant = "acme"
	if _, err := c.Last(t.Context(), "a"); !errors.Is(err, upstream.ErrNotAsked) {
		t.Errorf("its own: %v", err)
	}
}

func TestHistory_ThatDoesNotFitIntoAnAnswerIsReadFromTheStream(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	settings := topology.Default()
	settings.EventsMaxBytes, settings.OrdersMaxBytes, settings.DLQMaxBytes = 1<<20, 1<<20, 1<<20
	if _, err := topology.Setup(t.Context(), s.JS(t), settings); err != nil {
		t.Fatal(err)
	}
	var last []byte
	for n := range uint64(4) {
		e := messages.Event{N: n + 1, Type: messages.Accepted, State: messages.Accepted, Tenant: "acme", OrderID: "a", Provider: messages.GamesDrop}
		var err error
		if last, err = e.MarshalJSON(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.JS(t).Publish(t.Context(), messages.EventSubject(e.Provider, "acme", "a", e.Type), last); err != nil {
			t.Fatal(err)
		}
	}
	long := &nats.Msg{Header: nats.Header{"Nats-Service-Error-Code": {"500"}, "Nats-Service-Error": {"too long; read the stream instead"}}}
	for _, service := range []string{"svc.orders.acme.", "svc.operator."} {
		answerer(t, s.Conn(t), service+"history", long)
		answerer(t, s.Conn(t), service+"get", body(string(last)))
	}
	c := connect(t, s)
	for name, ask := range map[string]func() ([]*messages.Event, error){
		"tenant":   func() ([]*messages.Event, error) { return c.History(t.Context(), "a") },
		"operator": func() ([]*messages.Event, error) { return c.OperatorHistory(t.Context(), "acme", "a") },
	} {
		if all, err := ask(); err != nil || len(all) != 4 || all[3].N != 4 {
			t.Errorf("%s: %d events, %v", name, len(all), err)
		}
	}
	if err := s.JS(t).DeleteStream(t.Context(), messages.StreamEvents); err != nil {
		t.Fatal(err)
	}
	if all, err := c.History(t.Context(), "a"); err != nil || len(all) != 1 || all[0].N != 4 {
		t.Errorf("without the stream: %d events, %v", len(all), err)
	}
}
