package balancesteam_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

const canary = "canary key/+%&=Ж"

func newHTTP(t *testing.T) *providerhttp.Client {
	t.Helper()
	c := providerhttp.New(providerhttp.Config{Name: "balancesteam", Timeout: 20 * time.Second, Limiter: providertest.Unlimited{}})
	t.Cleanup(c.Close)
	return c
}

func newProvider(t *testing.T, url string, witness bool) *balancesteam.Provider {
	t.Helper()
	p, err := balancesteam.New(balancesteam.Config{URL: url, APIKey: secret.New(canary), Witness: witness, HTTP: newHTTP(t)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// openShop starts a shop that expects the canary as its key.
func openShop(t *testing.T, opts ...balancesteamtest.Option) *balancesteamtest.Server {
	t.Helper()
	s := balancesteamtest.New(append([]balancesteamtest.Option{balancesteamtest.WithAPIKey(canary)}, opts...)...)
	t.Cleanup(s.Close)
	return s
}

// say starts a server that gives one answer to everything.
func say(t *testing.T, status int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func topup(login, amount string) providers.Order {
	return providers.Order{
		Tenant: "acme", ID: "ord-1", Kind: messages.Topup, Reference: "b1ref",
		Params: messages.TopupParams{Login: login, Amount: money.MustDecimal(amount)},
	}
}

func giftCard(service int64, email string) providers.Order {
	limit := money.Must("600", "RUB")
	return providers.Order{
		Tenant: "acme", ID: "ord-2", Kind: messages.GiftCard, Reference: "b1ref", MaxCost: &limit,
		Params: messages.GiftCardParams{ServiceID: service, Email: email},
	}
}

// allowed is a context in which creating is allowed.
func allowed(t *testing.T) context.Context {
	t.Helper()
	return providers.WithSendGuard(t.Context(), func() error { return nil })
}

func mustFail(t *testing.T, err error, class providers.Class, code string) *providers.Error {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) || e.Class != class || e.Code != code {
		t.Fatalf("got %v, want %v %q", err, class, code)
	}
	return e
}
