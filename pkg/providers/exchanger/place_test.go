package exchanger_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

func TestPlace_OpensABidAndSaysHowToPay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got, _ := b.buy(sample())
	bid := b.Bids()[0]
	want := providers.Answer{
		Status: providers.StatusActionRequired,
		Ref:    map[string]string{"api_id": apiID, "id": "1234", "hash": bid.Hash},
		Cost:   amount("3030", "RUB"), CostSource: messages.FromResponse,
		Action: &messages.Action{
			Type: "mypaid", URL: "https://exchanger.example/hst_" + bid.Hash + "/",
			Instruction: "Pay 3030.00 RUB\nfor bid 1234 & wait.", PayAmount: amount("3030", "RUB"), Confirm: true, Cancel: true,
		},
		Evidence: map[string]any{"bid_status": "new"},
	}
	if diff := cmp.Diff(want, got, sameMoney); diff != "" {
		t.Error(diff)
	}
	if bid.APIID != apiID || bid.Account1 != "2202200112345678" || bid.Account2 != "TWallet1" || bid.Fields["cf6"] != "user@gmail.com" {
		t.Errorf("opened %+v", bid)
	}
}

func TestPlace_SaysWhereToPay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	byAddress, _ := b.buy(exchangeOrder(params(exchangertest.DirectionAddress, "3000", "give")))
	if a := byAddress.Action; a.Type != "address" || a.Address != "TQ5NMqJjhpQGK7YJbESKtNCo86PJ89ujio" || a.DestTag != "81" {
		t.Errorf("%+v", a)
	}
	linked := exchangeOrder(params(exchangertest.DirectionLink, "3000", "give"))
	linked.Reference = "7"
	byLink, _ := b.buy(linked)
	if a := byLink.Action; a.Type != "link" || a.URL != "https://pay.example/bid?x=1&y=2" || a.Confirm || a.Cancel || a.Address != "" {
		t.Errorf("%+v", a)
	}
	waiting := exchangeOrder(params(exchangertest.DirectionVerify, "3000", "give"))
	waiting.Reference = "8"
	if answer, _ := b.buy(waiting); answer.Status != providers.StatusActionRequired || answer.Evidence["bid_status"] != "coldnew" {
		t.Errorf("%+v", answer)
	}
}

func TestPlace_SendsTheOrderToTheLetter(t *testing.T) {
	t.Parallel()
	s := newScript(t, map[string]string{"create_bid": `{"error":"0","data":{"id":1,"status":"new"}}`})
	cfg := config(t, s.URL)
	cfg.CallbackURL = func(o providers.Order) string { return "https://hooks.example/ex/" + o.ID + "?sk=1&x=2" }
	order := exchangeOrder(params("7", "3000.10", "get_with_fee", func(p *messages.ExchangeParams) {
		p.PartnerID, p.Fields = "5", map[string]string{"cf6": "a+b@c.de", "cfgive8": "Ivan Ж", "cf11": ""}
	}))
	plan := providers.Plan{Quote: amount("3030", "RUB"), Data: map[string]string{"direction_id": "7"}}
	if _, err := newProvider(t, cfg).Place(guarded(t), order, plan); err != nil {
		t.Fatal(err)
	}
	want := received{"POST", "/sub/api/userapi/v1/create_bid", login, key, "", "application/x-www-form-urlencoded",
		"account1=2202200112345678&account2=TWallet1&api_id=" + apiID + "&calc_action=4&calc_amount=3000.1" +
			"&callback_url=https%3A%2F%2Fhooks.example%2Fex%2Ford-1%3Fsk%3D1%26x%3D2&cf6=a%2Bb%40c.de&cfgive8=Ivan+%D0%96&direction_id=7&partner_id=5"}
	if diff := cmp.Diff([]received{want}, s.requests()); diff != "" {
		t.Error(diff)
	}
}

