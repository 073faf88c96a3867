package services_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// question is a method with a question that it answers, the operation of the
// shop that it comes to, and what must be in the answer.
type question struct {
	provider, method, body, op string
	want                       map[string]any // JSON as a generic value; keys that are not named may be anything
	missing                    string         // a question about what is not there; "" where there is no such
}

// stock puts something into the shops to be asked about, and returns a question
// for every method.
func stock(r *rig) []question {
	r.submit(`{"v":1,"id":"drop-1","provider":"gamesdrop","kind":"offer","params":{"offer_id":1001,"game_user_id":"52357322414"},
		"max_cost":{"amount":"600","currency":"RUB"}}`, "drop-1", "succeeded")
	deposit := r.submit(`{"v":1,"id":"skins-1","provider":"skinsback","kind":"deposit","params":{"steam_id":"76561198827262007","trade_token":"Ab3_-9xZ"}}`,
		"skins-1", "action_required")
	ref, _ := deposit["provider_ref"].(map[string]any)
	reference, transaction := fmt.Sprint(ref["reference"]), fmt.Sprint(ref["transaction_id"])
	if err := r.skins.Pay(reference, "12.5"); err != nil {
		r.t.Fatal(err)
	}
	bid := r.site.AddBid(exchangertest.Bid{DirectionID: exchangertest.DirectionCard, APIID: "77", PartnerID: "7", Status: "new"})
	payout := r.site.AddPayout(exchangertest.MethodUSDT, "TXYZabc", "25", 1)
	hash := r.site.Bids()[0].Hash
	dropID := fmt.Sprint(r.drop.Purchases()[0].OrderID)
	money := func(amount, currency string) map[string]any {
		return map[string]any{"amount": amount, "currency": currency}
	}
	all := []question{
		{"balancesteam", "balance", ``, "balance", map[string]any{"balance": money(steamBalance, "RUB")}, ""},
		{"balancesteam", "check_login", `{"login":"gaben"}`, "check_login", map[string]any{"status": true}, ""},
		{"balancesteam", "gift_card_price", `{"service_id":5999}`, "gift_card_price", map[string]any{"price": money("513.35075", "RUB")}, `{"service_id":4711}`},
		{"skinsback", "deposit_status", `{"order_id":"` + reference + `"}`, "orderstatus", map[string]any{
			"status": "success", "transaction_id": transaction, "order_id": reference, "amount": money("12.50", "USD"), "reason": nil,
		}, `{"order_id":"b1nobody"}`},
		{"skinsback", "deposit_status", `{"transaction_id":"` + transaction + `"}`, "orderstatus", map[string]any{"status": "success", "order_id": reference}, `{"transaction_id":"4711"}`},
		{"gamesdrop", "balance", `{}`, "balance", nil, ""},
		{"gamesdrop", "balance_transactions", `{"page":1,"limit":5}`, "balance_transactions", nil, ""},
		{"gamesdrop", "find_offer", `{"offer_id":1001}`, "find_one", map[string]any{
			"offer_id": "1001", "price": money("560.10", "RUB"), "offer_name": "60 UC", "is_return_data_for_customer": true,
		}, `{"offer_id":4711}`},
		{"gamesdrop", "find_offer", `{"stars":100}`, "find_one", map[string]any{"offer_id": "telegram_stars_100", "price": money("0.77", "USD")}, ""},
		{"gamesdrop", "order_status", `{"order_id":"` + dropID + `"}`, "order_status", map[string]any{
			"order_id": dropID, "status": "COMPLETED", "has_key": true, "price": money("560.10", "RUB"),
		}, `{"order_id":"4711"}`},
		{"gamesdrop", "check_player", `{"offer_id":1002,"game_user_id":"52357322414"}`, "check_game_data", map[string]any{"valid": true, "game_user_login": "JJJ"},
			""},
		{"gamesdrop", "telegram_user", `{"telegram_user":"@igoryan34"}`, "telegram_user", map[string]any{"found": true, "telegram_user_id": "143594291"}, ""},
		{"exchanger", "test", ``, exchangertest.OpTest, nil, ""},
		{"exchanger", "direction_currencies", ``, exchangertest.OpCurrencies, nil, ""},
		{"exchanger", "directions", `{"currency_id_give":"1"}`, exchangertest.OpDirections, nil, ""},
		{"exchanger", "direction", `{"direction_id":"101"}`, exchangertest.OpDirection, map[string]any{
			"direction_id": "101", "currency_code_give": "RUB", "currency_code_get": "USDT",
		}, `{"direction_id":"4711"}`},
		{"exchanger", "calc", `{"direction_id":"101","amount":"3000","amount_side":"give"}`, exchangertest.OpCalc, map[string]any{"changed": false, "sum_give": "3000"},
			`{"direction_id":"4711","amount":"1","amount_side":"get"}`},
		{"exchanger", "exchanges", `{"api_id":"77","status_history":true,"limit":10,"start_time":"2020-01-01T00:00:00Z"}`, exchangertest.OpExchanges, nil, ""},
		{"exchanger", "bid_info", fmt.Sprintf(`{"id":"%d"}`, bid), exchangertest.OpBidInfo, map[string]any{"id": fmt.Sprint(bid), "hash": hash, "status": "new"}, `{"id":"4711"}`},
		{"exchanger", "bid_info", `{"hash":"` + hash + `"}`, exchangertest.OpBidInfo, map[string]any{"id": fmt.Sprint(bid)}, `{"hash":"abcdef"}`},
		{"exchanger", "partner_info", ``, exchangertest.OpPartnerInfo, map[string]any{"balance": siteBalance}, ""},
		{"exchanger", "partner_links", ``, exchangertest.OpPartnerLinks, nil, ""},
		{"exchanger", "partner_exchanges", ``, exchangertest.OpPartnerExchanges, nil, ""},
		{"exchanger", "partner_payouts", fmt.Sprintf(`{"id":"%d"}`, payout), exchangertest.OpPartnerPayouts, nil, ""},
	}
	asked := map[string]bool{}
	for _, q := range all {
		asked[q.provider+"."+q.method] = true
	}
	for _, p := range messages.Providers() {
		for _, m := range p.ServiceMethods() {
			if !asked[string(p)+"."+m] {
				r.t.Errorf("nobody asks %s.%s", p, m)
			}
		}
	}
	return all
}

