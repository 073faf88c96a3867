package exchanger_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

const (
	login = "canary-login-71c3e0"
	key   = "canary-key-9a44f2"
	apiID = "3029384756102938475"
)

const (
	ambiguous = providers.Ambiguous
	rejected  = providers.Rejected
	retryable = providers.Retryable
	blocked   = providers.Blocked
	invalid   = providers.Invalid
)

func newHTTP(t testing.TB) *providerhttp.Client {
	t.Helper()
	c := providerhttp.New(providerhttp.Config{Name: "exchanger", Timeout: 20 * time.Second, Limiter: providertest.Unlimited{}})
	t.Cleanup(c.Close)
	return c
}

func config(t testing.TB, url string) exchanger.Config {
	t.Helper()
	return exchanger.Config{URL: url, APILogin: secret.New(login), APIKey: secret.New(key), HTTP: newHTTP(t)}
}

func newProvider(t testing.TB, cfg exchanger.Config) *exchanger.Provider {
	t.Helper()
	p, err := exchanger.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// guarded is a context in which a create may be sent.
func guarded(t testing.TB) context.Context {
	t.Helper()
	return providers.WithSendGuard(t.Context(), func() error { return nil })
}

func params(direction, amount, side string, change ...func(*messages.ExchangeParams)) messages.ExchangeParams {
	p := messages.ExchangeParams{
		DirectionID: direction, Amount: money.MustDecimal(amount), AmountSide: side, AccountFrom: "2202200112345678", AccountTo: "TWallet1",
	}
	if direction == exchangertest.DirectionCard {
		p.Fields = map[string]string{"cf6": "user@gmail.com"}
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

func exchangeOrder(p messages.ExchangeParams) providers.Order {
	return providers.Order{Tenant: "acme", ID: "ord-1", Kind: messages.Exchange, Params: p, Reference: apiID}
}

// sample is the order of most tests: 3000 RUB and the fee.
func sample() providers.Order {
	return exchangeOrder(params(exchangertest.DirectionCard, "3000", "give"))
}

func payoutOrder(method, account string) providers.Order {
	return providers.Order{
		Tenant: "acme", ID: "ord-1", Kind: messages.PartnerPayout, Reference: "b1abcdefghijklmnopqrstuvwx",
		Params: messages.PartnerPayoutParams{MethodID: method, Account: account},
	}
}

// bundle is a shop and an adapter that talks to it.
type bundle struct {
	*exchangertest.Server
	*exchanger.Provider
	t testing.TB
}

func setup(t testing.TB, opts ...exchangertest.Option) bundle {
	t.Helper()
	shop := exchangertest.New(append([]exchangertest.Option{exchangertest.WithCredentials(login, key)}, opts...)...)
	t.Cleanup(shop.Close)
	return bundle{shop, newProvider(t, config(t, shop.APIURL())), t}
}

func (b bundle) prepare(o providers.Order) providers.Plan {
	b.t.Helper()
	plan, err := b.Prepare(b.t.Context(), o)
	if err != nil {
		b.t.Fatalf("preparing: %v", err)
	}
	return plan
}

// buy prepares and places an order that will be answered.
func (b bundle) buy(o providers.Order) (providers.Answer, providers.Plan) {
	b.t.Helper()
	plan := b.prepare(o)
	answer, err := b.Place(guarded(b.t), o, plan)
	if err != nil {
		b.t.Fatalf("placing: %v", err)
	}
	return answer, plan
}

// lose places an order whose answer is lost, and returns it as a lookup gets it.
func (b bundle) lose(o providers.Order, op string, fault providertest.FaultKind) providers.Order {
	b.t.Helper()
	o.Plan = b.prepare(o)
	o.PlacedAt = time.Now()
	b.Faults().Once(op, providertest.Fault{Kind: fault})
	if _, err := b.Place(guarded(b.t), o, o.Plan); providers.ClassOf(err) != ambiguous {
		b.t.Fatalf("a lost answer gave %v", err)
	}
	return o
}

func (b bundle) find(o providers.Order) providers.Answer {
	b.t.Helper()
	answer, err := b.Lookup(b.t.Context(), o)
	if err != nil {
		b.t.Fatalf("looking up: %v", err)
	}
	return answer
}

// lookup looks an order up that was answered before.
func (b bundle) lookup(o providers.Order, placed providers.Answer) providers.Answer {
	b.t.Helper()
	o.Ref = placed.Ref
	return b.find(o)
}

// received is a request as it arrived at a script.
type received struct {
	Method, Path, Login, Key, Lang, ContentType, Body string
}

// script is a server that answers each method with one body and keeps what it got.
type script struct {
	URL string

	mu      sync.Mutex
	replies map[string]string
	got     []received
}

func newScript(t testing.TB, replies map[string]string) *script {
	t.Helper()
	s := &script{replies: replies}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL + "/sub/api/userapi/v1" // an adapter that builds absolute paths misses it
	return s
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, received{
		r.Method, r.URL.RequestURI(), r.Header.Get("API-LOGIN"), r.Header.Get("API-KEY"), r.Header.Get("API-LANG"),
		r.Header.Get("Content-Type"), string(body),
	})
	answer, ok := s.replies[strings.TrimPrefix(r.URL.Path, "/sub/api/userapi/v1/")]
	if !ok {
		http.Error(w, "no such path", http.StatusTeapot)
		return
	}
	_, _ = io.WriteString(w, answer)
}

func (s *script) requests() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

func (s *script) provider(t testing.TB) *exchanger.Provider {
	t.Helper()
	return newProvider(t, config(t, s.URL))
}

func amount(text, currency string) *money.Money {
	m := money.Must(text, currency)
	return &m
}

func wantError(t testing.TB, err error, class providers.Class, code string) *providers.Error {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *providers.Error", err)
	}
	if e.Class != class || e.Code != code {
		t.Errorf("got %v %s (%v), want %v %s", e.Class, e.Code, e, class, code)
	}
	return e
}
