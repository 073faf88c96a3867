package gamesdrop_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
)

func TestOfferID_IsANumberExceptForStars(t *testing.T) {
	t.Parallel()
	for id, want := range map[gamesdrop.OfferID]string{
		gamesdrop.NumberedOffer(1001):                `1001`,
		gamesdrop.NumberedOffer(9007199254740993):    `9007199254740993`, // a float would lose the 3
		gamesdrop.StarsOffer(100):                    `"telegram_stars_100"`,
		gamesdrop.OfferID("0"):                       `"0"`,
		gamesdrop.OfferID(`1,"transactionId":"x"`):   `"1,\"transactionId\":\"x\""`,
		gamesdrop.OfferID("99999999999999999999999"): `"99999999999999999999999"`,
	} {
		got, err := json.Marshal(id)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", id, got, err)
		}
	}
	for _, literal := range []string{`1001`, `"1001"`, ` "1001" `} {
		var id gamesdrop.OfferID
		if err := json.Unmarshal([]byte(literal), &id); err != nil || id != "1001" {
			t.Errorf("%s: %q, %v", literal, id, err)
		}
	}
}

func TestTimestamp_ReadsBothFormatsOfTheDocument(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2024-05-28 10:08:04.296+00":  time.Date(2024, 5, 28, 10, 8, 4, 296_000_000, time.UTC),
		"2025-08-26T12:30:15.234Z":    time.Date(2025, 8, 26, 12, 30, 15, 234_000_000, time.UTC),
		"2024-05-28 10:08:04+03":      time.Date(2024, 5, 28, 7, 8, 4, 0, time.UTC),
		"28.05.2024":                  {},
		"":                            {},
		"2024-13-28 10:08:04.296+00":  {},
		"2025-08-26T12:30:15.234":     {},
		"2024-05-28 10:08:04.296 UTC": {},
	} {
		var got gamesdrop.Timestamp
		if err := json.Unmarshal(fmt.Appendf(nil, "%q", text), &got); err != nil || !got.Time.Equal(want) || got.Text != text {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestAmount_KeepsTheLiteralOrSaysThatThereIsNone(t *testing.T) {
	t.Parallel()
	for literal, want := range map[string]string{
		`560.10`: `560.10`, `"560.10"`: `560.10`, `" 5 "`: `5`, `5.601e2`: `5.601e2`, `0`: `0`, `-75.00`: `-75.00`,
		`null`: `null`, `""`: `null`, `"x"`: `null`, `{}`: `null`, `[1]`: `null`, `true`: `null`, `"1,5"`: `null`,
		`1e999`: `null`, `"0x10"`: `null`, `"NaN"`: `null`, `"Infinity"`: `null`, `"007"`: `null`,
	} {
		var a gamesdrop.Amount
		if err := json.Unmarshal([]byte(literal), &a); err != nil {
			t.Errorf("%s: %v", literal, err)
		}
		if got, err := json.Marshal(a); err != nil || string(got) != want || a.Valid != (want != "null") {
			t.Errorf("%s: %s, valid %v, %v", literal, got, a.Valid, err)
		}
	}
}

func TestAmount_AnyPriceComesBackToTheLastDigit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		literal := rapid.StringMatching(`(0|[1-9][0-9]{0,11})(\.[0-9]{1,18})?`).Draw(t, "price")
		quoted := literal
		if rapid.Bool().Draw(t, "quoted") {
			quoted = `"` + literal + `"`
		}
		var a gamesdrop.Amount
		if err := json.Unmarshal([]byte(quoted), &a); err != nil || !a.Valid {
			t.Fatalf("%s cannot be read: %v", quoted, err)
		}
		if again, err := json.Marshal(a); err != nil || string(again) != literal {
			t.Fatalf("%s became %s, %v", literal, again, err)
		}
	})
}

