package skinsback_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// full is an order with everything that an order can have.
func full() providers.Order {
	return deposit(func(p *messages.DepositParams) {
		p.MinAmount, p.MaxAmount, p.Game, p.Widget = decimal("5"), decimal("100.50"), "dota2", true
		p.SuccessURL, p.FailURL = "https://shop.example/ok?order=1", "https://shop.example/no"
		p.CustomMultiplier, p.CustomCurrency, p.CustomCurrencyRate = decimal("1.05"), "GEM", decimal("0.1")
	})
}

func TestPlace_SendsEveryParameterAsTheDocumentHasIt(t *testing.T) {
	t.Parallel()
	s := say(t, 200, `{"status":"success","url":"https://skinsback.com/_/pay/94/","transaction_id":"13"}`)
	p := build(t, s.URL, func(cfg *skinsback.Config) {
		cfg.ResultURL = func(o providers.Order) string {
			return "https://hooks.example/" + o.Tenant + "/" + o.ID + "/" + o.Reference
		}
	})
	if _, err := p.Place(guarded(t), full(), providers.Plan{}); err != nil {
		t.Fatal(err)
	}
	got, _ := s.last(t)
	want := url.Values{
		"method": {"create"}, "order_id": {reference}, "steam_id": {gabe}, "trade_token": {"i1ArBZey"}, "currency": {"usd"},
		"min_amount": {"5"}, "max_amount": {"100.5"}, "game": {"dota2"}, "widget": {"1"},
		"success_url": {"https://shop.example/ok?order=1"}, "fail_url": {"https://shop.example/no"},
		"result_url":        {"https://hooks.example/acme/ord-1/" + reference},
		"custom_multiplier": {"1.05"}, "custom_currency": {"GEM"}, "custom_currency_rate": {"0.1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPlace_TheCustomerMustActAtTheAddress(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]skinsbacktest.Option{nil, {skinsbacktest.WithStrings()}} {
		b := setup(t, opts...)
		plan, err := b.Prepare(t.Context(), full())
		if err != nil || plan.Quote != nil {
			t.Fatalf("got %+v, %v", plan, err)
		}
		_, got := b.place(full())
		if got.Action == nil || !strings.HasPrefix(got.Action.URL, "https://skinsback.com/_/widget/") {
			t.Fatalf("got %+v", got.Action)
		}
		want := providers.Answer{
			Status: providers.StatusActionRequired, Ref: map[string]string{"transaction_id": "13"}, Action: &messages.Action{URL: got.Action.URL},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if d := b.Deposits(); len(d) != 1 || d[0].OrderID != reference || d[0].SteamID != gabe || d[0].ResultURL != "" {
			t.Errorf("made %+v", d)
		}
	}
}

func TestPlace_ARepeatAfterALostAnswerExistsAndIsFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Faults().Once(skinsbacktest.OpCreate, providertest.Fault{Kind: providertest.ResetAfterCommit})
	_, err := b.Place(guarded(t), deposit(), providers.Plan{})
	mustFail(t, err, providers.Ambiguous, providers.CodeConnectionReset)
	_, err = b.Place(guarded(t), deposit(), providers.Plan{})
	if e := mustFail(t, err, providers.Ambiguous, "5"); !e.Exists {
		t.Errorf("got %+v", e)
	}
	got := b.lookup(deposit())
	want := providers.Answer{
		Status: providers.StatusActionRequired, Ref: map[string]string{"transaction_id": "13"}, Evidence: map[string]any{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a pending deposit is told without an action (-want +got):\n%s", diff)
	}
	if n := len(b.Deposits()); n != 1 {
		t.Errorf("%d deposits were made", n)
	}
}

func TestLookup_WhatWasNeverMadeIsAbsent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Faults().Once(skinsbacktest.OpCreate, providertest.Fault{Kind: providertest.ResetBeforeCommit})
	_, err := b.Place(guarded(t), deposit(), providers.Plan{})
	mustFail(t, err, providers.Ambiguous, providers.CodeConnectionReset)
	if diff := cmp.Diff(providers.Answer{Status: providers.StatusAbsent}, b.lookup(deposit())); diff != "" {
		t.Error(diff)
	}
	nameless := deposit()
	nameless.Reference = ""
	if diff := cmp.Diff(providers.Answer{}, b.lookup(nameless)); diff != "" {
		t.Errorf("without a reference there is nothing to ask by:\n%s", diff)
	}
}

func TestPlace_StateOfTheShopClosesTheLaneOrWaits(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{skinsback.AuthHeaders, skinsback.AuthSignature} {
		b := setup(t)
		if auth == skinsback.AuthSignature {
			b.Provider = build(t, b.URL(), signed)
		}
		stranger := build(t, b.URL(), func(cfg *skinsback.Config) { cfg.Auth, cfg.ClientID = auth, "somebody" })
		wrongSecret := map[string]string{skinsback.AuthHeaders: "-10", skinsback.AuthSignature: "-3"}[auth]
		for _, c := range []struct {
			shop  func(bool)
			class providers.Class
			code  string
		}{
			{b.SetMaintenance, providers.Retryable, "-9"},
			{b.SetIPBlocked, providers.Blocked, "-8"},
			{b.SetInactive, providers.Blocked, "-4"},
			{func(on bool) { b.SetSecret(map[bool]string{true: "another", false: canary}[on]) }, providers.Blocked, wrongSecret},
		} {
			c.shop(true)
			_, err := b.Place(guarded(t), deposit(), providers.Plan{})
			mustFail(t, err, c.class, c.code)
			_, err = b.Lookup(t.Context(), deposit())
			mustFail(t, err, c.class, c.code)
			c.shop(false)
		}
		_, err := stranger.Place(guarded(t), deposit(), providers.Plan{})
		mustFail(t, err, providers.Blocked, "-2")
		if _, err := b.Place(guarded(t), deposit(), providers.Plan{}); err != nil || len(b.Deposits()) != 1 {
			t.Errorf("%s: after all that: %v, %+v", auth, err, b.Deposits())
		}
	}
}

func TestPlace_TooManyRequestsWaitForTheWholeWindow(t *testing.T) {
	t.Parallel()
	b := setup(t, skinsbacktest.WithRateLimit(1, time.Hour))
	if got := b.lookup(deposit()); got.Status != providers.StatusAbsent {
		t.Fatalf("got %+v", got)
	}
	_, err := b.Place(guarded(t), deposit(), providers.Plan{})
	if e := mustFail(t, err, providers.Retryable, "-7"); e.RetryAfter != time.Minute {
		t.Errorf("got %+v", e)
	}
	_, err = b.Lookup(t.Context(), deposit())
	mustFail(t, err, providers.Retryable, "-7")
}

func TestPlace_RefusalsOfTheOrderAreFinal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for code, spoil := range map[string]func(*messages.DepositParams){
		"2":  func(p *messages.DepositParams) { p.SteamID = "123" },
		"6":  func(p *messages.DepositParams) { p.TradeToken = "short" },
		"7":  func(p *messages.DepositParams) { p.MaxAmount = decimal("0.01") },
		"8":  func(p *messages.DepositParams) { p.Currency = "XYZ" },
		"10": func(p *messages.DepositParams) { p.SuccessURL = "ftp://shop.example" },
		"11": func(p *messages.DepositParams) { p.FailURL = "nowhere" },
		"12": func(p *messages.DepositParams) { p.CustomCurrency, p.CustomCurrencyRate = "GEMSTONES", decimal("1") },
		"13": func(p *messages.DepositParams) { p.CustomCurrency, p.CustomCurrencyRate = "GEM", decimal("0.01") },
		"14": func(p *messages.DepositParams) { p.CustomMultiplier = decimal("2.5") },
		"15": func(p *messages.DepositParams) { p.Game = "chess" },
	} {
		_, err := b.Place(guarded(t), deposit(spoil), providers.Plan{})
		mustFail(t, err, providers.Rejected, code)
	}
	odd := deposit()
	odd.Reference = "not an id"
	_, err := b.Place(guarded(t), odd, providers.Plan{})
	mustFail(t, err, providers.Rejected, "1")
	if d := b.Deposits(); len(d) != 0 {
		t.Errorf("made %+v", d)
	}
}

func TestProvider_OrdersOfOthersAreNeverSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	orders := []providers.Order{
		{Params: deposit().Params, Reference: reference},
		{Kind: messages.Deposit, Reference: reference},
		{Kind: messages.Deposit, Params: messages.OfferParams{OfferID: 1}, Reference: reference},
		deposit(func(p *messages.DepositParams) { p.SteamID = "" }),
		deposit(func(p *messages.DepositParams) { p.TradeToken = "" }),
		deposit(func(p *messages.DepositParams) { p.Currency, p.MinAmount = "", decimal("1") }),
		deposit(func(p *messages.DepositParams) { p.Currency, p.MaxAmount = "", decimal("1") }),
		deposit(func(p *messages.DepositParams) { p.CustomCurrency = "GEM" }),
		deposit(func(p *messages.DepositParams) { p.CustomCurrencyRate = decimal("1") }),
	}
	for i, o := range orders {
		_, err := b.Prepare(t.Context(), o)
		mustFail(t, err, providers.Invalid, providers.CodeUnprocessable)
		_, err = b.Place(guarded(t), o, providers.Plan{})
		mustFail(t, err, providers.Invalid, providers.CodeUnprocessable)
		_, err = b.Lookup(t.Context(), o)
		if e := mustFail(t, err, providers.Invalid, providers.CodeUnprocessable); e.Op == "" {
			t.Errorf("order %d: %v", i, e)
		}
	}
	nameless := deposit()
	nameless.Reference = ""
	_, err := b.Place(guarded(t), nameless, providers.Plan{})
	mustFail(t, err, providers.Invalid, providers.CodeUnprocessable)
	for _, ask := range []skinsback.OrderStatusRequest{{}, {OrderID: "a", TransactionID: "1"}} {
		_, err = b.Provider.Client().OrderStatus(t.Context(), ask)
		mustFail(t, err, providers.Invalid, providers.CodeUnprocessable)
	}
	if got := b.Book().Entries(); len(got) != 0 {
		t.Errorf("the shop saw %+v", got)
	}
}