func (q question) subject() string { return "svc.providers." + q.provider + "." + q.method }

func (r *rig) faults(provider string) *providertest.Faults {
	switch provider {
	case "balancesteam":
		return r.steam.Door().Faults
	case "skinsback":
		return r.skins.Faults()
	case "gamesdrop":
		return r.drop.Faults()
	default:
		return r.site.Faults()
	}
}

func (r *rig) book(provider string) *providertest.Book {
	switch provider {
	case "balancesteam":
		return r.steam.Door().Book
	case "skinsback":
		return r.skins.Book()
	case "gamesdrop":
		return r.drop.Book()
	default:
		return r.site.Book()
	}
}

// requests is how many requests a shop has had for an operation.
func (r *rig) requests(provider, op string) int {
	return len(r.book(provider).Select(providertest.Received, op))
}

// leaks names a canary that is in a text.
func leaks(text string) string {
	for _, canary := range []string{steamKey, dropToken, skinsSecret, siteKey, steamBalance, dropBalance, siteBalance} {
		if strings.Contains(text, canary) {
			return canary
		}
	}
	return ""
}

func TestQueries_EveryMethodAnswersRefusesAndFailsAsTheContractSays(t *testing.T) {
	t.Parallel()
	// Polls ask the shops too: they would be counted, and take faults for themselves.
	seldom := map[string]string{"POLL_FIRST": "30m", "POLL_MAX": "1h"}
	r := newRig(t, 1, seldom, programs.BalanceSteam, programs.SkinsBack, programs.GamesDrop, programs.Exchanger)
	for _, q := range stock(r) {
		r.good(q)
		r.bad(q)
		r.failing(q)
		if q.missing != "" {
			if a := r.ask(q.subject(), q.missing); a.code != "404" || a.word("error", "code") != "not_found" || leaks(a.raw+a.text) != "" {
				t.Errorf("%s %s: %s %s", q.subject(), q.missing, a.code, a.raw)
			}
		}
	}
	keys := r.drop.Keys()
	if len(keys) == 0 {
		t.Error("no goods code was given, so none could leak")
	}
	for _, secret := range append(keys, steamKey, dropToken, skinsSecret, siteKey) {
		if strings.Contains(r.logged(), secret) {
			t.Errorf("%q is in a log", secret)
		}
	}
}

// good asks what is answered.
func (r *rig) good(q question) {
	r.t.Helper()
	a := r.mustAsk(q.provider, q.method, q.body)
	for key, want := range q.want {
		if diff := cmp.Diff(want, a.body[key]); diff != "" {
			r.t.Errorf("%s: %s (-want +got):\n%s\n%s", q.subject(), key, diff, a.raw)
		}
	}
	for _, key := range r.drop.Keys() {
		if strings.Contains(a.raw, key) {
			r.t.Errorf("%s tells a goods code: %s", q.subject(), a.raw)
		}
	}
	if at, err := time.Parse(time.RFC3339Nano, a.header.Get(messages.HeaderAskedAt)); err != nil || time.Since(at) > time.Hour {
		r.t.Errorf("%s was asked at %q", q.subject(), a.header.Get(messages.HeaderAskedAt))
	}
}

// bad asks what cannot be asked, and wants every fault and no request.
func (r *rig) bad(q question) {
	r.t.Helper()
	before := r.requests(q.provider, q.op)
	for _, body := range []string{`{"colour":"red","Size":1}`, `[]`, `{`, `"x"`, `null`} {
		a := r.ask(q.subject(), body)
		faults, _ := a.word("error", "faults").([]any)
		if a.code != "400" || a.word("error", "code") != "bad_request" || len(faults) == 0 || body[0] == '{' && len(body) > 1 && len(faults) < 2 {
			r.t.Errorf("%s %s: %s %s", q.subject(), body, a.code, a.raw)
		}
	}
	if after := r.requests(q.provider, q.op); after != before {
		r.t.Errorf("%s: a bad question made %d requests", q.subject(), after-before)
	}
}

