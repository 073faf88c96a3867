package exchanger_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

// sameMoney compares amounts as numbers; go-cmp would look at their insides.
var sameMoney = cmp.Comparer(func(a, b money.Decimal) bool { return a.Equal(b) })

func TestNew_ReportsEverythingThatIsWrongWithTheConfiguration(t *testing.T) {
	t.Parallel()
	_, err := exchanger.New(exchanger.Config{
		URL: "http://exchanger.example/?key=s3cr3t", APIKey: secret.New("s3cr3t\nX-Other: 1"), Lang: "en_US\r\nX: 1",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"exchanger: URL:", "no usable API login", "no usable API key", "the language", "no HTTP client"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("%q shows a secret", err)
	}
}

func TestClient_SendsTheLanguageOnlyWhereThereIsOne(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"", "en_US"} {
		s := newScript(t, map[string]string{"test": `{"error":0,"data":{"ip":"1.2.3.4"}}`})
		cfg := config(t, s.URL+"/")
		cfg.Lang = lang
		if _, err := newProvider(t, cfg).Client().Test(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := received{"POST", "/sub/api/userapi/v1/test", login, key, lang, "application/x-www-form-urlencoded", ""}
		if diff := cmp.Diff([]received{want}, s.requests()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestPrepare_QuotesWhatTheCustomerPays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.prepare(sample())
	want := providers.Plan{
		Quote: amount("3030", "RUB"),
		Data:  map[string]string{"direction_id": "101", "sum_give": "3000", "amount_give": "3030", "amount_get": "31.217482", "currency_get": "USDT"},
		Evidence: map[string]any{"quoted": map[string]any{
			"give": amount("3030", "RUB"), "get": amount("31.217482", "USDT"),
		}},
	}
	if diff := cmp.Diff(want, got, sameMoney); diff != "" {
		t.Error(diff)
	}
	if d, c := b.Requests(exchangertest.OpDirection), b.Requests(exchangertest.OpCalc); d != 1 || c != 1 {
		t.Errorf("%d get_direction and %d get_calc", d, c)
	}
}

func TestPrepare_AsksForTheAmountByItsSide(t *testing.T) {
	t.Parallel()
	for side, want := range map[string]struct{ amount, give, get string }{
		"give":          {"3000", "3030", "31.217482"},
		"get":           {"31.217482", "3030", "31.217482"},
		"give_with_fee": {"3030", "3030", "31.217482"},
		"get_with_fee":  {"31.217482", "3030", "31.217482"},
	} {
		b := setup(t)
		order := exchangeOrder(params(exchangertest.DirectionCard, want.amount, side))
		plan := b.prepare(order)
		if !plan.Quote.Equal(*amount(want.give, "RUB")) || plan.Data["amount_get"] != want.get {
			t.Errorf("%s: %v %v", side, plan.Quote, plan.Data)
		}
	}
}

func TestPrepare_TakesFieldsFromListsAndFromObjects(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]exchangertest.Option{"lists": nil, "objects": {exchangertest.WithListsAsObjects()}} {
		b := setup(t, opts...)
		order := exchangeOrder(params(exchangertest.DirectionCard, "3000", "give", func(p *messages.ExchangeParams) {
			p.AccountTo, p.Fields = " ", map[string]string{"cf11": "@x", "cf99": "y"}
		}))
		_, err := b.Prepare(t.Context(), order)
		e := wantError(t, err, rejected, "invalid_order")
		want := "missing /params/account_to (To wallet); missing /params/fields/cf6 (E-mail); the direction has no field cf99"
		if e.Message != want {
			t.Errorf("%s: %q, want %q", name, e.Message, want)
		}
		b.prepare(sample())
	}
}

func TestPrepare_TellsTheCalculatorWhatItWants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	with := func(city string) providers.Order {
		return exchangeOrder(params(exchangertest.DirectionCity, "3000", "give", func(p *messages.ExchangeParams) {
			p.Fields = map[string]string{"cf10": city, "cfgive8": "A & B"}
		}))
	}
	b.prepare(with("msk & region"))
	_, err := b.Prepare(t.Context(), with("Atlantis"))
	wantError(t, err, rejected, "1")
	if got, want := exchanger.EncodeCD(map[string]string{"cf10": "Moscow & region", "cf2": "é"}), "cf10%3DMoscow%252B%252526%252Bregion%26cf2%3D%2525C3%2525A9"; got != want {
		t.Errorf("cd is %s, want %s", got, want)
	}
}

func TestPrepare_RefusesWhatCanNeverBePlaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	least := func(text string) func(*messages.ExchangeParams) {
		return func(p *messages.ExchangeParams) { d := money.MustDecimal(text); p.MinGet = &d }
	}
	card := exchangertest.DirectionCard
	for name, c := range map[string]struct {
		order         providers.Order
		code, message string
	}{
		"unknown direction": {exchangeOrder(params("999", "3000", "give")), "direction_not_found", "the direction was not found"},
		"hidden direction":  {exchangeOrder(params(exchangertest.DirectionHidden, "3000", "give")), "direction_not_found", "the direction was not found"},
		"too little":        {exchangeOrder(params(card, "999.99", "give")), "amount_out_of_bounds", "the exchanger would change the amount; bounds: give 1000 to 500000, get none to 5000"},
		"too much":          {exchangeOrder(params(card, "500000.01", "give")), "amount_out_of_bounds", "the exchanger would change the amount; bounds: give 1000 to 500000, get none to 5000"},
		"too much to get":   {exchangeOrder(params(card, "5000.1", "get")), "amount_out_of_bounds", "the exchanger would change the amount; bounds: give 1000 to 500000, get none to 5000"},
		"too little arrives": {
			exchangeOrder(params(card, "3000", "give", least("31.217483"))), "min_get_not_met", "31.217482 USDT would arrive, min_get is 31.217483",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := b.Prepare(t.Context(), c.order)
			if e := wantError(t, err, rejected, c.code); e.Message != c.message {
				t.Errorf("message %q, want %q", e.Message, c.message)
			}
		})
	}
	b.prepare(exchangeOrder(params(card, "1000", "give")))
	b.prepare(exchangeOrder(params(card, "500000", "give", func(p *messages.ExchangeParams) { p.Amount = money.MustDecimal("480500") })))
	b.prepare(exchangeOrder(params(card, "3000", "give", least("31.217482"))))
}

