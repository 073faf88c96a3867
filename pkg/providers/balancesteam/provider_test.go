package balancesteam_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
)

func TestPlace_TopupSucceedsAsAcceptedWithoutACost(t *testing.T) {
	t.Parallel()
	for _, asStrings := range []bool{false, true} {
		opts := []balancesteamtest.Option{balancesteamtest.WithFee("7.05")}
		if asStrings {
			opts = append(opts, balancesteamtest.WithStrings())
		}
		s := openShop(t, opts...)
		p := newProvider(t, s.URL(), false)
		o := topup("gabe", "100.50")
		plan, err := p.Prepare(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if plan.Quote != nil {
			t.Errorf("quote %v: nothing tells what a topup costs", plan.Quote)
		}
		got, err := p.Place(allowed(t), o, plan)
		if err != nil {
			t.Fatal(err)
		}
		want := providers.Answer{
			Status: providers.StatusSucceeded, Finality: messages.ProviderAccepted, Ref: map[string]string{"id": "10000"},
			Deliverable: json.RawMessage(`{}`), Evidence: map[string]any{"requested": money.Must("100.50", "RUB")},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		bought := s.Purchases()
		if len(bought) != 1 || bought[0].LoginOrEmail != "gabe" || !bought[0].Amount.Equal(money.MustDecimal("100.5")) {
			t.Errorf("bought %+v", bought)
		}
		if want := money.MustDecimal("99892.45"); !s.Balance().Equal(want) {
			t.Errorf("balance %v, want %v", s.Balance(), want)
		}
	}
}

func TestPlace_GiftCardCostsTheQuoteWithAllItsDigits(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	p := newProvider(t, s.URL(), false)
	o := giftCard(5999, "user@example.com")
	plan, err := p.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if want := money.Must("513.35075", "RUB"); plan.Quote == nil || !plan.Quote.Equal(want) {
		t.Fatalf("quote %v, want %v", plan.Quote, want)
	}
	s.SetPrice("5999", "520.1") // create takes no greatest price
	got, err := p.Place(allowed(t), o, plan)
	if err != nil {
		t.Fatal(err)
	}
	if got.Cost == nil || got.Cost.AmountString() != "513.35075" || got.CostSource != messages.FromQuote || string(got.Deliverable) != "{}" {
		t.Errorf("got %+v", got)
	}
	if bought := s.PurchasesOf("user@example.com"); len(bought) != 1 || bought[0].Charged.String() != "520.1" {
		t.Errorf("bought %+v", bought)
	}
}

func TestPrepare_QuoteIsAsFreshAsThePrice(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	p := newProvider(t, s.URL(), true)
	for _, price := range []string{"513.35075", "499", "1600.00001"} {
		s.SetPrice("5999", price)
		plan, err := p.Prepare(t.Context(), giftCard(5999, "user@example.com"))
		if err != nil || plan.Quote.Amount.String() != price {
			t.Errorf("quote %v, %v, want %s", plan.Quote, err, price)
		}
	}
}

func TestPrepare_RefusalsOfTheAccountAreFinal(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.Refuse("banned")
	s.SetPrice("6001", "")
	p := newProvider(t, s.URL(), true)
	_, err := p.Prepare(t.Context(), topup("banned", "100"))
	mustFail(t, err, providers.Rejected, providers.CodeAccountRefused)
	_, err = p.Prepare(t.Context(), giftCard(6001, "user@example.com"))
	mustFail(t, err, providers.Rejected, "service not available")
	_, err = p.Prepare(t.Context(), giftCard(balancesteam.ServiceSteam, "user@example.com"))
	mustFail(t, err, providers.Rejected, providers.CodeInvalidOrder)
	if len(s.Purchases()) != 0 {
		t.Error("something was bought")
	}
}

func TestPlace_EmptyBalanceAndBadKeyBlockUntilTheyAreCured(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	p := newProvider(t, s.URL(), false)
	o := topup("gabe", "100")
	s.SetBalance("99.99")
	_, err := p.Place(allowed(t), o, providers.Plan{})
	mustFail(t, err, providers.Blocked, "balance over")
	s.SetBalance("100")
	s.SetAPIKey("another")
	_, err = p.Place(allowed(t), o, providers.Plan{})
	mustFail(t, err, providers.Blocked, "apikey not a valid")
	_, err = p.Prepare(t.Context(), o)
	mustFail(t, err, providers.Blocked, "apikey not a valid")
	s.SetAPIKey(canary)
	if _, err := p.Place(allowed(t), o, providers.Plan{}); err != nil {
		t.Fatal(err)
	}
	if bought := s.Purchases(); len(bought) != 1 || s.Balance().Sign() != 0 {
		t.Errorf("bought %+v, balance %v", bought, s.Balance())
	}
}

// TestPlace_AnswersToACreate is the table of errors.go, seen from outside.
func TestPlace_AnswersToACreate(t *testing.T) {
	t.Parallel()
	const ambiguous, rejected, retryable, blocked = providers.Ambiguous, providers.Rejected, providers.Retryable, providers.Blocked
	for _, c := range []struct {
		status int
		body   string
		class  providers.Class
		code   string // empty: success
	}{
		{200, `{"error":false,"id":12222}`, 0, ""},
		{200, `{"error":"false","id":"12222","status":true,"new":{}}`, 0, ""},
		{201, `{"error":false,"id":12222,"message":"created"}`, 0, ""},
		{400, `{"error":false,"id":12222}`, 0, ""},
		{429, `{"error":false,"id":12222}`, 0, ""},

		{200, `{"error":true,"status":"balance over"}`, blocked, "balance over"},
		{200, `{"error":true,"message":"Balance Over "}`, blocked, "balance over"},
		{200, `{"error":true,"message":"apikey not a valid"}`, blocked, "apikey not a valid"},
		{403, `{"error":"true","message":"apikey not a valid"}`, blocked, "apikey not a valid"},
		{200, `{"error":true,"status":"declined","message":"apikey not a valid"}`, blocked, "apikey not a valid"},
		{200, `{"error":true,"message":"login not found"}`, rejected, "login not found"},
		{422, `{"error":true,"status":"min amount","message":"at least 100"}`, rejected, "min amount"},
		{200, `{"error":true,"status":false,"message":"login not found","id":null}`, rejected, "login not found"},
		{200, `{"error":true,"message":"\u001b[31mno\u001b[0m\r\n"}`, rejected, "no"},

		{429, `{"error":true,"message":"too many"}`, retryable, "http_429"},
		{429, ``, retryable, "http_429"},

		{200, `{"error":true}`, ambiguous, "unreadable"},
		{200, `{"error":true,"status":false}`, ambiguous, "unreadable"},
		{200, `{"error":true,"message":" "}`, ambiguous, "unreadable"},
		{200, `{"error":true,"message":"\u0000"}`, ambiguous, "unreadable"},
		{200, `{"error":true,"message":{"amount":["too small"]}}`, ambiguous, "unreadable"},
		{200, `{"error":true,"id":12222,"message":"login not found"}`, ambiguous, "unreadable"},
		{200, `{"error":false,"id":12222,"status":"balance over"}`, ambiguous, "unreadable"},
		{200, `{"error":false}`, ambiguous, "unreadable"},
		{200, `{"error":false,"id":null}`, ambiguous, "unreadable"},
		{200, `{"error":false,"id":0}`, ambiguous, "unreadable"},
		{200, `{"error":false,"id":-5}`, ambiguous, "unreadable"},
		{200, `{"error":false,"id":1.5}`, ambiguous, "unreadable"},
		{200, `{"error":false,"id":1e3}`, ambiguous, "unreadable"},
		{200, `{"error":false,"id":"abc"}`, ambiguous, "unreadable"},
		{200, `{"error":false,"id":[12222]}`, ambiguous, "unreadable"},
		{200, `{"error":null,"id":12222}`, ambiguous, "unreadable"},
		{200, `{"error":0,"id":12222}`, ambiguous, "unreadable"},
		{200, `{"error":"no","id":12222}`, ambiguous, "unreadable"},
		{200, `{"id":12222}`, ambiguous, "unreadable"},
		{200, `{"error":true,"Error":false,"id":12222}`, ambiguous, "unreadable"},
		{200, `[]`, ambiguous, "unreadable"},
		{200, `null`, ambiguous, "unreadable"},
		{200, `balance over`, ambiguous, "unreadable"},
		{204, ``, ambiguous, "unreadable"},
		{404, `<html>`, ambiguous, "http_404"},
		{400, `{"error":true}`, ambiguous, "http_400"},
		{400, `{"error":false}`, ambiguous, "http_400"},
		{307, `{"error":true,"message":"moved"}`, ambiguous, "http_307"},
		{500, `{"error":true,"message":"balance over"}`, ambiguous, "http_500"},
		{502, `{"error":false,"id":12222}`, ambiguous, "http_502"},
		{503, `{"error":true,"message":"apikey not a valid"}`, ambiguous, "http_503"},
	} {
		t.Run(fmt.Sprintf("%d %s", c.status, c.body), func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, say(t, c.status, c.body), false)
			quote := money.Must("513.35075", "RUB")
			for _, o := range []providers.Order{topup("gabe", "100"), giftCard(5999, "user@example.com")} {
				got, err := p.Place(allowed(t), o, providers.Plan{Quote: &quote})
				if c.code != "" {
					if e := mustFail(t, err, c.class, c.code); e.HTTPStatus != c.status {
						t.Errorf("status %d in %v", e.HTTPStatus, e)
					}
				} else if err != nil || got.Ref["id"] != "12222" || got.Status != providers.StatusSucceeded {
					t.Errorf("got %+v, %v", got, err)
				}
			}
		})
	}
}