func TestFields_TakeAnyValueWithoutFailing(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`null`, `true`, `0`, `-1`, `1.5`, `1e99`, `""`, `"x"`, `[]`, `[[1]]`, `{}`, `{"a":{}}`} {
		var names, body []string
		for _, name := range []string{
			"orderId", "count", "price", "currency", "offerId", "productName", "offerName", "status",
			"isReturnDataForCustomer", "key", "createdAt", "fulfillmentData", "message",
		} {
			names = append(names, name)
			body = append(body, fmt.Sprintf("%q:%s", name, value))
		}
		var o gamesdrop.Order
		if err := json.Unmarshal([]byte("{"+strings.Join(body, ",")+"}"), &o); err != nil {
			t.Errorf("%s in all of %v: %v", value, names, err)
		}
	}
}

func TestKey_AppearsNowhereButInTheDeliverable(t *testing.T) {
	t.Parallel()
	const code = "GOODS-CODE-001"
	var o gamesdrop.Order
	if err := json.Unmarshal([]byte(`{"orderId":1,"key":"`+code+`"}`), &o); err != nil || o.Key.Reveal() != code {
		t.Fatal(err)
	}
	rendered, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(o), fmt.Sprintf("%+v", o), fmt.Sprintf("%#v", o), fmt.Sprintf("%q %x %d", o.Key, o.Key, o.Key), o.Key.String(), string(rendered)} {
		if strings.Contains(text, code) {
			t.Errorf("the code is in %s", text)
		}
	}
}

func TestKeys_AreInNoErrorWhateverTheFault(t *testing.T) {
	t.Parallel()
	for _, shape := range []string{
		`{"orderId":"x","status":"COMPLETED","key":%q}`,
		`{"orderId":1,"offerId":1002,"status":"COMPLETED","key":%q}`,
		`{"orderId":1,"status":"COMPLETED","key":%q`,
		`{"orderId":1,"status":"COMPLETED","key":%q,"key":1}`,
		`{"orderId":1,"status":"COMPLETED","key":[%q],"error":"SERVICE_UNAVAILABLE"}`,
		`<html>%q</html>`, `%q`, `[%q]`,
	} {
		for _, status := range []int{200, 400, 429, 500} {
			const code = "GOODS-CODE-001"
			s := newScript(t, map[string]reply{createPath: {status: status, body: fmt.Sprintf(shape, code)}})
			_, err := s.provider(t).Place(guarded(t), sample(), plan())
			if err == nil {
				t.Fatalf("%s under %d is no error", shape, status)
			}
			if text := fmt.Sprintf("%v %+v %#v %+v", err, err, err, *providers.AsError(err)); strings.Contains(text, code) {
				t.Errorf("%s under %d: the error shows the code: %s", shape, status, text)
			}
		}
	}
}

func TestClient_AsksForTheBalanceAndItsHistoryPageByPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 45 {
		b.Refill("1.00")
	}
	balance, err := b.Client().Balance(t.Context())
	if err != nil || balance.Balance.Literal != "1045.00" || balance.Currency.Code != "USD" {
		t.Errorf("%+v, %v", balance, err)
	}
	var ids []gamesdrop.ID
	for page, want := range map[int]int{0: 20, 1: 20, 2: 20, 3: 5, 4: 0} {
		got, err := b.Client().Transactions(t.Context(), gamesdrop.TransactionsRequest{Page: page})
		if err == nil && want == 0 && len(got.Transactions) == 0 {
			continue
		}
		if err != nil || len(got.Transactions) != want || got.Total.Value != 45 {
			t.Fatalf("page %d: %+v, %v", page, got, err)
		}
		if page == 3 {
			for _, e := range got.Transactions {
				ids = append(ids, e.ID)
			}
		}
	}
	if diff := cmp.Diff([]gamesdrop.ID{"5", "4", "3", "2", "1"}, ids); diff != "" {
		t.Error(diff)
	}
}

func TestPrepare_TheTestOfferIsNeverDebited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.SetBalance("0")
	answer, plan := b.buy(offerOrder(messages.OfferParams{OfferID: gamesdroptest.OfferTest, Email: "test@example.com", GameUserID: "000"}))
	if answer.Status != providers.StatusSucceeded || plan.Quote.String() != "23.09 KZT" || b.Balance().Sign() != 0 {
		t.Errorf("%v for %v, balance %v", answer.Status, plan.Quote, b.Balance())
	}
}
