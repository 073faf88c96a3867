package providerhttp_test

import (
	"encoding/json"
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/money"
)

func TestLenient_NoValueMakesAnAnswerUnreadable(t *testing.T) {
	t.Parallel()
	for literal, want := range map[string]string{
		`"a"`: "a", `" a "`: "a", `""`: "", `null`: "", `12`: "12", `"12"`: "12", `1.50`: "1.50", `12345678901234567890`: "12345678901234567890",
		`true`: "true", `{"a":1}`: `{"a":1}`, `[1, 2]`: `[1, 2]`, `"\u0041"`: "A",
	} {
		var got struct {
			Text providerhttp.Text `json:"text"`
			ID   providerhttp.ID   `json:"id"`
		}
		if err := json.Unmarshal([]byte(`{"text":`+literal+`,"id":`+literal+`}`), &got); err != nil {
			t.Errorf("%s: %v", literal, err)
		}
		if string(got.Text) != want || string(got.ID) != want {
			t.Errorf("%s: %q and %q, want %q", literal, got.Text, got.ID, want)
		}
	}
}

func TestLenient_AnIDIsAPositiveIntegerOrNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"1": true, "9223372036854775807": true, "": false, "0": false, "01": false, "-1": false, "+1": false, "1.0": false,
		"1e3": false, "12 ": false, "١": false, "99999999999999999999": false,
	} {
		if providerhttp.ID(text).Valid() != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestLenient_MoneyNeedsACurrencyAndNoDebt(t *testing.T) {
	t.Parallel()
	if m := providerhttp.MoneyOf(money.MustDecimal("10.5"), "RUB"); m == nil || m.String() != "10.50 RUB" {
		t.Errorf("got %v", m)
	}
	for _, c := range []struct{ amount, code string }{{"-1", "RUB"}, {"1", ""}, {"1", "R U B"}, {"1", "rub"}} {
		if m := providerhttp.MoneyOf(money.MustDecimal(c.amount), c.code); m != nil {
			t.Errorf("%s %q: got %v", c.amount, c.code, m)
		}
	}
}
