package doctor_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/doctor"
	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

func TestExamine_FindsNothingWrongWhereNothingIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	w.until(w.options(), func(all []doctor.Finding) bool {
		return len(all) > 10 && len(checks(all, doctor.OK)) == len(all)
	})
}

// seeded is one thing that is wrong, and what the doctor must call it.
type seeded struct {
	name  string
	plan  plan
	spoil func(t *testing.T, w *world, o *doctor.Options)
	check string // of the one fault
	says  string
}

func TestExamine_NamesEachSeededFault(t *testing.T) {
	t.Parallel()
	for _, tt := range []seeded{
		{name: "no server", check: "nats", says: "connection refused|no servers", spoil: func(t *testing.T, w *world, o *doctor.Options) {
			o.Connect = func() (*nats.Conn, jetstream.JetStream, error) {
				_, err := nats.Connect("nats://127.0.0.1:1")
				return nil, nil, err
			}
		}},
		{name: "a stream is missing", check: "stream DLQ", says: "missing", spoil: func(t *testing.T, w *world, _ *doctor.Options) {
			ok(t, w.js.DeleteStream(t.Context(), messages.StreamDLQ))
		}},
		{name: "the ledger forgets", check: "stream EVENTS", says: "max_age is 1h0m0s, not 0s", spoil: func(t *testing.T, w *world, _ *doctor.Options) {
			w.change(t, messages.StreamEvents, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
		}},
		{name: "a consumer is missing", check: "consumer COMMANDS/worker-gamesdrop-follow", says: "missing", spoil: func(t *testing.T, w *world, _ *doctor.Options) {
			ok(t, w.js.DeleteConsumer(t.Context(), messages.StreamCommands, messages.GamesDrop.FollowConsumer()))
		}},
		{name: "another rate limit", check: "stream PERMITS_GAMESDROP", says: "beltline.rate is 30/1s, not 10/1s", spoil: func(_ *testing.T, _ *world, o *doctor.Options) {
			ps := o.Settings.Providers[messages.GamesDrop]
			ps.Rate = providers.Rate{Requests: 10, Window: time.Second}
			o.Settings.Providers[messages.GamesDrop] = ps
		}},
		{name: "a clock is wrong", check: "clock", says: "ahead of the server", spoil: func(_ *testing.T, _ *world, o *doctor.Options) {
			o.Now = func() time.Time { return time.Now().Add(time.Hour) }
		}},
		{name: "buying is stopped", check: "fence", says: "buying is stopped since .* by w1 .*knows order acme/a", spoil: func(t *testing.T, w *world, _ *doctor.Options) {
			fence.New(w.nc, w.js, fence.Options{Instance: "w1"}).Surprised(t.Context(), "a shop knows order acme/a")
		}},
		{
			name: "a worker is missing", check: "worker-gamesdrop", says: "none runs; 0 commands wait", plan: plan{without: []messages.Provider{messages.GamesDrop}},
		},
		{name: "credentials are refused", check: "account gamesdrop", says: "refused by the provider: INVALID_TOKEN", plan: plan{token: "another"}},
		{name: "no callback arrives", check: "callbacks skinsback", says: "refused", spoil: func(_ *testing.T, w *world, _ *doctor.Options) { w.front.Close() }},
		{name: "something else answers callbacks", check: "callbacks skinsback", says: "something else answers", spoil: func(_ *testing.T, w *world, o *doctor.Options) {
			o.Callbacks[messages.SkinsBack] = w.drop.URL()
		}},
		{
			name: "a power cut takes back what was stored", check: "durability", says: "sync_interval is 2m0s",
			plan: plan{server: func(o *server.Options) { o.SyncAlways = false }},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.plan)
			o := w.options()
			if tt.spoil != nil {
				tt.spoil(t, w, &o)
			}
			all := w.until(o, func(all []doctor.Finding) bool { return slices.Contains(checks(all, doctor.Fault), tt.check) })
			if diff := cmp.Diff([]string{tt.check}, checks(all, doctor.Fault)); diff != "" {
				t.Fatalf("%s\n%+v", diff, all)
			}
			i := slices.IndexFunc(all, func(f doctor.Finding) bool { return f.Severity == doctor.Fault })
			if !regexp.MustCompile(tt.says).MatchString(all[i].Found) {
				t.Errorf("%q does not say %q", all[i].Found, tt.says)
			}
		})
	}
}

func TestExamine_AServerWithoutJetStreamIsOneFault(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.WithListener(), natstest.Configure(func(o *server.Options) { o.JetStream = false }))
	all := doctor.Examine(t.Context(), doctor.Options{
		Connect: func() (*nats.Conn, jetstream.JetStream, error) {
			nc := srv.Conn(t)
			js, err := jetstream.New(nc)
			return nc, js, err
		},
		Settings: topology.Default(),
	})
	if got := checks(all, doctor.Fault); len(got) != 1 || got[0] != "jetstream" {
		t.Errorf("found %+v", all)
	}
}

func TestExamine_AServerWithNothingOnItIsToldInAFewLines(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.WithListener())
	all := doctor.Examine(t.Context(), doctor.Options{
		Connect: func() (*nats.Conn, jetstream.JetStream, error) {
			nc := srv.Conn(t)
			js, err := jetstream.New(nc)
			return nc, js, err
		},
		Settings: topology.Default(),
	})
	if diff := cmp.Diff([]string{"streams", "dispatcher"}, checks(all, doctor.Fault)); diff != "" {
		t.Errorf("%s\n%+v", diff, all)
	}
}