// failing asks while the shop fails, in all the ways in which its answers can
// be lost, spoilt, or repeat what they should not.
func (r *rig) failing(q question) {
	r.t.Helper()
	if strings.Contains(q.method, "gift_card_price") {
		q.body = `{"service_id":5999,"email":"another@example.org"}` // the other answer is still good
	}
	for _, f := range []struct {
		fault providertest.Fault
		code  string
	}{
		{providertest.Status(502), "http_502"},
		{providertest.Fault{Kind: providertest.ResetAfterCommit}, "connection_reset"},
		{providertest.Fault{Kind: providertest.HTML}, "unreadable"},
		{providertest.Fault{Kind: providertest.Echo}, "unreadable"},
	} {
		r.faults(q.provider).Once(q.op, f.fault)
		a := r.ask(q.subject(), q.body)
		if a.code != "502" || a.word("error", "code") != "provider_error" || a.word("error", "provider_code") != f.code || a.word("error", "class") != "ambiguous" {
			r.t.Errorf("%s while the shop answers %s: %s %s", q.subject(), f.fault.Kind, a.code, a.raw)
		}
		if secret := leaks(a.raw + a.text); secret != "" {
			r.t.Errorf("%s while the shop answers %s tells %s: %s", q.subject(), f.fault.Kind, secret, a.raw)
		}
	}
}

func TestQueries_AccountsThatAreRefusedAreToldWithoutOurBalance(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil, programs.BalanceSteam, programs.GamesDrop, programs.SkinsBack, programs.Exchanger)
	r.steam.SetAPIKey("another")
	r.skins.SetSecret("another")
	r.site.SetAPIDisabled(true)
	for _, q := range []question{
		{provider: "balancesteam", method: "check_login", body: `{"login":"gaben"}`},
		{provider: "skinsback", method: "deposit_status", body: `{"order_id":"b1x"}`},
		{provider: "exchanger", method: "directions"},
	} {
		a := r.ask(q.subject(), q.body)
		if a.code != "502" || a.word("error", "class") != "blocked" || leaks(a.raw) != "" {
			t.Errorf("%s: %s %s", q.subject(), a.code, a.raw)
		}
		// What a question meets with says nothing of orders: the lane stays open.
		if status := r.mustAsk("operator", "lane", `{"provider":"`+q.provider+`","action":"status"}`); status.word("state") != "open" {
			t.Errorf("a question closed the lane: %s", status.raw)
		}
	}
	r.drop.SetPlayer("nobody", "", false)
	if a := r.mustAsk("gamesdrop", "check_player", `{"offer_id":1002,"game_user_id":"nobody"}`); a.word("valid") != false {
		t.Errorf("a player who is not there: %s", a.raw)
	}
	if a := r.mustAsk("gamesdrop", "telegram_user", `{"telegram_user":"hidden"}`); a.word("found") != false || a.word("telegram_user_id") != nil {
		t.Errorf("a Telegram user without an id: %s", a.raw)
	}
}

func TestQueries_AreDiscoverableWithTheirSchemasAndSharedByReplicas(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil, programs.GamesDrop, programs.BalanceSteam)
	for _, p := range []messages.Provider{messages.GamesDrop, messages.BalanceSteam} {
		var info struct {
			Name      string
			Endpoints []struct {
				Name, Subject string
				Metadata      map[string]string
			}
		}
		if err := json.Unmarshal([]byte(r.ask("$SRV.INFO."+p.Service(), "").raw), &info); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range info.Endpoints {
			names = append(names, e.Name)
			for _, key := range []string{"request_schema", "answer_schema"} {
				var schema map[string]any
				if json.Unmarshal([]byte(e.Metadata[key]), &schema) != nil || schema["type"] != "object" {
					t.Errorf("%s.%s: %s is %q", p, e.Name, key, e.Metadata[key])
				}
			}
			if e.Subject != messages.ProviderServiceSubject(p, e.Name) || e.Metadata["upstream"] != fmt.Sprint(messages.OpenToUpstream(e.Name)) {
				t.Errorf("%s.%s: %+v", p, e.Name, e)
			}
		}
		want := slices.Sorted(slices.Values(p.ServiceMethods()))
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(names))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p, diff)
		}
	}
	inbox := r.nc.NewInbox()
	answers, err := r.nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	const many = 40
	for i := range many {
		if err := r.nc.PublishRequest("svc.providers.gamesdrop.check_player", inbox, fmt.Appendf(nil, `{"offer_id":1002,"game_user_id":"p%d"}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range many {
		if _, err := answers.NextMsg(patience); err != nil {
			t.Fatalf("after %d answers: %v", i, err)
		}
	}
	if n := r.requests("gamesdrop", "check_game_data"); n != many {
		t.Errorf("%d questions made %d requests", many, n)
	}
	if n, _, _ := answers.Pending(); n != 0 {
		t.Errorf("%d answers too many", n)
	}
}