// sumsAnd is the data of a get_calc for 3000 RUB, with some of it changed.
func sumsAnd(change map[string]string) string {
	values := map[string]string{
		"currency_code_give": `"RUB"`, "currency_code_get": `"USDT"`, "sum_give": `"3000"`, "sum_give_com": `"3030"`,
		"sum_get": `"31.2"`, "sum_get_com": `"31.2"`, "min_give": `"1000"`, "max_give": `"500000"`, "min_get": `"no"`, "max_get": `"no"`, "changed": `0`,
	}
	maps.Copy(values, change)
	var parts []string
	for k, v := range values {
		if v != "" {
			parts = append(parts, `"`+k+`":`+v)
		}
	}
	return `{"error":"0","data":{` + strings.Join(parts, ",") + `}}`
}

const directionAnswer = `{"error":"0","data":{"id":"7","currency_code_give":"RUB","currency_code_get":"USDT","give_fields":[],"get_fields":[],"dir_fields":""}}`

func TestPrepare_BelievesTheSumsOnlyAsFarAsTheyAreCertain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change map[string]string
		class  providers.Class
		code   string // "" for a plan
	}{
		"as they are":          {nil, 0, ""},
		"with markup":          {map[string]string{"sum_give_com": `"<b>3&nbsp;030</b> RUB"`}, 0, ""},
		"as numbers":           {map[string]string{"sum_give": `3000`, "sum_give_com": `3030.0`}, 0, ""},
		"changed, as a number": {map[string]string{"changed": `1`}, rejected, "amount_out_of_bounds"},
		"changed, as a text":   {map[string]string{"changed": `"1"`}, rejected, "amount_out_of_bounds"},
		"another amount":       {map[string]string{"sum_give": `"2999"`}, rejected, "amount_out_of_bounds"},
		"rounded away":         {map[string]string{"sum_give": `"3001"`}, rejected, "amount_out_of_bounds"},
		"under both readings":  {map[string]string{"min_give": `"3031"`}, rejected, "amount_out_of_bounds"},
		"under one reading":    {map[string]string{"min_give": `"3020"`}, 0, ""},
		"over both readings":   {map[string]string{"max_give": `2999.99`}, rejected, "amount_out_of_bounds"},
		"over one reading":     {map[string]string{"max_give": `3000`}, 0, ""},
		"under the least got":  {map[string]string{"min_get": `"31.3"`}, rejected, "amount_out_of_bounds"},
		"no bound at all":      {map[string]string{"max_give": `"0"`, "max_get": `""`}, 0, ""},
		"no sum":               {map[string]string{"sum_give_com": ``}, ambiguous, "unreadable"},
		"sum zero":             {map[string]string{"sum_give_com": `0`}, ambiguous, "unreadable"},
		"sum negative":         {map[string]string{"sum_get_com": `"-1"`}, ambiguous, "unreadable"},
		"sum a word":           {map[string]string{"sum_get_com": `"-"`}, ambiguous, "unreadable"},
		"two numbers":          {map[string]string{"sum_give_com": `"3030 (1%)"`}, ambiguous, "unreadable"},
		"other currency given": {map[string]string{"currency_code_give": `"USD"`}, ambiguous, "answer_mismatch"},
		"other currency got":   {map[string]string{"currency_code_get": `"USDC"`}, ambiguous, "answer_mismatch"},
		"currencies not told":  {map[string]string{"currency_code_give": ``, "currency_code_get": ``}, 0, ""},
		"currency in low case": {map[string]string{"currency_code_give": `"rub"`}, 0, ""},
		"currency not a code":  {map[string]string{"currency_code_give": `"RUB/USD"`}, ambiguous, "unreadable"},
		"change not told":      {map[string]string{"changed": ``}, 0, ""},
		"sum of side not told": {map[string]string{"sum_give": ``}, 0, ""},
	} {
		s := newScript(t, map[string]string{"get_direction": directionAnswer, "get_calc": sumsAnd(c.change)})
		plan, err := s.provider(t).Prepare(t.Context(), exchangeOrder(params("7", "3000", "give")))
		switch {
		case c.code != "":
			if e := providers.AsError(err); err == nil || e.Class != c.class || e.Code != c.code {
				t.Errorf("%s: got %v and %v", name, plan.Quote, err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case !plan.Quote.Equal(*amount("3030", "RUB")):
			t.Errorf("%s: quote %v", name, plan.Quote)
		}
	}
}

func TestPrepare_TakesAnAmountRoundedToTheSitesPlaces(t *testing.T) {
	t.Parallel()
	s := newScript(t, map[string]string{"get_direction": directionAnswer, "get_calc": sumsAnd(map[string]string{"sum_give": `"3000.13"`})})
	if _, err := s.provider(t).Prepare(t.Context(), exchangeOrder(params("7", "3000.125", "give"))); err != nil {
		t.Error(err)
	}
}

func TestPrepare_AnswersThatCannotBeReadRefuseNoOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ direction, code string }{
		"another direction":   {strings.Replace(directionAnswer, `"id":"7"`, `"id":"8"`, 1), "answer_mismatch"},
		"fields of no kind":   {strings.Replace(directionAnswer, `"give_fields":[]`, `"give_fields":"x"`, 1), "unreadable"},
		"a field of no kind":  {strings.Replace(directionAnswer, `"give_fields":[]`, `"give_fields":[1]`, 1), "unreadable"},
		"a list as the data":  {`{"error":"0","data":[{"id":"7"}]}`, "unreadable"},
		"a text as the data":  {`{"error":"0","data":"7"}`, "unreadable"},
		"no error field":      {`{"data":{"id":"7"}}`, "unreadable"},
		"error null":          {`{"error":null,"data":{"id":"7"}}`, "unreadable"},
		"error a boolean":     {`{"error":false,"data":{"id":"7"}}`, "unreadable"},
		"error empty":         {`{"error":"","data":{"id":"7"}}`, "unreadable"},
		"error with a point":  {`{"error":0.0,"data":{"id":"7"}}`, "unreadable"},
		"error 1, not a word": {`{"error":"1","error_text":"?","data":[]}`, "1"},
	} {
		s := newScript(t, map[string]string{"get_direction": c.direction, "get_calc": sumsAnd(nil)})
		_, err := s.provider(t).Prepare(t.Context(), exchangeOrder(params("7", "3000", "give")))
		if e := providers.AsError(err); err == nil || e.Class != ambiguous || e.Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrepare_OrdersOfNoKindOfOursAreInvalid(t *testing.T) {
	t.Parallel()
	s := newScript(t, nil)
	p := s.provider(t)
	crossed := sample()
	crossed.Kind = messages.PartnerPayout
	foreign := sample()
	foreign.Params = messages.TopupParams{Login: "x"}
	crossedPayout := payoutOrder("2", "x")
	crossedPayout.Kind = messages.Exchange
	for name, o := range map[string]providers.Order{
		"crossed kind":      crossed,
		"another provider":  foreign,
		"crossed payout":    crossedPayout,
		"no amount":         exchangeOrder(params("1", "0", "give")),
		"negative amount":   exchangeOrder(params("1", "-1", "give")),
		"no direction":      exchangeOrder(params("", "1", "give")),
		"no side":           exchangeOrder(params("1", "1", "")),
		"payout to nobody":  payoutOrder("2", ""),
		"payout by nothing": payoutOrder("", "x"),
	} {
		_, prepareErr := p.Prepare(t.Context(), o)
		_, placeErr := p.Place(guarded(t), o, providers.Plan{})
		_, lookupErr := p.Lookup(t.Context(), o)
		for _, err := range []error{prepareErr, placeErr, lookupErr} {
			if e := providers.AsError(err); err == nil || e.Class != invalid || e.Code != "command_unprocessable" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}