func TestPlace_EchoedKeysAndAddressesAreRemoved(t *testing.T) {
	t.Parallel()
	p := newProvider(t, say(t, 200, `{"error":true,"message":"key `+canary+` see https://evil.example/?k=1 now","status":"x `+canary+`"}`), false)
	_, err := p.Place(allowed(t), topup("gabe", "100"), providers.Plan{})
	e := mustFail(t, err, providers.Rejected, "x ***")
	if e.Message != "key *** see [address] now" || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %q", err)
	}
}

func TestPlace_OrdersOfOthersAreNeverSent(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	p := newProvider(t, s.URL(), true)
	for _, params := range []messages.Params{
		nil, messages.OfferParams{OfferID: 1}, messages.TopupParams{Login: "gabe"}, messages.TopupParams{Amount: money.MustDecimal("1")},
		messages.TopupParams{Login: "gabe", Amount: money.MustDecimal("-1")}, messages.GiftCardParams{ServiceID: 5999}, messages.GiftCardParams{Email: "a@b"},
	} {
		_, err := p.Place(allowed(t), providers.Order{Params: params}, providers.Plan{})
		mustFail(t, err, providers.Invalid, providers.CodeUnprocessable)
		_, err = p.Prepare(t.Context(), providers.Order{Params: params})
		mustFail(t, err, providers.Invalid, providers.CodeUnprocessable)
	}
	if got := s.Door().Book.Entries(); len(got) != 0 {
		t.Errorf("the shop saw %+v", got)
	}
}

func TestLookup_LearnsNothing(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	o := topup("gabe", "100")
	o.Ref = map[string]string{"id": "10000"}
	got, err := newProvider(t, s.URL(), false).Lookup(t.Context(), o)
	if err != nil || got.Status != providers.StatusUnknown {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNew_ReportsEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := balancesteam.New(balancesteam.Config{URL: "http://balancesteam.ru"})
	if err == nil || strings.Count(err.Error(), "balancesteam: ") != 3 {
		t.Errorf("got %v, want three faults", err)
	}
	if _, err := balancesteam.New(balancesteam.Config{URL: balancesteam.DefaultURL, APIKey: secret.New("k"), HTTP: newHTTP(t)}); err != nil {
		t.Error(err)
	}
}

func TestPrepare_AGiftCardThatIsNotToBeHadIsRefused(t *testing.T) {
	t.Parallel()
	url := say(t, 200, `{"error":false,"status":false}`)
	_, err := newProvider(t, url, false).Prepare(t.Context(), giftCard(6001, "user@example.com"))
	mustFail(t, err, providers.Rejected, providers.CodeAccountRefused)
}
