package balancesteam_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam"
)

// example is a documented call: the fixture of its request, and what each
// documented answer to it means, in the words that outcome writes.
type example struct {
	path, request, key string
	call               func(context.Context, *balancesteam.Client) (any, error)
	answers            map[string]any // fixture → value, or the code of the error
}

func examples() []example {
	hundred := money.MustDecimal("100")
	badKey := failure{providers.Blocked, "apikey not a valid"}
	return []example{
		{
			"/api/partner/balance", "v1_balance.example", "test",
			func(ctx context.Context, c *balancesteam.Client) (any, error) { return c.BalanceV1(ctx) },
			map[string]any{"v1_balance.success": balancesteam.Balance{Balance: money.MustDecimal("4692")}, "v1_balance.error": badKey},
		},
		{
			"/api/partner/check", "v1_check.example", "test",
			func(ctx context.Context, c *balancesteam.Client) (any, error) { return c.CheckV1(ctx, "test") },
			map[string]any{
				"v1_check.success": balancesteam.Check{Status: true}, "v1_check.refused": balancesteam.Check{Status: false}, "v1_check.error": badKey,
			},
		},
		{
			"/api/partner/create", "v1_create.example", "test",
			func(ctx context.Context, c *balancesteam.Client) (any, error) {
				return c.CreateV1(ctx, "test", hundred)
			},
			map[string]any{
				"v1_create.success": balancesteam.Payment{ID: "10000"}, "v1_create.error": badKey,
				"v1_create.balance_over": failure{providers.Blocked, "balance over"},
			},
		},
		{
			"/api/v2/partner/balance", "v2_balance.example", "xxxxxxxx",
			func(ctx context.Context, c *balancesteam.Client) (any, error) { return c.Balance(ctx) },
			map[string]any{"v2_balance.success": balancesteam.Balance{Balance: money.MustDecimal("1526.3599853515625")}},
		},
		{
			"/api/v2/partner/check", "v2_check.steam", "xxxx",
			func(ctx context.Context, c *balancesteam.Client) (any, error) { return c.CheckSteam(ctx, "xxxx") },
			map[string]any{"v2_check.steam": balancesteam.Check{Status: true}},
		},
		{
			"/api/v2/partner/check", "v2_check.gift_card", "xxx",
			func(ctx context.Context, c *balancesteam.Client) (any, error) {
				return c.CheckGiftCard(ctx, 5999, "xxxx")
			},
			map[string]any{"v2_check.gift_card": balancesteam.Price{Price: money.MustDecimal("513.35075")}},
		},
		{
			"/api/v2/partner/create", "v2_create.steam", "xxxx",
			func(ctx context.Context, c *balancesteam.Client) (any, error) {
				return c.CreateSteam(ctx, "xxxx", hundred)
			},
			map[string]any{"v2_create.steam": balancesteam.Payment{ID: "12222"}},
		},
		{
			// The document shows no answer to this one; the top-up's stands in.
			"/api/v2/partner/create", "v2_create.gift_card", "xxxx",
			func(ctx context.Context, c *balancesteam.Client) (any, error) {
				return c.CreateGiftCard(ctx, 5999, "xxxx")
			},
			map[string]any{"v2_create.steam": balancesteam.Payment{ID: "12222"}},
		},
	}
}

type failure struct {
	Class providers.Class
	Code  string
}

func fixture(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestClient_SpeaksAsTheDocumentShows(t *testing.T) {
	t.Parallel()
	for _, e := range examples() {
		for name, want := range e.answers {
			t.Run(e.request+" "+name, func(t *testing.T) {
				t.Parallel()
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					got, err := url.ParseQuery(string(body))
					asked, askedErr := url.ParseQuery(fixture(t, e.request+".request.form"))
					if diff := cmp.Diff(asked, got); err != nil || askedErr != nil || diff != "" {
						t.Errorf("sent %s: %v\n%s", body, err, diff)
					}
					if r.Method != http.MethodPost || r.URL.Path != "/base"+e.path || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
						t.Errorf("sent %s %s with %s", r.Method, r.URL, r.Header.Get("Content-Type"))
					}
					_, _ = io.WriteString(w, fixture(t, name+".response.json"))
				}))
				t.Cleanup(s.Close)
				// A base with a path catches methods that forget it.
				c, err := balancesteam.NewClient(balancesteam.Config{URL: s.URL + "/base/", APIKey: secret.New(e.key), HTTP: newHTTP(t)})
				if err != nil {
					t.Fatal(err)
				}
				got, err := e.call(allowed(t), c)
				if err != nil {
					got = failure{providers.ClassOf(err), providers.AsError(err).Code}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestFixtures_AreAllUsed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{"SOURCES.md": true, "fuzz": true}
	for _, e := range examples() {
		used[e.request+".request.form"] = true
		for name := range e.answers {
			used[name+".response.json"] = true
		}
	}
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !used[f.Name()] {
			t.Errorf("%s is used by no test", f.Name())
		}
		delete(used, f.Name())
	}
	delete(used, "fuzz")
	for name := range used {
		t.Errorf("%s is missing", name)
	}
}
