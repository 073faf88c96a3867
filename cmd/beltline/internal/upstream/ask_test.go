package upstream_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestAsk_TellsAQuestionThatNobodyGotFromOneOfUnknownFate(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	c := connect(t, s.URL())
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
	if err := <-failed; err == nil || errors.Is(err, client.ErrDenied) {
		t.Errorf("asked, and never answered: %v", err)
	}
}

func TestAsk_ARefusalBearsAllThatIsKnown(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	c := connect(t, s.URL())
	refused := nats.Header{"Nats-Service-Error-Code": {"409"}, "Nats-Service-Error": {"it has moved"}}
	answerer(t, s.Conn(t), "svc.operator.resolve",
		&nats.Msg{Header: refused, Data: []byte(`{"error":{"code":"moved","message":"it has moved","n":7,"retry_after":"1s"}}`)},
		&nats.Msg{Header: refused}, &nats.Msg{Header: nats.Header{"Nats-Service-Error-Code": {"x"}, "Nats-Service-Error": {"?"}}})
	for _, want := range []client.ServiceError{
		{Status: http.StatusConflict, RetryAfter: time.Second, Problem: messages.Problem{Code: "moved", Message: "it has moved", N: 7, RetryAfter: "1s"}},
		{Status: http.StatusConflict, Problem: messages.Problem{Message: "it has moved"}},
		{Status: http.StatusInternalServerError, Problem: messages.Problem{Message: "?"}},
	} {
		_, err := c.Ask(t.Context(), "svc.operator.resolve", map[string]string{})
		var refusal *client.ServiceError
		if !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, *refusal); diff != "" {
			t.Error(diff)
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
	c := connect(t, strings.Replace(s.URL(), "//", "//acme:pw@", 1))
	if _, err := c.OperatorHistory(t.Context(), "acme", "a"); !errors.Is(err, client.ErrDenied) || !strings.Contains(err.Error(), "svc.operator.history") {
		t.Errorf("an operator's question: %v", err)
	}
	if _, err := as(t, c, "other").Get(t.Context(), "a"); !errors.Is(err, client.ErrDenied) || !strings.Contains(err.Error(), "svc.orders.other.get") {
		t.Errorf("another tenant's order: %v", err)
	}
	if _, err := as(t, c, "acme").Get(t.Context(), "a"); !errors.Is(err, client.ErrUnanswered) {
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
	c := connect(t, s.URL())
	acme := as(t, c, "acme")
	asks := map[string]func() ([]*messages.Event, error){
		"tenant":   func() ([]*messages.Event, error) { return acme.History(t.Context(), "a") },
		"operator": func() ([]*messages.Event, error) { return c.OperatorHistory(t.Context(), "acme", "a") },
	}
	for name, ask := range asks {
		if all, err := ask(); err != nil || len(all) != 4 || all[3].N != 4 {
			t.Errorf("%s: %d events, %v", name, len(all), err)
		}
	}
	if err := s.JS(t).DeleteStream(t.Context(), messages.StreamEvents); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for name, ask := range asks {
		both.Go(func() { // a stream that is not there is waited for
			if all, err := ask(); err != nil || len(all) != 1 || all[0].N != 4 {
				t.Errorf("%s, without the stream: %d events, %v", name, len(all), err)
			}
		})
	}
	both.Wait()
}
