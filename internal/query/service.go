package query

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

const (
	// atOnce is how many questions wait for their answers at once; what is equal
	// waits for one request.
	atOnce = 1024
	// permitWait is how long a question waits for its permit, unless told
	// otherwise: shorter than anybody waits for an answer.
	permitWait = 2 * time.Second
	// slack is what is left to make an answer of what the provider said.
	slack = 2 * time.Second
)

// Options configure the service. All are required unless said otherwise.
type Options struct {
	Provider messages.Provider
	Instance string // names this process in a lane that it closes
	Log      zerolog.Logger
	// Timeout is that of one request to the provider.
	Timeout time.Duration
	// PermitWait is how long a question waits for its permit [2s].
	PermitWait time.Duration
	// Window is that of the rate limit.
	Window time.Duration
	// Now is the clock; nil for the system's.
	Now func() time.Time
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
}

// Service is one replica of the service.
type Service struct {
	shell *service.Service
	js    jetstream.JetStream
	asker providers.Asker
	o     Options
	log   zerolog.Logger
	life  context.Context //nolint:containedctx // a request outlives the question that caused it: others wait for it too
	end   context.CancelFunc
	once  sync.Once

	trying   chan struct{} // the slot of a question to a provider whose lane is closed
	flights  singleflight.Group
	kept     kept
	balances *balances
}

// Serve begins to answer. The provider's reading requests must take their
// permits from a [ratelimit.Patient] limiter.
func Serve(nc *nats.Conn, js jetstream.JetStream, asker providers.Asker, o Options) (*Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PermitWait <= 0 {
		o.PermitWait = permitWait
	}
	s := &Service{
		js: js, asker: asker, o: o, kept: newKept(), trying: make(chan struct{}, 1), balances: newBalances(o.Registerer, o.Provider),
		log: o.Log.With().Str(logkey.Part, o.Provider.Service()).Str(logkey.Provider, string(o.Provider)).Logger(),
	}
	s.life, s.end = context.WithCancel(context.Background())
	var endpoints []service.Endpoint
	for _, name := range o.Provider.ServiceMethods() {
		endpoints = append(endpoints, service.Endpoint{
			Name: name, Subject: messages.ProviderServiceSubject(o.Provider, name), Interface: messages.QueryInterface(o.Provider, name),
			Upstream: messages.OpenToUpstream(name),
			Answer: func(ctx context.Context, q service.Request) (service.Answer, error) {
				return s.answer(ctx, name, q.Body)
			},
		})
	}
	var err error
	s.shell, err = service.Serve(nc, service.Options{
		Name: o.Provider.Service(), Description: fmt.Sprintf("Questions to %s, within its rate limit.", o.Provider),
		Log: o.Log, AtOnce: atOnce, Within: o.PermitWait + o.Timeout + slack, Refuse: true,
	}, endpoints...)
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// Stop takes no more questions, and cuts the requests under way: they only
// read, and whoever asked is told to ask again.
func (s *Service) Stop() {
	s.once.Do(func() {
		s.end()
		s.shell.Stop()
	})
}

// told is an answer of the provider, with when it was asked.
type told struct {
	body json.RawMessage
	at   time.Time
}

// answer answers a question, together with all equal ones that wait for it.
func (s *Service) answer(ctx context.Context, name string, body []byte) (service.Answer, error) {
	q, err := messages.DecodeQuery(s.o.Provider, name, body)
	if err != nil {
		return service.Answer{}, service.Refused(err)
	}
	literal, err := json.Marshal(q)
	if err != nil {
		return service.Answer{}, err
	}
	key := name + " " + string(literal)
	// Equal questions are one request, which goes on in the trace of the first.
	trace := telemetry.Header{}
	telemetry.Inject(ctx, trace)
	flight := s.flights.DoChan(key, func() (any, error) { return s.safely(telemetry.Extract(s.life, trace), q, key) })
	select {
	case r := <-flight:
		if r.Err != nil {
			return service.Answer{}, r.Err
		}
		t := r.Val.(told) //nolint:forcetypeassert // made so by fly
		return service.Answer{Body: t.body, AskedAt: t.at, Instead: "narrow the question, by a limit, a time or currencies"}, nil
	case <-ctx.Done():
		return service.Answer{}, s.overdue()
	}
}

// safely keeps a panic from ending the worker, which has orders in hand.
func (s *Service) safely(life context.Context, q messages.Query, key string) (t any, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error().Interface("panic", r).Bytes("stack", debug.Stack()).Msg("a question made its adapter panic")
			t, err = nil, service.Fail(service.Internal, messages.ProblemInternal, "the question cannot be answered")
		}
	}()
	return s.fly(life, q, key)
}

// unattended reports whether a lane's time is over, and no order has tried it
// since: one that waits does so within a minute. What only had to rest has rested.
func unattended(s lane.State, now time.Time) bool {
	if !s.Busy {
		now = now.Add(-time.Minute)
	}
	return s.Over(now)
}

// fly asks the provider, unless the lane is closed or the answer is still good.
func (s *Service) fly(life context.Context, q messages.Query, key string) (any, error) {
	ctx, cancel := context.WithTimeout(life, s.o.PermitWait+s.o.Timeout+slack)
	defer cancel()
	kv, err := s.js.KeyValue(ctx, messages.Bucket)
	if err != nil {
		return nil, s.noLane(err)
	}
	state, _, err := lane.Read(ctx, kv, s.o.Provider)
	if err != nil {
		return nil, s.noLane(err)
	}
	if state.State != lane.Open {
		// Where nobody orders, nobody else finds out that the provider is well
		// again: one question at a time is put to it then.
		if !unattended(state, s.o.Now()) {
			return nil, s.closed(state)
		}
		select {
		case s.trying <- struct{}{}:
			defer func() { <-s.trying }()
		default:
			return nil, s.closed(state)
		}
	}
	if t, ok := s.kept.get(key, s.o.Now()); ok {
		return t, nil
	}
	ctx, patience := ratelimit.WithPatience(ratelimit.WithUse(ctx, ratelimit.ForCheck), s.o.PermitWait)
	at := s.o.Now()
	asked, span := telemetry.Call(ctx, "ask", string(s.o.Provider))
	answer, err := s.asker.Ask(asked, q)
	if err != nil {
		span.Failed(providers.AsError(err).Class.String())
	}
	span.End()
	if err != nil {
		return nil, s.explain(ctx, kv, err, patience)
	}
	if state.State != lane.Open {
		s.rested(ctx, kv)
	}
	s.balances.saw(answer, at)
	body, err := service.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("answer to %s: %w", key, err)
	}
	t := told{body: body, at: at}
	if good := s.asker.Lasts(q); good > 0 {
		s.kept.put(key, t, at.Add(good), s.o.Now())
	}
	return t, nil
}
