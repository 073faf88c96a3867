package gamesdrop_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/providers/gamesdrop"
)

// documented is one documented example: the call that must send its request,
// and the answer that must be read without loss.
type documented struct {
	name              string
	method, path, uri string // uri only where it differs from path
	request, response string // fixtures; empty where the document prints none
	call              func(context.Context, *gamesdrop.Client) (any, error)
}

func find(offer gamesdrop.OfferID) func(context.Context, *gamesdrop.Client) (any, error) {
	return func(ctx context.Context, c *gamesdrop.Client) (any, error) {
		return c.FindOne(ctx, gamesdrop.FindOneRequest{OfferID: offer})
	}
}

func create(offer gamesdrop.OfferID, price, transaction, email, user string) func(context.Context, *gamesdrop.Client) (any, error) {
	return func(ctx context.Context, c *gamesdrop.Client) (any, error) {
		return c.CreateOrder(ctx, gamesdrop.CreateOrderRequest{
			OfferID: offer, Price: gamesdrop.ParseAmount(price), TransactionID: transaction,
			Customer: &gamesdrop.Customer{Email: email, GameUserID: user},
		})
	}
}

func checkPlayer(ctx context.Context, c *gamesdrop.Client) (any, error) {
	return c.CheckGameData(ctx, gamesdrop.CheckGameDataRequest{
		OfferID: gamesdrop.NumberedOffer(1001), GameUserID: "52357322414", GameServerID: "1234",
	})
}

func telegramUser(ctx context.Context, c *gamesdrop.Client) (any, error) {
	return c.TelegramUser(ctx, gamesdrop.TelegramUserRequest{Username: "@igoryan34"})
}

func documentedExamples() []documented {
	pubg := create(gamesdrop.NumberedOffer(1001), "560.10", "test112321124214", "user@gmail.com", "52357322414")
	stars := create(gamesdrop.StarsOffer(100), "0.77", "tg_stars_12345", "user@example.com", "143594291")
	return []documented{
		{
			name: "balance", method: http.MethodGet, path: "/base/api/v1/balance", response: "balance.documented",
			call: func(ctx context.Context, c *gamesdrop.Client) (any, error) { return c.Balance(ctx) },
		},
		{
			name: "history", method: http.MethodGet, path: "/base/api/v1/balance/transactions",
			uri: "/base/api/v1/balance/transactions?limit=20&page=1", response: "balance_transactions.documented",
			call: func(ctx context.Context, c *gamesdrop.Client) (any, error) {
				return c.Transactions(ctx, gamesdrop.TransactionsRequest{Page: 1, Limit: 20})
			},
		},
		{name: "find one", path: findPath, request: "find_one.documented", response: "find_one.documented", call: find(gamesdrop.NumberedOffer(1001))},
		{name: "find the test offer", path: findPath, request: "find_one.test_offer", response: "find_one.documented", call: find(gamesdrop.NumberedOffer(999))},
		{name: "find Stars", path: findPath, request: "find_one.stars", response: "find_one.stars", call: find(gamesdrop.StarsOffer(100))},
		{name: "create", path: createPath, request: "create_order.documented", response: "create_order.documented", call: pubg},
		{
			name: "create the test offer", path: createPath, request: "create_order.test_offer", response: "create_order.documented",
			call: create(gamesdrop.NumberedOffer(999), "23.09", "test_123456", "test@example.com", "123456789"),
		},
		{name: "create Stars", path: createPath, request: "create_order.stars", response: "create_order.stars_completed", call: stars},
		{name: "create Stars in vain", path: createPath, request: "create_order.stars", response: "create_order.stars_canceled", call: stars},
		{
			name: "status", path: statusPath, request: "order_status.documented", response: "order_status.documented",
			call: func(ctx context.Context, c *gamesdrop.Client) (any, error) {
				return c.OrderStatus(ctx, gamesdrop.OrderStatusRequest{OrderID: "10222502"})
			},
		},
		{name: "valid player", path: checkPath, request: "check_game_data.documented", response: "check_game_data.valid", call: checkPlayer},
		{name: "invalid player", path: checkPath, request: "check_game_data.documented", response: "check_game_data.invalid", call: checkPlayer},
		{name: "Telegram user", path: userPath, request: "telegram_user.documented", response: "telegram_user.found", call: telegramUser},
		{name: "Telegram user without id", path: userPath, request: "telegram_user.documented", response: "telegram_user.no_id", call: telegramUser},
	}
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestClient_SendsAndReadsEveryDocumentedExampleToTheLetter(t *testing.T) {
	t.Parallel()
	for _, d := range documentedExamples() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			answer := fixture(t, d.response+".response")
			s := newScript(t, map[string]reply{d.path: {body: string(answer)}})
			out, err := d.call(guarded(t), s.provider(t).Client())
			if err != nil {
				t.Fatal(err)
			}
			want := received{Method: http.MethodGet, Path: d.uri, Authorization: token}
			if d.uri == "" {
				want.Path = d.path
			}
			if d.request != "" {
				want.Method, want.ContentType = http.MethodPost, "application/json"
				want.Body = compact(t, fixture(t, d.request+".request"))
			}
			if diff := cmp.Diff([]received{want}, s.requests()); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			// What was read, written again, is what was sent: no field is lost,
			// and no digit of a number. Only the goods code stays behind.
			again, err := json.Marshal(out)
			if err != nil {
				t.Fatal(err)
			}
			published := strings.ReplaceAll(string(answer), `"001434249936"`, `"***"`)
			if diff := cmp.Diff(literal(t, published), literal(t, string(again))); diff != "" {
				t.Errorf("answer (-published +read):\n%s", diff)
			}
		})
	}
}

// literal reads JSON with its numbers to the letter.
func literal(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestFixtures_AreAllUsedAndUnchanged(t *testing.T) {
	t.Parallel()
	var used []string
	for _, d := range documentedExamples() {
		if d.request != "" {
			used = append(used, d.request+".request.json")
		}
		used = append(used, d.response+".response.json")
	}
	slices.Sort(used)
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := os.ReadFile("testdata/SOURCES.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		name := filepath.Base(file)
		found = append(found, name)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		if row := "| `" + name + "` | " + hex.EncodeToString(sum[:8]) + " |"; !strings.Contains(string(sources), row) {
			t.Errorf("SOURCES.md does not have %s", row)
		}
	}
	if diff := cmp.Diff(slices.Compact(used), found); diff != "" {
		t.Errorf("fixtures (-used +found):\n%s", diff)
	}
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	others := []string{"SOURCES.md", "fuzz", "rapid"} // the two keep what they found
	for _, e := range entries {
		if name := e.Name(); !slices.Contains(others, name) && !slices.Contains(found, name) {
			t.Errorf("testdata/%s is no fixture", name)
		}
	}
}