func TestOrderStatus_AsksByTransactionIDToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.place(deposit())
	got, err := b.Provider.Client().OrderStatus(t.Context(), skinsback.OrderStatusRequest{TransactionID: "13"})
	if err != nil || got.OrderID != reference || got.Status != skinsback.StatusPending || got.Date.Time.IsZero() {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNew_ReportsEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := skinsback.New(skinsback.Config{URL: "http://skinsback.com/api.php", ClientID: "a\r\nb", ClientSecret: secret.New("s3cr\net"), Auth: "both"})
	if err == nil || strings.Count(err.Error(), "skinsback: ") != 5 || strings.Contains(err.Error(), "s3cr") {
		t.Errorf("got %v, want five faults", err)
	}
	cfg := skinsback.Config{
		URL: skinsback.DefaultURL, ClientID: "1", ClientSecret: secret.New("k"), Auth: skinsback.AuthHeaders, HTTP: newHTTP(t),
	}
	p, err := skinsback.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		cfg.ClientSecret = secret.New(canary)
		if text := fmt.Sprintf(verb+verb, cfg, p.Client()); strings.Contains(text, "canary") {
			t.Errorf("%s shows the secret", verb)
		}
	}
}

func TestLookup_ADepositThatIsNotOursDecidesNothing(t *testing.T) {
	t.Parallel()
	p := skinsback.BareProvider(canary)
	paid := `"amount":10,"amount_currency":"usd"`
	mine := deposit()
	mine.Ref = map[string]string{"transaction_id": "13"}
	for _, c := range []struct {
		order providers.Order
		body  string
		code  string // empty: it is ours
	}{
		{deposit(), `{"status":"success","transaction_id":"13","order_id":"` + reference + `","steam_id":"` + gabe + `",` + paid + `}`, ""},
		{deposit(), `{"status":"success","transaction_id":13,"order_id":"` + reference + `","steam_id":` + gabe + `,` + paid + `}`, ""},
		{deposit(), `{"status":"success","transaction_id":"13","order_id":"b1other","steam_id":"` + gabe + `",` + paid + `}`, "answer_mismatch"},
		{mine, `{"status":"success","transaction_id":"13","order_id":"b1other","steam_id":"` + gabe + `",` + paid + `}`, "answer_mismatch"},
		{deposit(), `{"status":"success","transaction_id":"13","order_id":"` + reference + `","steam_id":"76561198000000000",` + paid + `}`, "answer_mismatch"},
		{deposit(), `{"status":"fail","transaction_id":"13","order_id":"` + reference + `",` + paid + `}`, "answer_mismatch"},
		{mine, `{"status":"success","transaction_id":"14","order_id":"` + reference + `","steam_id":"76561198000000000",` + paid + `}`, "answer_mismatch"},
		{mine, `{"status":"success","transaction_id":"14","order_id":"` + reference + `","steam_id":"` + gabe + `",` + paid + `}`, ""},
		{mine, `{"status":"success","transaction_id":"13","order_id":"` + reference + `","steam_id":"76561198000000000",` + paid + `}`, ""},
		{mine, `{"status":"success","order_id":"` + reference + `","steam_id":"` + gabe + `",` + paid + `}`, "unreadable"},
		{mine, `{"status":"fail"}`, "unreadable"},
	} {
		got, err := p.JudgeStatus(c.order, ok(c.body))
		if c.code == "" {
			if err != nil || got.Status != providers.StatusSucceeded {
				t.Errorf("%s: got %+v, %v", c.body, got, err)
			}
			continue
		}
		if e := providers.AsError(err); err == nil || e.Class != providers.Ambiguous || e.Code != c.code {
			t.Errorf("%s: got %v, want %s", c.body, err, c.code)
		}
	}
}

func TestLookup_AChangedAccountIsShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o, _ := b.place(deposit())
	b.do(b.SetSteamID(reference, "76561198000000001"))
	b.do(b.Pay(reference, "12.5"))
	got := b.lookup(o)
	if got.Status != providers.StatusSucceeded || got.Evidence["steam_id"] != "76561198000000001" {
		t.Errorf("got %+v", got)
	}
	var amount struct{ Amount money.Money }
	into(t, got.Deliverable, &amount)
	if !amount.Amount.Equal(money.Must("12.5", "USD")) {
		t.Errorf("amount %v", amount.Amount)
	}
}
