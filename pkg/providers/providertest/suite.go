package providertest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/providers"
)

// Fake is a running fake provider.
type Fake struct {
	URL   string
	Door  *Door
	Close func()
}

// Sample is an order that the fake fulfils as it stands.
type Sample struct {
	Name  string
	Order providers.Order
	// CreateOp is the endpoint that buys, in the words of the fake's door.
	CreateOp string
}

// Suite says how to test one adapter.
type Suite struct {
	// Start starts a fresh fake whose books are empty.
	Start func() Fake
	// New builds the adapter against a base URL, with the credentials that the
	// fake expects.
	New func(baseURL string, client *providerhttp.Client) (providers.Provider, error)
	// Samples holds at least one order of every kind that the adapter sells.
	Samples []Sample
	// Canaries are the credentials that New uses. None may appear in an error,
	// a plan or an answer, in any encoding.
	Canaries []string
	// Keyed: the provider refuses a reference that it has seen.
	Keyed bool
}

const (
	// patience is the deadline of requests that will be answered.
	patience = 20 * time.Second
	// impatience is the deadline of requests that will not.
	impatience = 150 * time.Millisecond
)

// Run proves that the adapter keeps the promises of the port. Each check
// starts its own fake.
func Run(t *testing.T, s Suite) {
	t.Helper()
	if len(s.Samples) == 0 || len(s.Canaries) == 0 {
		t.Fatal("a suite needs samples and canaries")
	}
	for _, sample := range s.Samples {
		for _, c := range checks() {
			if c.keyedOnly && !s.Keyed {
				continue
			}
			t.Run(sample.Name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				if err := c.run(&bench{ctx: t.Context(), suite: s, sample: sample}); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// check is one promise. It returns what it finds broken, so that the suite can
// itself be tested with adapters that break it.
type check struct {
	name      string
	keyedOnly bool
	run       func(*bench) error
}

func checks() []check {
	return []check{
		{name: "an order is placed with one request", run: (*bench).placesOnce},
		{name: "a purchase leaves a record without secrets", run: (*bench).leavesRecord},
		{name: "preparing creates nothing", run: (*bench).preparesOnly},
		{name: "a recorded plan sends the same bytes", run: (*bench).repeatsFromPlan},
		{name: "a status proves nothing but 429", run: (*bench).statusTable},
		{name: "5xx is ambiguous even with a good body", run: (*bench).serverErrors},
		{name: "429 is retried when the provider says", run: (*bench).tooMany},
		{name: "no answer is ambiguous", run: (*bench).unanswered},
		{name: "an unreadable answer is ambiguous", run: (*bench).unreadable},
		{name: "redirects are not followed", run: (*bench).redirects},
		{name: "cancelling after sending is ambiguous", run: (*bench).cancelAfter},
		{name: "cancelling before sending sends nothing", run: (*bench).cancelBefore},
		{name: "a refusing guard lets nothing out", run: (*bench).guardRefuses},
		{name: "without a guard nothing leaves", run: (*bench).guardMissing},
		{name: "the guard is asked once, before anything arrives", run: (*bench).guardAsked},
		{name: "faults of reading refuse no order", run: (*bench).readFaults},
		{name: "faults of looking up decide nothing", run: (*bench).lookupFaults},
		{name: "a reference buys once", keyedOnly: true, run: (*bench).sameReference},
	}
}

// bench is one check's workplace.
type bench struct {
	ctx    context.Context
	suite  Suite
	sample Sample
}

// shop is a fresh fake with an adapter that talks to it.
type shop struct {
	Fake
	providers.Provider
	bench  *bench
	client *providerhttp.Client
}

func (b *bench) open(timeout time.Duration) (*shop, error) {
	fake := b.suite.Start()
	client := providerhttp.New(providerhttp.Config{Name: "conformance", Timeout: timeout, Limiter: Unlimited{}})
	p, err := b.suite.New(fake.URL, client)
	if err != nil {
		fake.Close()
		return nil, fmt.Errorf("building the adapter: %w", err)
	}
	return &shop{Fake: fake, Provider: p, bench: b, client: client}, nil
}

// prepared opens a shop and prepares the sample without any fault. The
// time-out is for what follows: preparing must not fail on a slow machine.
func (b *bench) prepared(timeout time.Duration) (*shop, providers.Plan, error) {
	s, err := b.open(timeout)
	if err != nil {
		return nil, providers.Plan{}, err
	}
	patient := providerhttp.New(providerhttp.Config{Name: "conformance", Timeout: patience, Limiter: Unlimited{}})
	defer patient.Close()
	p, err := b.suite.New(s.URL, patient)
	if err == nil {
		var plan providers.Plan
		if plan, err = p.Prepare(b.ctx, b.sample.Order); err == nil {
			return s, plan, b.clean("the plan", plan)
		}
	}
	s.close()
	return nil, providers.Plan{}, fmt.Errorf("preparing the sample: %w", err)
}

func (s *shop) close() {
	s.Door.Close()
	s.Fake.Close()
	s.client.Close()
}

// place places the sample with a guard that agrees. The deadline is for
// adapters that go round the client, and would hang at a fake that does.
func (s *shop) place(plan providers.Plan) (providers.Answer, error) {
	ctx, cancel := context.WithTimeout(s.bench.ctx, 2*patience)
	defer cancel()
	ctx = providers.WithSendGuard(ctx, func() error { return nil })
	return s.Place(ctx, s.bench.sample.Order, plan)
}

// creates returns how many creating requests have arrived.
func (s *shop) creates() int { return len(s.Door.Book.Select(Received, s.bench.sample.CreateOp)) }

// arrivals returns how many requests of any sort have arrived.
func (s *shop) arrivals() int { return len(s.Door.Book.Select(Received, "")) }

// bought returns how often the sample has been bought.
func (s *shop) bought() int { return len(s.Door.Book.Select(Committed, s.bench.sample.CreateOp)) }

// wantError reports if err is not of the class and, unless it is empty, the
// code; or if it shows a secret.
func (b *bench) wantError(err error, class providers.Class, code string) error {
	var e *providers.Error
	switch {
	case err == nil:
		return errors.New("got no error")
	case !errors.As(err, &e):
		return fmt.Errorf("got %w, which is no *providers.Error", err)
	case e.Class != class, code != "" && e.Code != code:
		return fmt.Errorf("got %w, want %v %s", err, class, code)
	case e.Op == "":
		return fmt.Errorf("got %w, which names no operation", err)
	}
	return b.clean("the error", err)
}

// clean reports a canary in anything that may be logged or stored.
func (b *bench) clean(what string, v any) error {
	texts := []string{fmt.Sprintf("%v", v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v)}
	var e *providers.Error
	if err, ok := v.(error); ok && errors.As(err, &e) {
		texts = append(texts, e.Message, e.Code, fmt.Sprintf("%+v %v", *e, e.Err))
	} else if j, err := json.Marshal(v); err == nil {
		texts = append(texts, string(j))
	}
	all := strings.Join(texts, "\n")
	for _, canary := range b.suite.Canaries {
		for _, form := range []string{canary, url.QueryEscape(canary), base64.StdEncoding.EncodeToString([]byte(canary)), fmt.Sprintf("%x", canary)} {
			if strings.Contains(all, form) {
				return fmt.Errorf("%s shows a secret", what)
			}
		}
	}
	return nil
}

// Unlimited is a limiter that grants every permit at once.
type Unlimited struct{}

var _ ratelimit.Limiter = Unlimited{}

// Take grants a fresh permit.
func (Unlimited) Take(ctx context.Context, _ ratelimit.Use) (ratelimit.Permit, error) {
	return ratelimit.Permit{Granted: time.Now(), MaxAge: time.Hour}, ctx.Err()
}
