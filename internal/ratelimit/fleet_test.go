package ratelimit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// small is a limit that a test can fill several times.
var small = rule{limit: 20, window: time.Second}

// setUp makes all streams for one provider with the limit, as a program does.
func setUp(t *testing.T, js jetstream.JetStream, r rule, replicas int) {
	t.Helper()
	s := topology.Default()
	s.Replicas = replicas
	s.Providers = map[messages.Provider]topology.ProviderSettings{
		messages.SkinsBack: topology.ForProvider(providers.Rate{Requests: r.limit, Window: r.window}, 20*time.Second),
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if _, err := topology.Setup(ctx, js, s); err != nil {
		t.Fatal(err)
	}
}

// replica is what a worker has: a limiter over a connection of its own, and a
// client that draws on it.
type replica struct {
	name    string
	conn    *nats.Conn
	limiter *ratelimit.Shared
	http    *providerhttp.Client
	metrics *prometheus.Registry
	door    *door

	leave context.CancelFunc
	busy  sync.WaitGroup
}

// join makes a replica that does nothing yet.
func join(t *testing.T, d *door, name string, conn *nats.Conn) *replica {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{name: name, conn: conn, metrics: prometheus.NewRegistry(), door: d}
	r.limiter = ratelimit.New(js, ratelimit.Options{Provider: messages.SkinsBack, Instance: name, Log: zerolog.Nop(), Registerer: r.metrics})
	r.http = providerhttp.New(providerhttp.Config{Name: "skinsback", Limiter: r.limiter})
	t.Cleanup(r.http.Close)
	return r
}

// flood makes replicas ask for far more than there is, until the test ends.
func flood(t *testing.T, d *door, conns ...*nats.Conn) []*replica {
	t.Helper()
	var all []*replica
	for i, conn := range conns {
		r := join(t, d, fmt.Sprintf("r%d", i+1), conn)
		r.work(t)
		all = append(all, r)
	}
	return all
}

// takers is how many requests a replica always has waiting: a quarter of them
// polls, the others places and what prepares them.
const takers = 8

// work begins to send requests without end.
func (r *replica) work(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r.leave = cancel
	for i := range takers {
		r.busy.Go(func() {
			for ctx.Err() == nil {
				switch i % 4 {
				case 0:
					_ = r.read(ctx, ratelimit.ForCheck)
				case 1:
					_ = r.read(ctx, ratelimit.ForPrepare)
				default:
					_ = r.create(ctx)
				}
			}
		})
	}
	t.Cleanup(r.end)
}

// end stops the requests and waits until none is under way.
func (r *replica) end() {
	r.leave()
	r.busy.Wait()
}

func (r *replica) request(number, use string) providerhttp.Request {
	return providerhttp.Request{
		Op: "door.ask", Method: http.MethodPost, URL: r.door.URL, Body: []byte("ask"), ContentType: "text/plain",
		Header: http.Header{"X-Number": {number}, "X-By": {r.name}, "X-Use": {use}},
	}
}

// read is a request that changes nothing: its client takes the permit.
func (r *replica) read(ctx context.Context, u ratelimit.Use) error {
	ctx, number := r.door.traced(ratelimit.WithUse(ctx, u))
	_, err := r.http.Read(ctx, r.request(number, u.String()))
	return err
}

// slowly is how long an intent may take to be stored. It is near the age at
// which a permit is thrown away, so that requests arrive as late after their
// permits as they may.
const slowly = ratelimit.GreatestAge * 3 / 4

// create is what the worker does: the permit first, then the intent, and the
// permit asked again by the guard just before the request is written.
func (r *replica) create(ctx context.Context) error {
	p, err := r.limiter.Take(ctx, ratelimit.ForPlace)
	if err != nil {
		return err
	}
	select {
	case <-time.After(rand.N(slowly)):
	case <-ctx.Done():
	}
	return r.spend(ctx, p)
}

// spend sends a create that uses p.
func (r *replica) spend(ctx context.Context, p ratelimit.Permit) error {
	ctx, number := r.door.traced(providers.WithSendGuard(ctx, p.Check))
	_, err := r.http.Create(ctx, r.request(number, "place"))
	return err
}

// counter sums a counter of the replica over its labels.
func (r *replica) counter(t *testing.T, name string) (sum float64) {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
			return sum
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