func TestExamine_WhatNobodyCouldSayIsUnknownAndNotWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	o := w.options()
	o.Monitor = ""
	w.until(o, func(all []doctor.Finding) bool {
		return slices.Contains(checks(all, doctor.Note), "durability") && len(checks(all, doctor.Fault)) == 0
	})
	o.Monitor = w.drop.URL()
	w.until(o, func(all []doctor.Finding) bool {
		return slices.Contains(checks(all, doctor.Warning), "monitor") && slices.Contains(checks(all, doctor.Note), "durability") &&
			len(checks(all, doctor.Fault)) == 0
	})
}

func TestExamine_NamesWhatSomebodyShouldLookAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	m, err := w.nc.Request(messages.OperatorServiceSubject("lane"), []byte(`{"provider":"gamesdrop","action":"pause","by":"ann"}`), patience)
	if err != nil || m.Header.Get("Nats-Service-Error-Code") != "" {
		t.Fatalf("not paused: %v", err)
	}
	for _, body := range []string{"not JSON", order("stuck"), order("doubtful")} {
		_, err := w.js.Publish(t.Context(), "orders.acme.submit", []byte(body))
		ok(t, err)
	}
	w.doubt(t, "doubtful")
	o := w.options()
	o.Stuck = time.Millisecond
	want := []string{"dead letters", "lane gamesdrop", "operator", "unfinished orders"}
	all := w.until(o, func(all []doctor.Finding) bool {
		got := checks(all, doctor.Warning)
		return !slices.ContainsFunc(want, func(c string) bool { return !slices.Contains(got, c) }) && len(checks(all, doctor.Fault)) == 0
	})
	says := map[string]string{
		"dead letters": "1 on dlq.orders.acme", "lane gamesdrop": "paused by ann since", "operator": "an operator has to decide about 1 order: acme/doubtful",
		"unfinished orders": "1 order without news for too long; the oldest is acme/stuck of gamesdrop, accepted since",
	}
	for _, f := range all {
		if want := says[f.Check]; f.Severity == doctor.Warning && !strings.Contains(f.Found, want) {
			t.Errorf("%s: %q does not say %q", f.Check, f.Found, want)
		}
	}
}

// A person whose user may not ask the services must not read that nobody serves.
func TestExamine_WhatThisUserMayNotAskIsUnknown(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.WithListener(), natstest.Configure(func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "pw"},
			{Username: "reader", Password: "pw", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"$JS.API.>"}}}},
		}
	}))
	js, err := jetstream.New(srv.Conn(t, nats.UserInfo("admin", "pw")))
	ok(t, err)
	s := topology.Default()
	s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes = 64<<20, 16<<20, 16<<20
	_, err = topology.Setup(t.Context(), js, s)
	ok(t, err)
	all := doctor.Examine(t.Context(), doctor.Options{
		Connect: func() (*nats.Conn, jetstream.JetStream, error) {
			nc := srv.Conn(t, nats.UserInfo("reader", "pw"))
			js, err := jetstream.New(nc)
			return nc, js, err
		},
		Settings: s, Serving: []messages.Provider{messages.GamesDrop},
	})
	if diff := cmp.Diff([]string{"dispatcher", "operator", "unfinished orders", "worker-gamesdrop", "account gamesdrop"}, checks(all, doctor.Warning)); diff != "" || len(checks(all, doctor.Fault)) > 0 {
		t.Errorf("%s\n%+v", diff, all)
	}
	for _, f := range all {
		if f.Severity == doctor.Warning && !strings.Contains(f.Found, "this user may not publish to ") {
			t.Errorf("%+v", f)
		}
	}
}

func order(id string) string {
	return `{"v":1,"id":"` + id + `","provider":"gamesdrop","kind":"offer","params":{"offer_id":1001},"max_cost":{"amount":"600","currency":"RUB"}}`
}

// doubt makes an order one that needs an operator, as a worker would whose
// answer was lost.
func (w *world) doubt(t *testing.T, id string) {
	t.Helper()
	var e *messages.Event
	w.await(id+" is accepted", func() bool {
		m, err := w.nc.Request(messages.OrdersServiceSubject("acme", "get"), []byte(`{"id":"`+id+`"}`), patience)
		if err != nil || m.Header.Get("Nats-Service-Error-Code") != "" {
			return false
		}
		e, err = messages.DecodeEvent(m.Data)
		return err == nil
	})
	e.N, e.Type, e.State, e.NeedsOperator = e.N+1, messages.Unresolved, messages.Unresolved, true
	body, err := e.MarshalJSON()
	ok(t, err)
	_, err = w.js.Publish(t.Context(), messages.EventSubject(e.Provider, e.Tenant, e.OrderID, e.Type), body)
	ok(t, err)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) change(t *testing.T, stream string, edit func(*jetstream.StreamConfig)) {
	t.Helper()
	s, err := w.js.Stream(t.Context(), stream)
	ok(t, err)
	c := s.CachedInfo().Config
	edit(&c)
	_, err = w.js.UpdateStream(t.Context(), c)
	ok(t, err)
}
