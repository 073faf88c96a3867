package gamesdrop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

const token = "canary-token-5f2b91"

func newHTTP(t testing.TB) *providerhttp.Client {
	t.Helper()
	c := providerhttp.New(providerhttp.Config{Name: "gamesdrop", Timeout: 20 * time.Second, Limiter: providertest.Unlimited{}})
	t.Cleanup(c.Close)
	return c
}

func newProvider(t testing.TB, url, telegramURL string) *gamesdrop.Provider {
	t.Helper()
	p, err := gamesdrop.New(gamesdrop.Config{URL: url, TelegramURL: telegramURL, Token: secret.New(token), HTTP: newHTTP(t)})
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

func offerOrder(params messages.OfferParams) providers.Order {
	return providers.Order{
		Tenant: "acme", ID: "ord-1", Kind: messages.Offer, Params: params, Reference: "b1abcdefghijklmnopqrstuvwx",
	}
}

func starsOrder(stars int64, user string) providers.Order {
	return providers.Order{
		Tenant: "acme", ID: "ord-1", Kind: messages.TelegramStars, Reference: "b1abcdefghijklmnopqrstuvwx",
		Params: messages.TelegramStarsParams{Stars: stars, TelegramUser: user, Email: "user@example.com"},
	}
}

// bundle is a shop and an adapter that talks to it.
type bundle struct {
	*gamesdroptest.Server
	*gamesdrop.Provider
	t testing.TB
}

func setup(t testing.TB, opts ...gamesdroptest.Option) bundle {
	t.Helper()
	shop := gamesdroptest.New(append([]gamesdroptest.Option{gamesdroptest.WithToken(token)}, opts...)...)
	t.Cleanup(shop.Close)
	return bundle{shop, newProvider(t, shop.URL(), shop.TelegramURL()), t}
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

// lookup looks an order up that was answered before.
func (b bundle) lookup(o providers.Order, placed providers.Answer) providers.Answer {
	b.t.Helper()
	o.Ref = placed.Ref
	answer, err := b.Lookup(b.t.Context(), o)
	if err != nil {
		b.t.Fatalf("looking up: %v", err)
	}
	return answer
}

// received is a request as it arrived at a script.
type received struct {
	Method, Path, Authorization, ContentType, Body string
}

// reply is what a script answers.
type reply struct {
	status int
	body   string
	header http.Header
}

// script is a server that answers each path with one reply and keeps what it got.
type script struct {
	URL string

	mu      sync.Mutex
	replies map[string]reply
	got     []received
}

func newScript(t testing.TB, replies map[string]reply) *script {
	t.Helper()
	s := &script{replies: replies}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL + "/base" // an adapter that builds absolute paths misses it
	return s
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, received{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)})
	answer, ok := s.replies[r.URL.Path]
	if !ok {
		http.Error(w, "no such path", http.StatusTeapot)
		return
	}
	for key, values := range answer.header {
		w.Header()[key] = values
	}
	if answer.status == 0 {
		answer.status = http.StatusOK
	}
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

func (s *script) requests() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

func (s *script) provider(t testing.TB) *gamesdrop.Provider {
	t.Helper()
	return newProvider(t, s.URL, s.URL+"/telegram")
}

const (
	createPath = "/base/api/v1/offers/create-order"
	findPath   = "/base/api/v1/offers/find-one"
	checkPath  = "/base/api/v1/offers/check-game-data"
	statusPath = "/base/api/v1/offers/order-status"
	userPath   = "/base/telegram"
)

func compact(t testing.TB, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func rub(amount string) *money.Money {
	m := money.Must(amount, "RUB")
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
