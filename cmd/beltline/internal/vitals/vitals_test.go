package vitals_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/cmd/beltline/internal/vitals"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

const drop = messages.GamesDrop

// bench is a server on which nothing runs, and a client of it.
func bench(t *testing.T, setUp bool) (*natstest.Server, *upstream.Client) {
	t.Helper()
	srv := natstest.Start(t, natstest.WithListener())
	if setUp {
		if _, err := topology.Setup(t.Context(), srv.JS(t), topology.Default()); err != nil {
			t.Fatal(err)
		}
	}
	client, err := upstream.Connect(app.NATS{URL: app.NewServers(srv.URL())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return srv, client
}

func look(t *testing.T, c *upstream.Client) vitals.Status {
	t.Helper()
	all := vitals.Look(t.Context(), c, []messages.Provider{drop}, vitals.Options{Balances: true, Wait: time.Minute})
	if len(all) != 1 || all[0].Provider != drop {
		t.Fatalf("%+v", all)
	}
	return all[0]
}

// unreached are the names of what could not be found out, in the alphabet's order.
func unreached(s vitals.Status) (names []string) {
	for _, u := range s.Unreached {
		names = append(names, u.What)
	}
	slices.Sort(names)
	return names
}

func TestLook_NamesEverythingThatCouldNotBeFoundOut(t *testing.T) {
	t.Parallel()
	_, c := bench(t, false)
	s := look(t, c)
	if got := unreached(s); !slices.Equal(got, []string{"balance", "follow", "lane", "place"}) {
		t.Errorf("%+v", s.Unreached)
	}
	if s.Lane != nil || s.Place != nil || s.Follow != nil || s.Balance != nil || len(s.Workers) != 0 {
		t.Errorf("%+v", s)
	}
}

// replica is a worker's service that fails as it is told to.
func replica(t *testing.T, nc *nats.Conn, fails bool) {
	t.Helper()
	s, err := service.Serve(nc, service.Options{Name: drop.Service(), Log: zerolog.Nop(), AtOnce: 4, Within: time.Minute}, service.Endpoint{
		Name: "balance", Subject: messages.ProviderServiceSubject(drop, "balance"),
		Answer: func(context.Context, service.Request) (service.Answer, error) {
			if fails {
				return service.Answer{}, service.Fail(service.BadProvider, messages.ProblemProviderError, "no")
			}
			return service.Answer{Body: map[string]any{"balance": map[string]string{"amount": "12.30", "currency": "USD"}}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	if err := nc.Flush(); err != nil { // the server knows it from now on
		t.Fatal(err)
	}
}

func TestLook_CountsReplicasAndTellsTheirErrors(t *testing.T) {
	t.Parallel()
	srv, c := bench(t, true)
	replica(t, srv.Conn(t), false)
	s := look(t, c)
	for s.Balance == nil && t.Context().Err() == nil { // a look waits for answers only so long, and a busy machine may be late
		s = look(t, c)
	}
	if len(s.Workers) != 1 || s.Workers[0].Errors != 0 || s.Balance == nil || s.Balance.String() != "12.30 USD" {
		t.Errorf("%+v", s)
	}
	if got := unreached(s); !slices.Equal(got, []string{"lane"}) || s.Lane == nil || s.Lane.State != lane.Open || s.Lane.Limit != nil {
		t.Errorf("without a dispatcher the lane is read, and its limit is not known: %+v, %+v", s.Lane, s.Unreached)
	}
	replica(t, srv.Conn(t), true)
	for failed := 0; failed == 0; { // until the failing one was asked
		s = look(t, c)
		for _, w := range s.Workers {
			failed += w.Errors
		}
	}
	i := slices.IndexFunc(s.Workers, func(r vitals.Replica) bool { return r.Errors > 0 })
	if w := s.Workers[i]; len(s.Workers) != 2 || w.LastError != "balance: 502 provider_error" || w.LastErrorAt == nil || w.Requests == 0 {
		t.Errorf("%+v", s.Workers)
	}
}

// A worker that is there and does not answer is not taken for none.
func TestLook_AWorkerThatDoesNotAnswerIsNotTakenForNone(t *testing.T) {
	t.Parallel()
	srv, c := bench(t, true)
	nc := srv.Conn(t)
	if _, err := nc.SubscribeSync("$SRV.STATS." + drop.Service()); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	s := look(t, c)
	if got := unreached(s); !slices.Contains(got, "workers") {
		t.Errorf("%+v", s.Unreached)
	}
}

func TestChange_StopsAndResumesThoughNoDispatcherRuns(t *testing.T) {
	t.Parallel()
	srv, c := bench(t, true)
	kv, err := srv.JS(t).KeyValue(t.Context(), messages.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	asked := messages.LaneAsked{Provider: drop, Action: messages.LanePause, By: "ann", Reason: "the dispatcher is down"}
	got, direct, err := vitals.Change(t.Context(), c, asked)
	if err != nil || !direct || !got.Paused || !got.Changed || *got.By != "ann" || *got.Message != asked.Reason || got.Until != nil {
		t.Fatalf("%+v, %t, %v", got, direct, err)
	}
	if s, _, err := lane.Read(t.Context(), kv, drop); err != nil || !s.Paused() || s.By != "ann" {
		t.Errorf("%+v, %v", s, err)
	}
	asked.Action = messages.LaneResume
	if got, direct, err = vitals.Change(t.Context(), c, asked); err != nil || !direct || got.Paused || got.State != lane.Open {
		t.Errorf("%+v, %t, %v", got, direct, err)
	}
}
