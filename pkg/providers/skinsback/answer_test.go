package skinsback_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

func ok(body string) *providerhttp.Response {
	return &providerhttp.Response{Status: 200, Body: []byte(body)}
}

func into(t testing.TB, raw json.RawMessage, v any) {
	t.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
}

// ours is an answer about our deposit, with a status and further fields.
func ours(status, more string) string {
	return fmt.Sprintf(`{"status":%q,"transaction_id":"13","order_id":%q,"steam_id":%q,"date":1763750000%s}`, status, reference, gabe, more)
}

func judge(t testing.TB, body string) providers.Answer {
	t.Helper()
	got, err := skinsback.BareProvider(canary).JudgeStatus(deposit(), ok(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return got
}

func TestLookup_SuccessTellsEverySumToTheLastDigit(t *testing.T) {
	t.Parallel()
	const want = `{
		"amount": {"amount":"12.30","currency":"USD"}, "user_amount": {"amount":"12.915","currency":"USD"},
		"amount_in_currencies": {"USD":"12.30","RUB":"984.00","EUR":"11.0700000000001"},
		"user_amount_in_currencies": {"USD":"12.915"},
		"custom_currency_sum": "1.2915",
		"deposits": [{"reference":"b1abcdefghijklmnopqrstuvwx","transaction_id":"13","status":"success",
			"amount":{"amount":"12.30","currency":"USD"},"user_amount":{"amount":"12.915","currency":"USD"}}]
	}`
	for _, more := range []string{
		`,"amount":12.3,"amount_currency":"usd","amount_in_currencies":{"usd":12.30,"rub":984,"eur":11.0700000000001},"user_amount":12.915,
		 "user_amount_in_currencies":{"usd":12.915},"custom_currency":"GEM","custom_currency_rate":0.1,"custom_currency_sum":1.2915,"user_risk":{"score":1}`,
		`,"amount":"12.30","amount_currency":"USD","amount_in_currencies":{"USD":"12.3","RUB":"984.00","EUR":"11.0700000000001","?":"1","GBP":"x","JPY":[1]},
		 "user_amount":"12.915","user_amount_in_currencies":{"USD":"12.915"},"custom_currency_sum":"1.2915","reason":null`,
	} {
		got := judge(t, ours("success", more))
		var wanted, told any
		into(t, json.RawMessage(want), &wanted)
		into(t, got.Deliverable, &told)
		if diff := cmp.Diff(wanted, told); diff != "" {
			t.Errorf("deliverable (-want +got):\n%s", diff)
		}
		got.Deliverable = nil
		if diff := cmp.Diff(providers.Answer{
			Status: providers.StatusSucceeded, Finality: messages.Final, Ref: map[string]string{"transaction_id": "13"},
			Evidence: map[string]any{"deposit_status": "success"},
		}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestLookup_SuccessWithLessThanTheDocumentPromises(t *testing.T) {
	t.Parallel()
	want := map[string]any{
		"amount": map[string]any{"amount": "1.00", "currency": "RUB"}, "user_amount": nil, "amount_in_currencies": nil,
		"user_amount_in_currencies": nil, "custom_currency_sum": nil,
	}
	for _, user := range []string{"null", "-1", `"much"`} {
		var told map[string]any
		into(t, judge(t, ours("success", `,"amount":1,"amount_currency":"rub","amount_in_currencies":[],"user_amount":`+user)).Deliverable, &told)
		delete(told, "deposits")
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("%s: %s", user, diff)
		}
	}
	for _, more := range []string{
		``, `,"amount":10`, `,"amount_currency":"usd"`, `,"amount":"ten","amount_currency":"usd"`, `,"amount":null,"amount_currency":"usd"`,
		`,"amount":0,"amount_currency":"usd"`, `,"amount":-1,"amount_currency":"usd"`, `,"amount":10,"amount_currency":"$"`,
		`,"amount":[10],"amount_currency":"usd"`, `,"amount":1e40,"amount_currency":"usd"`,
	} {
		_, err := skinsback.BareProvider(canary).JudgeStatus(deposit(), ok(ours("success", more)))
		mustFail(t, err, providers.Ambiguous, providers.CodeUnreadable)
	}
}

func TestLookup_AHoldIsNoSuccess(t *testing.T) {
	t.Parallel()
	const sums = `,"amount":10,"amount_currency":"usd","user_amount":10.5`
	announced, sent, made := time.Unix(1764500000, 0).UTC(), time.Unix(1763760000, 0).UTC(), time.Unix(1763750000, 0).UTC()
	for _, status := range []string{"in_hold", "hold_approved"} {
		for more, until := range map[string]time.Time{
			`,"in_hold_until":1764500000,"skins_send_date":1763760000`:    announced,
			`,"in_hold_until":"1764500000"`:                               announced,
			`,"skins_send_date":1763760000`:                               sent.Add(8 * 24 * time.Hour),
			`,"in_hold_until":null,"skins_send_date":"1763760000"`:        sent.Add(8 * 24 * time.Hour),
			`,"in_hold_until":0,"skins_send_date":1763760000000`:          made.Add(8 * 24 * time.Hour),
			`,"in_hold_until":"soon","skins_send_date":-5,"offer_date":1`: made.Add(8 * 24 * time.Hour),
		} {
			got := judge(t, ours(status, sums+more))
			want := providers.Answer{
				Status: providers.StatusOnHold, Ref: map[string]string{"transaction_id": "13"}, HoldUntil: &until, WatchUntil: &until,
				Evidence: map[string]any{
					"deposit_status": status, "amount": money.Must("10", "USD"), "user_amount": money.Must("10.5", "USD"),
				},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s: %s", status, more, diff)
			}
		}
	}
	timeless := fmt.Sprintf(`{"status":"in_hold","transaction_id":"13","order_id":%q,"steam_id":%q}`, reference, gabe)
	if got := judge(t, timeless); got.Status != providers.StatusOnHold || got.HoldUntil != nil || got.WatchUntil != nil {
		t.Errorf("got %+v", got)
	}
}

func TestLookup_ASuccessAfterAHoldIsWatchedUntilTheHoldEnds(t *testing.T) {
	t.Parallel()
	const sums = `,"amount":10,"amount_currency":"usd","user_amount":10.5`
	if got := judge(t, ours("success", sums)); got.Status != providers.StatusSucceeded || got.WatchUntil != nil {
		t.Errorf("without a hold: %+v", got)
	}
	end := time.Unix(1764500000, 0).UTC()
	got := judge(t, ours("success", sums+`,"in_hold_until":1764500000`))
	if got.Status != providers.StatusSucceeded || got.WatchUntil == nil || !got.WatchUntil.Equal(end) || got.HoldUntil != nil {
		t.Errorf("after a hold: %+v", got)
	}
}

func TestLookup_OnlyTheDocumentsWordsEndADeposit(t *testing.T) {
	t.Parallel()
	ref := map[string]string{"transaction_id": "13"}
	failed := func(code string) providers.Answer {
		return providers.Answer{Status: providers.StatusFailed, Code: code, Ref: ref, Evidence: map[string]any{"deposit_status": "fail"}}
	}
	unknown := func(word string) providers.Answer {
		return providers.Answer{Status: providers.StatusUnknown, Evidence: map[string]any{"unknown_status": word}}
	}
	for body, want := range map[string]providers.Answer{
		ours("pending", ``):                            {Status: providers.StatusActionRequired, Ref: ref, Evidence: map[string]any{}},
		ours("fail", `,"reason":"timeout"`):            failed("timeout"),
		ours("fail", `,"reason":"trade_timeout"`):      failed("trade_timeout"),
		ours("fail", `,"reason":"trade_canceled"`):     failed("trade_canceled"),
		ours("fail", ``):                               failed("fail"),
		ours("fail", `,"reason":null`):                 failed("fail"),
		ours("fail", `,"reason":"see https://x.y/z "`): failed("see [address]"),
		ours("hold_returned", ``): {
			Status: providers.StatusReversed, Code: "hold_returned", Ref: ref, Evidence: map[string]any{"deposit_status": "hold_returned"},
		},
		ours("failed", `,"reason":"timeout"`): unknown("failed"),
		ours("SUCCESS", ``):                   unknown("SUCCESS"),
		ours("canceled", ``):                  unknown("canceled"),
	} {
		if diff := cmp.Diff(want, judge(t, body)); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

// TestLookup_FollowsADepositThroughItsLife asks a shop that speaks in numbers,
// and one that speaks in strings.
func TestLookup_FollowsADepositThroughItsLife(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]skinsbacktest.Option{nil, {skinsbacktest.WithStrings()}} {
		b := setup(t, append(opts, skinsbacktest.WithMultiplier("1.1"))...)
		o, _ := b.place(deposit(func(p *messages.DepositParams) {
			p.Currency, p.CustomCurrency, p.CustomCurrencyRate = "RUB", "GEM", decimal("2")
		}))
		see := func(want providers.Status) providers.Answer {
			t.Helper()
			got := b.lookup(o)
			if got.Status != want {
				t.Fatalf("got %v, want %v", got.Status, want)
			}
			return got
		}
		see(providers.StatusActionRequired)
		b.do(b.Hold(reference, "800.4"))
		announced := *see(providers.StatusOnHold).HoldUntil
		b.do(b.HideHold(reference))
		if inferred := *see(providers.StatusOnHold).HoldUntil; !inferred.Equal(announced) {
			t.Errorf("inferred %v, announced %v", inferred, announced)
		}
		b.do(b.Approve(reference))
		if got := see(providers.StatusOnHold); got.Evidence["deposit_status"] != "hold_approved" {
			t.Errorf("got %+v", got.Evidence)
		}
		b.do(b.Return(reference))
		see(providers.StatusReversed)
		b.do(b.Release(reference))
		var told struct {
			Amount money.Money
			User   money.Money       `json:"user_amount"`
			Sums   map[string]string `json:"amount_in_currencies"`
			Custom string            `json:"custom_currency_sum"`
		}
		into(t, see(providers.StatusSucceeded).Deliverable, &told)
		if !told.Amount.Equal(money.Must("800.4", "RUB")) || !told.User.Equal(money.Must("880.44", "RUB")) ||
			told.Sums["USD"] != "10.005" || told.Custom != "22.011" {
			t.Errorf("told %+v", told)
		}
		b.do(b.SetStatus(reference, "frozen"))
		see(providers.StatusUnknown)
		b.do(b.Fail(reference, "trade_canceled"))
		see(providers.StatusFailed)
	}
}

func TestDeposit_IsShownAsItWasRead(t *testing.T) {
	t.Parallel()
	var first, again skinsback.Deposit
	into(t, json.RawMessage(ours("in_hold", `,"amount":10.50,"amount_currency":"usd","amount_in_currencies":{"usd":"10.5","rub":840},
		"in_hold_until":"1764500000","trade_offer_id":40,"custom_currency_rate":0.1`)), &first)
	shown, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	into(t, shown, &again)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("%s: %s", shown, diff)
	}
	var fields map[string]any
	into(t, shown, &fields)
	if fields["amount"] != "10.5" || fields["in_hold_until"] != 1764500000.0 || fields["user_amount"] != nil || fields["offer_date"] != nil {
		t.Errorf("shown %s", shown)
	}
}
