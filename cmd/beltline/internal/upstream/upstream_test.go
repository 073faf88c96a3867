package upstream_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

func connect(t *testing.T, url string) *upstream.Client {
	t.Helper()
	c, err := upstream.Connect(app.NATS{URL: app.NewServers(url)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func as(t *testing.T, c *upstream.Client, tenant string) upstream.Tenant {
	t.Helper()
	a, err := c.As(tenant)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// answerer stands in for a service: it gives the answers one by one, and the
// last one for ever.
func answerer(t *testing.T, nc *nats.Conn, subject string, answers ...*nats.Msg) {
	t.Helper()
	count := 0
	_, err := nc.Subscribe(subject, func(m *nats.Msg) {
		a := answers[min(count, len(answers)-1)]
		count++
		_ = m.RespondMsg(&nats.Msg{Header: a.Header, Data: a.Data})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

func body(text string) *nats.Msg { return &nats.Msg{Data: []byte(text)} }

func TestConnect_FailsAtOnceAndShowsNoPassword(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	_, err := upstream.Connect(app.NATS{URL: app.NewServers("nats://user:hunter2@127.0.0.1:1")})
	if !errors.Is(err, upstream.ErrUnreachable) || strings.Contains(err.Error(), "hunter2") || time.Since(begun) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
}

func TestTenant_IsToldWhichOrderDoesNotExistAndWhatElseIsWrong(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	acme := as(t, connect(t, s.URL()), "acme")
	if _, err := acme.Get(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "is the dispatcher running") {
		t.Errorf("nobody there: %v", err)
	}
	refusal := func(code string) *nats.Msg {
		return &nats.Msg{Header: nats.Header{"Nats-Service-Error-Code": {code}, "Nats-Service-Error": {"because"}}}
	}
	answerer(t, s.Conn(t), "svc.orders.acme.get", refusal("404"), refusal("503"), body(`not an event`))
	answerer(t, s.Conn(t), "svc.orders.acme.history", refusal("404"))
	if _, err := acme.Get(t.Context(), "a"); !errors.Is(err, upstream.ErrNotFound) || !strings.Contains(err.Error(), "a (tenant acme)") {
		t.Errorf("404: %v", err)
	}
	if _, err := acme.Get(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "because") {
		t.Errorf("503: %v", err)
	}
	if _, err := acme.Get(t.Context(), "a"); !errors.Is(err, messages.ErrMalformed) {
		t.Errorf("not an event: %v", err)
	}
	if _, err := acme.History(t.Context(), "a"); !errors.Is(err, upstream.ErrNotFound) {
		t.Errorf("history: %v", err)
	}
}

// Behind a prefix of JetStream's API, as an account that imports it has.
func TestTenant_FindsJetStreamWhereTheConnectionDoes(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	c, err := upstream.Connect(app.NATS{URL: app.NewServers(s.URL()), APIPrefix: "beltline"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	answerer(t, s.Conn(t), "beltline.CONSUMER.CREATE.EVENTS.>", body(`{"error":{"code":404,"err_code":10059,"description":"stream not found"}}`))
	if _, err := as(t, c, "acme").Now(t.Context()); err == nil || !strings.Contains(err.Error(), "stream EVENTS is missing") {
		t.Errorf("%v", err)
	}
	if _, err := c.As("no.tenant"); err == nil {
		t.Error("a tenant that cannot be")
	}
}
