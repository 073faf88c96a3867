package exchanger_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger"
)

type ask func(context.Context, *exchanger.Client) (any, error)

// documented are the methods of the manual: for each the call that sends all
// of its parameters.
var documented = map[string]ask{
	"test": func(ctx context.Context, c *exchanger.Client) (any, error) { return c.Test(ctx) },
	"get_direction_currencies": func(ctx context.Context, c *exchanger.Client) (any, error) {
		return c.DirectionCurrencies(ctx, exchanger.CurrencyFilter{GiveID: "1", GetID: "2"})
	},
	"get_directions": func(ctx context.Context, c *exchanger.Client) (any, error) {
		return c.Directions(ctx, exchanger.CurrencyFilter{GiveID: "1", GetID: "2"})
	},
	"get_direction": func(ctx context.Context, c *exchanger.Client) (any, error) { return c.Direction(ctx, "101") },
	"get_calc": func(ctx context.Context, c *exchanger.Client) (any, error) {
		return c.Calc(ctx, exchanger.CalcRequest{
			DirectionID: "101", Amount: money.MustDecimal("3000.00"), Action: exchanger.AmountGive, CD: map[string]string{"cf10": "Moscow"},
		})
	},
	"get_exchanges": func(ctx context.Context, c *exchanger.Client) (any, error) {
		return c.Exchanges(ctx, exchanger.ExchangesRequest{
			StartTime: 1763760000, EndTime: 1763770000, IP: "192.0.2.7", ID: "1234", APIID: apiID, StatusHistory: true, Limit: 10, Offset: 20,
		})
	},
	"create_bid": func(ctx context.Context, c *exchanger.Client) (any, error) {
		return c.CreateBid(ctx, exchanger.CreateBidRequest{
			DirectionID: "101", PartnerID: "7", APIID: apiID, Amount: money.MustDecimal("3000"), Action: exchanger.AmountGive,
			CallbackURL: "https://hooks.example/ex", Account1: "2202200112345678", Account2: "TWallet1",
			Fields: map[string]string{
				"cf1": "Ivan", "cf2": "Ivanovich", "cf3": "Ivanov", "cf4": "79991234567", "cf5": "ivan", "cf6": "ivan@example.com",
				"cf8": "4500123456", "cf10": "Moscow", "cf11": "@ivan", "cfgive8": "IVAN IVANOV",
			},
		})
	},
	"cancel_bid": func(ctx context.Context, c *exchanger.Client) (any, error) { return c.CancelBid(ctx, "4f1c") },
	"pay_bid":    func(ctx context.Context, c *exchanger.Client) (any, error) { return c.PayBid(ctx, "4f1c") },
	"bid_info": func(ctx context.Context, c *exchanger.Client) (any, error) {
		return c.BidInfo(ctx, exchanger.BidInfoRequest{ID: "1234", Hash: "4f1c"})
	},
	"get_partner_info": func(ctx context.Context, c *exchanger.Client) (any, error) { return c.PartnerInfo(ctx) },
	"get_partner_links": func(ctx context.Context, c *exchanger.Client) (any, error) {
		return c.PartnerLinks(ctx, exchanger.PartnerLinksRequest{StartTime: 1763760000, EndTime: 1763770000, IP: "192.0.2.8", Limit: 10})
	},
	"get_partner_exchanges": func(ctx context.Context, c *exchanger.Client) (any, error) {
		return c.PartnerExchanges(ctx, exchanger.PartnerExchangesRequest{
			StartTime: 1763760000, EndTime: 1763770000, IP: "192.0.2.7", ID: "1234", StatusHistory: true, Limit: 10,
		})
	},
	"get_partner_payouts": func(ctx context.Context, c *exchanger.Client) (any, error) {
		return c.PartnerPayouts(ctx, exchanger.PartnerPayoutsRequest{StartTime: 1763760000, EndTime: 1763770000, Limit: 10, ID: "57"})
	},
	"add_partner_payout": func(ctx context.Context, c *exchanger.Client) (any, error) {
		return c.AddPartnerPayout(ctx, exchanger.AddPartnerPayoutRequest{MethodID: "2", Account: "TWallet1"})
	},
}

func fixture(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestClient_SendsEveryDocumentedParameterAndReadsEveryField(t *testing.T) {
	t.Parallel()
	for method, call := range documented {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			answer := fixture(t, method+".documented.response.json")
			s := newScript(t, map[string]string{method: answer})
			out, err := call(guarded(t), s.provider(t).Client())
			if err != nil {
				t.Fatal(err)
			}
			want := received{
				"POST", "/sub/api/userapi/v1/" + method, login, key, "", "application/x-www-form-urlencoded",
				strings.TrimSuffix(fixture(t, method+".documented.request.form"), "\n"),
			}
			if diff := cmp.Diff([]received{want}, s.requests()); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			// What was read, written again, has every field that was sent.
			again, err := json.Marshal(out)
			if err != nil {
				t.Fatal(err)
			}
			data := words(t, answer).(map[string]any)["data"]
			if wrapped, ok := data.(map[string]any); ok && wrapped["items"] != nil && len(wrapped) == 1 {
				data = wrapped["items"]
			}
			if diff := cmp.Diff(data, words(t, string(again))); diff != "" {
				t.Errorf("answer (-published +read):\n%s", diff)
			}
		})
	}
}

// words reads JSON with every scalar as a text: whether an id comes as a number
// or as a string is all the same to us.
func words(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return asWords(v)
}

func asWords(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = asWords(v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = asWords(v[i])
		}
		return v
	case nil:
		return []any{} // an empty list, written by Go
	default:
		return fmt.Sprint(v)
	}
}

func TestClient_ReadsTheDocumentedErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method string
		class  providers.Class
		code   string
		is     error
	}{
		"api_disabled":         {"test", blocked, "1", nil},
		"method_not_supported": {"create_bid", blocked, "3", exchanger.ErrMethodNotSupported},
		"no_bid":               {"bid_info", ambiguous, "1", exchanger.ErrNoBid},
		"direction_not_found":  {"get_calc", rejected, "1", exchanger.ErrDirectionNotFound},
		"empty_answer":         {"get_direction", rejected, "direction_not_found", exchanger.ErrDirectionNotFound},
	} {
		s := newScript(t, map[string]string{c.method: fixture(t, "error."+name+".response.json")})
		_, err := documented[c.method](guarded(t), s.provider(t).Client())
		e := wantError(t, err, c.class, c.code)
		if e.Err != c.is { //nolint:errorlint // the very one
			t.Errorf("%s: cause %v", name, e.Err)
		}
	}
}

func TestFixtures_AreAllUsedAndUnchanged(t *testing.T) {
	t.Parallel()
	used := []string{"SOURCES.md"}
	for method := range documented {
		used = append(used, method+".documented.request.form", method+".documented.response.json")
	}
	for _, name := range []string{"api_disabled", "method_not_supported", "no_bid", "direction_not_found", "empty_answer"} {
		used = append(used, "error."+name+".response.json")
	}
	slices.Sort(used)
	sources := fixture(t, "SOURCES.md")
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		name := e.Name()
		if name == "fuzz" || name == "rapid" { // they keep what they found
			continue
		}
		found = append(found, name)
		sum := sha256.Sum256([]byte(fixture(t, name)))
		if row := "| `" + name + "` | " + hex.EncodeToString(sum[:8]) + " |"; name != "SOURCES.md" && !strings.Contains(sources, row) {
			t.Errorf("SOURCES.md does not have %s", row)
		}
	}
	if diff := cmp.Diff(used, found); diff != "" {
		t.Errorf("fixtures (-used +found):\n%s", diff)
	}
}
