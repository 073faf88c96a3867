package skinsback_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

const (
	canary    = "canary secret/+%&=Ж"
	clientID  = "shop 7"
	reference = "b1abcdefghijklmnopqrstuvwx"
	gabe      = "76561198827262007"
)

func newHTTP(t testing.TB) *providerhttp.Client {
	t.Helper()
	c := providerhttp.New(providerhttp.Config{Name: "skinsback", Timeout: 20 * time.Second, Limiter: providertest.Unlimited{}})
	t.Cleanup(c.Close)
	return c
}

// build makes an adapter; change alters its configuration.
func build(t testing.TB, address string, change ...func(*skinsback.Config)) *skinsback.Provider {
	t.Helper()
	cfg := skinsback.Config{
		URL: address, ClientID: clientID, ClientSecret: secret.New(canary), Auth: skinsback.AuthHeaders, HTTP: newHTTP(t),
	}
	for _, c := range change {
		c(&cfg)
	}
	p, err := skinsback.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func signed(cfg *skinsback.Config) { cfg.Auth = skinsback.AuthSignature }

// bundle is a shop and an adapter that talks to it.
type bundle struct {
	*skinsbacktest.Server
	*skinsback.Provider
	t testing.TB
}

func setup(t testing.TB, opts ...skinsbacktest.Option) bundle {
	t.Helper()
	s := skinsbacktest.New(append([]skinsbacktest.Option{skinsbacktest.WithCredentials(clientID, canary)}, opts...)...)
	t.Cleanup(s.Close)
	return bundle{s, build(t, s.URL()), t}
}

// place places an order that will be answered, and returns it with what the
// answer told.
func (b bundle) place(o providers.Order) (providers.Order, providers.Answer) {
	b.t.Helper()
	answer, err := b.Place(guarded(b.t), o, providers.Plan{})
	if err != nil {
		b.t.Fatalf("placing: %v", err)
	}
	o.Ref = answer.Ref
	return o, answer
}

func (b bundle) lookup(o providers.Order) providers.Answer {
	b.t.Helper()
	answer, err := b.Lookup(b.t.Context(), o)
	if err != nil {
		b.t.Fatalf("looking up: %v", err)
	}
	return answer
}

// do reports the failure of a command to the shop.
func (b bundle) do(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// guarded is a context in which a create may be sent.
func guarded(t testing.TB) context.Context {
	t.Helper()
	return providers.WithSendGuard(t.Context(), func() error { return nil })
}

func deposit(change ...func(*messages.DepositParams)) providers.Order {
	params := messages.DepositParams{SteamID: gabe, TradeToken: "i1ArBZey", Currency: "USD"}
	for _, c := range change {
		c(&params)
	}
	return providers.Order{Tenant: "acme", ID: "ord-1", Kind: messages.Deposit, Reference: reference, Params: params}
}

func decimal(s string) *money.Decimal {
	d := money.MustDecimal(s)
	return &d
}

// script is a server that gives one answer to everything and keeps what it got.
type script struct {
	URL    string
	status int
	body   string

	mu   sync.Mutex
	got  []url.Values
	head []http.Header
}

func say(t testing.TB, status int, body string) *script {
	t.Helper()
	s := &script{status: status, body: body}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL + "/base/api.php"
	return s
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, err := url.ParseQuery(string(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || r.Method != http.MethodPost || r.URL.String() != "/base/api.php" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		form = url.Values{"wrong": {r.Method + " " + r.URL.String() + " " + r.Header.Get("Content-Type")}}
	}
	s.got, s.head = append(s.got, form), append(s.head, r.Header)
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.body)
}

func (s *script) last(t testing.TB) (url.Values, http.Header) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) == 0 {
		t.Fatal("nothing was sent")
	}
	return s.got[len(s.got)-1], s.head[len(s.head)-1]
}

func mustFail(t testing.TB, err error, class providers.Class, code string) *providers.Error {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) || e.Class != class || e.Code != code {
		t.Fatalf("got %v, want %v %q", err, class, code)
	}
	return e
}