func TestPlace_SendsNothingWithoutAPlanThatFits(t *testing.T) {
	t.Parallel()
	s := newScript(t, nil)
	p := s.provider(t)
	plan := func() providers.Plan {
		return providers.Plan{Quote: amount("1", "RUB"), Data: map[string]string{"direction_id": exchangertest.DirectionCard}}
	}
	unquoted, crossed := plan(), plan()
	unquoted.Quote, crossed.Data["direction_id"] = nil, "9"
	named := func(reference string) providers.Order { o := sample(); o.Reference = reference; return o }
	overwriting := sample()
	overwriting.Params = params(exchangertest.DirectionCard, "3000", "give", func(p *messages.ExchangeParams) {
		p.Fields = map[string]string{"callback_url": "https://evil.example"}
	})
	for name, c := range map[string]struct {
		order providers.Order
		plan  providers.Plan
	}{
		"no plan":            {sample(), providers.Plan{}},
		"no quote":           {sample(), unquoted},
		"another direction":  {sample(), crossed},
		"no reference":       {named(""), plan()},
		"reference a word":   {named("b1abcdef"), plan()},
		"reference zero":     {named("0"), plan()},
		"reference negative": {named("-5"), plan()},
		"reference too long": {named(strings.Repeat("9", 20)), plan()},
		"a field of ours":    {overwriting, plan()},
		"payout, no plan":    {payoutOrder("2", "x"), providers.Plan{}},
	} {
		_, err := p.Place(guarded(t), c.order, c.plan)
		if e := providers.AsError(err); err == nil || e.Class != invalid || e.Code != "command_unprocessable" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestPlace_APriceThatMovedIsShownAndTheCustomerStillDecides(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := exchangeOrder(params(exchangertest.DirectionCard, "31.2", "get", func(p *messages.ExchangeParams) {
		least := money.MustDecimal("31.2")
		p.MinGet = &least
	}))
	order.MaxCost = amount("3100", "RUB")
	plan := b.prepare(order)
	d, _ := b.Direction(exchangertest.DirectionCard)
	d.CourseGive, d.GetFee = "100", "0.01"
	b.SetDirection(d)
	got, err := b.Place(guarded(t), order, plan)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"bid_status":        "new",
		"amount_changed":    map[string]any{"quoted": "3028.30 RUB", "bid": "3151.20 RUB"},
		"price_violation":   map[string]any{"max_cost": *amount("3100", "RUB"), "cost": *amount("3151.20", "RUB")},
		"min_get_violation": map[string]any{"min_get": "31.2", "amount_get": "30.888"},
	}
	if diff := cmp.Diff(want, got.Evidence, sameMoney); diff != "" {
		t.Error(diff)
	}
	if got.Status != providers.StatusActionRequired || !got.Action.Cancel {
		t.Errorf("%v %+v", got.Status, got.Action)
	}
}

// bidBody is the answer to a create_bid, with what is told in the place of the
// bid's usual fields.
func bidBody(fields string) string {
	return `{"error":"0","error_text":"","error_fields":[],"data":{` + fields + `}}`
}

func TestPlace_AnswersAreBelievedOnlyAsFarAsTheyAreCertain(t *testing.T) {
	t.Parallel()
	plan := providers.Plan{Quote: amount("3030", "RUB"), Data: map[string]string{
		"direction_id": exchangertest.DirectionCard, "currency_get": "USDT", "amount_get": "31.2",
	}}
	for name, c := range map[string]struct {
		fields string
		status providers.Status
		code   string // of an Ambiguous error
		cost   string
	}{
		"an id, and no more":    {`"id":"12"`, providers.StatusProcessing, "", ""},
		"not created yet":       {`"id":12,"status":"auto"`, providers.StatusUnknown, "", ""},
		"actions of no kind":    {`"id":12,"status":"new","api_actions":[]`, providers.StatusActionRequired, "", ""},
		"trifles of no kind":    {`"id":12,"status":"new","url":{},"psys_give":[1],"status_title":null`, providers.StatusActionRequired, "", ""},
		"amounts of no kind":    {`"id":12,"status":"new","amount_give":{},"currency_code_give":"RUB"`, providers.StatusActionRequired, "", ""},
		"amount with markup":    {`"id":12,"status":"new","amount_give":"<b>3 030</b> RUB","currency_code_give":"RUB"`, providers.StatusActionRequired, "", "3030.00 RUB"},
		"done at once":          {`"id":12,"status":"success","amount_give":3030,"currency_code_give":"RUB"`, providers.StatusSucceeded, "", "3030.00 RUB"},
		"cancelled at once":     {`"id":12,"status":"cancel"`, providers.StatusFailed, "", ""},
		"failed, says the word": {`"id":12,"status":"error"`, providers.StatusProcessing, "", ""},
		"no id":                 {`"hash":"ab","status":"new"`, 0, "unreadable", ""},
		"id zero":               {`"id":0,"status":"new"`, 0, "unreadable", ""},
		"id a word":             {`"id":"x","status":"new"`, 0, "unreadable", ""},
		"another currency":      {`"id":12,"status":"new","currency_code_give":"USD"`, 0, "answer_mismatch", ""},
		"another currency got":  {`"id":12,"status":"new","currency_code_get":"USDC"`, 0, "answer_mismatch", ""},
		"an id twice":           {`"id":12,"ID":13`, 0, "unreadable", ""},
	} {
		s := newScript(t, map[string]string{"create_bid": bidBody(c.fields)})
		got, err := s.provider(t).Place(guarded(t), sample(), plan)
		switch {
		case c.code != "":
			if e := providers.AsError(err); err == nil || e.Class != ambiguous || e.Code != c.code {
				t.Errorf("%s: %v", name, err)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", name, err)
			continue
		}
		cost := ""
		if got.Cost != nil {
			cost = got.Cost.String()
		}
		if got.Status != c.status || cost != c.cost || got.Ref["id"] != "12" || got.Ref["api_id"] != apiID {
			t.Errorf("%s: %v, cost %q, %v", name, got.Status, cost, got.Ref)
		}
		if (got.Status == providers.StatusActionRequired) != (got.Action != nil) {
			t.Errorf("%s: action %+v", name, got.Action)
		}
	}
}

func TestPlace_ActionsHoldNothingDangerous(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", 300)
	for name, c := range map[string]struct {
		actions string
		want    messages.Action
	}{
		"a script as a link":   {`"pay":"javascript:alert(1)"`, messages.Action{Type: "default"}},
		"a link with a user":   {`"pay":"https://exchanger.example@evil.example/"`, messages.Action{Type: "default"}},
		"half a link":          {`"pay":"https://"`, messages.Action{Type: "default"}},
		"cancel behind a link": {`"cancel":"https://x.example/c","pay":"disabled"`, messages.Action{Type: "default"}},
		"markup as an address": {`"type":"<b>address</b>","address":"<img src=x onerror=y>bc1q","dest_tag":"<i>7</i>"`, messages.Action{Type: "address", Address: "bc1q", DestTag: "7"}},
		"half an address":      {`"address":"` + long + `"`, messages.Action{Type: "default"}},
		"two addresses":        {`"address":"bc1q<br>bc1p"`, messages.Action{Type: "default"}},
		"hidden markup":        {`"instruction":"&lt;script&gt;x()&lt;/script&gt;Pay<<b>script>now"`, messages.Action{Type: "default", Instruction: "Pay"}},
		"our key, echoed":      {`"instruction":"key ` + key + ` login ` + login + `"`, messages.Action{Type: "default", Instruction: "key *** login ***"}},
		"an amount with words": {`"pay_amount":"<span>3 030.00</span> RUB"`, messages.Action{Type: "default", PayAmount: amount("3030", "RUB")}},
		"no amount":            {`"pay_amount":"as you like"`, messages.Action{Type: "default"}},
	} {
		s := newScript(t, map[string]string{
			"create_bid": bidBody(`"id":12,"status":"new","currency_code_give":"RUB","api_actions":{` + c.actions + `}`),
		})
		plan := providers.Plan{Quote: amount("3030", "RUB"), Data: map[string]string{"direction_id": exchangertest.DirectionCard}}
		got, err := s.provider(t).Place(guarded(t), sample(), plan)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(&c.want, got.Action, sameMoney); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestStatuses_OnlySuccessCancelAndDeleteEndABid(t *testing.T) {
	t.Parallel()
	action, processing := providers.StatusActionRequired, providers.StatusProcessing
	want := map[string]providers.Status{
		"auto": providers.StatusUnknown, "coldnew": action, "new": action, "techpay": action,
		"payed": processing, "coldpay": processing, "partpay": processing, "realpay": processing, "verify": processing,
		"amlwait": processing, "merchwait": processing, "coldsuccess": processing, "partpayout": processing,
		"success": providers.StatusSucceeded, "cancel": providers.StatusFailed, "delete": providers.StatusFailed,
	}
	helpless := []string{
		"error", "mercherror", "amlerror", "payouterror", "scrpayerror", "my5", "archived", "realdelete", "returned", "Success", "CANCEL", "", "deleted",
	}
	for _, word := range helpless {
		want[word] = processing
	}
	// These may pass by themselves, and then again may not.
	helpless = append(helpless, "verify", "partpay", "partpayout", "coldsuccess")
	for word, status := range want {
		s := newScript(t, map[string]string{"bid_info": bidBody(fmt.Sprintf(
			`"id":"12","hash":"ab","status":%q,"amount_give":"3030","currency_code_give":"RUB","amount_get":"31.2","currency_code_get":"USDT"`, word))})
		order := sample()
		order.Ref = map[string]string{"id": "12", "hash": "ab"}
		got, err := s.provider(t).Lookup(t.Context(), order)
		if err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		_, hint := got.Evidence["operator_hint"]
		wantHint := false
		for _, h := range helpless {
			wantHint = wantHint || h == word
		}
		if got.Status != status || hint != wantHint || got.Evidence["bid_status"] != word {
			t.Errorf("%q: %v, evidence %v", word, got.Status, got.Evidence)
		}
		switch status {
		case providers.StatusFailed:
			if got.Code != word {
				t.Errorf("%s: code %q", word, got.Code)
			}
		case providers.StatusSucceeded:
			if d := string(got.Deliverable); got.Finality != messages.Final || d != `{"amount_get":{"amount":"31.2","currency":"USDT"},"account_to":"TWallet1"}` {
				t.Errorf("%s %s", got.Finality, d)
			}
		}
	}
}
