package money_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/money"
)

func TestParseDecimal_TakesPlainLiteralsOnly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "560.10": "560.1", "0.000000000000000001": "0.000000000000000001", "-1.50": "-1.5",
		"100": "100", "999999999999999999999999999999": "999999999999999999999999999999", "0.00": "0",
	} {
		d, err := money.ParseDecimal(in)
		if err != nil || d.String() != want {
			t.Errorf("%q: %s %v", in, d, err)
		}
	}
	for _, in := range []string{
		"", "+1", "01", "00", ".5", "5.", "1e3", "1E3", " 1", "1 ", "1\n", "1,5", "1_000", "0x10", "NaN", "Inf", "-", "--1", "١", "1.2.3",
		strings.Repeat("9", 31), "0.0000000000000000001", "1" + strings.Repeat("0", 5000), "null", "1/2",
	} {
		if d, err := money.ParseDecimal(in); !errors.Is(err, money.ErrSyntax) {
			t.Errorf("%.40q is %s, %v", in, d, err)
		}
	}
}

func TestDecimal_UnmarshalJSONReadsWhatProvidersSend(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`1526.3599853515625`: "1526.3599853515625", `"560.10"`: "560.1", `4692`: "4692", `" 0.77 "`: "0.77",
		`1e3`: "1000", `1.5E-3`: "0.0015", `-75.00`: "-75", `"1e29"`: "1" + strings.Repeat("0", 29), `"\u0035"`: "5",
		`1e-18`: "0.000000000000000001",
	} {
		var d money.Decimal
		if err := json.Unmarshal([]byte(in), &d); err != nil || d.String() != want {
			t.Errorf("%s: %s %v", in, d, err)
		}
	}
	for _, in := range []string{`null`, `""`, `"no"`, `true`, `{}`, `[1]`, `1e30`, `1e99`, `1e-19`, `"1e100"`, `1e999999999`, `123456789012345678901234567890e1`, `"\ud800"`, `"1`} {
		d := money.FromInt(7)
		if err := json.Unmarshal([]byte(in), &d); err == nil || d.String() != "7" {
			t.Errorf("%s is %s", in, d)
		}
	}
	var direct money.Decimal
	if err := direct.UnmarshalJSON([]byte(`"1`)); err == nil {
		t.Error("half a text is a number")
	}
}

func TestDecimal_AbsentAmountIsANilPointerNeverZero(t *testing.T) {
	t.Parallel()
	var in struct{ A, B, C *money.Decimal }
	if err := json.Unmarshal([]byte(`{"A":"0","B":null}`), &in); err != nil {
		t.Fatal(err)
	}
	if in.A == nil || in.A.Sign() != 0 || in.B != nil || in.C != nil {
		t.Errorf("%v %v %v", in.A, in.B, in.C)
	}
}

func TestDecimal_FixedNeverRounds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in     string
		places int
		want   string
	}{
		{"560.1", 2, "560.10"}, {"5", 2, "5.00"}, {"5", 0, "5"}, {"513.35075", 2, "513.35075"}, {"0.005", 2, "0.005"},
		{"1.999", 0, "1.999"}, {"-0.1", 2, "-0.10"}, {"5", -3, "5"}, {"0", 2, "0.00"}, {"1234", -2, "1234"},
	}
	for _, tt := range tests {
		if got := money.MustDecimal(tt.in).Fixed(tt.places); got != tt.want {
			t.Errorf("Fixed(%d) of %s is %s", tt.places, tt.in, got)
		}
	}
}

func TestDecimal_PlacesCountsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"1": 0, "1.0": 0, "1.10": 1, "0.000000000000000001": 18, "-2.25": 2, "100": 0} {
		if got := money.MustDecimal(in).Places(); got != want {
			t.Errorf("%s needs %d places", in, got)
		}
	}
}

func literal() *rapid.Generator[string] {
	return rapid.StringMatching(`-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?`)
}

// rat is the oracle: exact, and of another library.
func rat(t *rapid.T, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("%q", s)
	}
	return r
}

func TestDecimal_ReckonsAsRationalNumbersDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := literal().Draw(t, "a"), literal().Draw(t, "b")
		x, y := money.MustDecimal(a), money.MustDecimal(b)
		rx, ry := rat(t, a), rat(t, b)
		if x.Cmp(y) != rx.Cmp(ry) || x.Equal(y) != (rx.Cmp(ry) == 0) || x.Sign() != rx.Sign() {
			t.Fatalf("%s against %s", x, y)
		}
		if rat(t, x.Add(y).String()).Cmp(new(big.Rat).Add(rx, ry)) != 0 {
			t.Fatalf("%s + %s = %s", x, y, x.Add(y))
		}
		if rat(t, x.Sub(y).String()).Cmp(new(big.Rat).Sub(rx, ry)) != 0 {
			t.Fatalf("%s - %s = %s", x, y, x.Sub(y))
		}
		if !x.Neg().Add(x).Equal(money.Decimal{}) || !x.Sub(y).Equal(y.Sub(x).Neg()) {
			t.Fatalf("negation of %s", x)
		}
		places := rapid.IntRange(0, 12).Draw(t, "places")
		if rat(t, x.Fixed(places)).Cmp(rx) != 0 {
			t.Fatalf("Fixed(%d) of %s is %s", places, x, x.Fixed(places))
		}
	})
}

func TestParse_ReportsBothFaults(t *testing.T) {
	t.Parallel()
	_, err := money.Parse("x", "rub")
	if !errors.Is(err, money.ErrSyntax) || !errors.Is(err, money.ErrCurrency) {
		t.Error(err)
	}
}

func TestParseCurrency_ChecksTheForm(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"RUB", "USDT", "USDTTRC20", "BTC", "1INCH"} {
		if c, err := money.ParseCurrency(good); err != nil || string(c) != good {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "R", "rub", "RUB ", "RUB\n", "РУБ", "ABCDEFGHIJK", "US$"} {
		if _, err := money.ParseCurrency(bad); !errors.Is(err, money.ErrCurrency) {
			t.Errorf("%q is a currency", bad)
		}
	}
}

func TestMoney_ComparesWithinOneCurrencyOnly(t *testing.T) {
	t.Parallel()
	a, b := money.Must("1.0", "RUB"), money.Must("1.00", "RUB")
	if !a.Equal(b) || a.Equal(money.Must("1", "USD")) || a.Equal(money.Must("2", "RUB")) {
		t.Error("equality")
	}
	if c, err := a.Cmp(money.Must("2", "RUB")); c != -1 || err != nil {
		t.Errorf("%d %v", c, err)
	}
	if c, err := a.Cmp(money.Must("2", "USD")); c != 0 || !errors.Is(err, money.ErrCurrencyMismatch) {
		t.Errorf("%d %v", c, err)
	}
}

func TestMoney_IsWrittenWithThePlacesOfItsCurrency(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]money.Money{
		`{"amount":"560.10","currency":"RUB"}`: money.Must("560.1", "RUB"),
		`{"amount":"0.785","currency":"USD"}`:  money.Must("0.7850", "USD"),
		`{"amount":"31.2","currency":"USDT"}`:  money.Must("31.20", "USDT"),
		`{"amount":"23.09","currency":"KZT"}`:  money.New(money.MustDecimal("23.09"), money.KZT),
		`{"amount":"-75.00","currency":"EUR"}`: money.New(money.FromInt(-75), money.EUR),
		`{"amount":"0.00","currency":"USD"}`:   money.New(money.Decimal{}, money.USD),
	} {
		got, err := json.Marshal(m)
		if err != nil || string(got) != want {
			t.Errorf("%s %v, want %s", got, err, want)
		}
		var back money.Money
		if err := json.Unmarshal(got, &back); err != nil || !back.Equal(m) {
			t.Errorf("%s is read as %s, %v", got, back, err)
		}
	}
	if got := money.Must("560.1", "RUB").String(); got != "560.10 RUB" {
		t.Error(got)
	}
}

func TestMoney_UnmarshalJSONRefusesNumbersAndNull(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`null`, `{}`, `{"amount":560.10,"currency":"RUB"}`, `{"amount":"560.10"}`, `{"amount":"560.10","currency":"rub"}`,
		`{"amount":"1e3","currency":"RUB"}`, `{"amount":null,"currency":"RUB"}`, `"560.10 RUB"`, `[]`,
	} {
		m := money.Must("7", "USD")
		if err := json.Unmarshal([]byte(in), &m); err == nil || !m.Equal(money.Must("7", "USD")) {
			t.Errorf("%s is %s", in, m)
		}
	}
}

func TestMust_PanicsOnBadLiterals(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(){
		"decimal": func() { money.MustDecimal("x") },
		"money":   func() { money.Must("1", "x") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0", "-0.0", "560.10", "1e5", "0.000000000000000001", strings.Repeat("9", 30), "1" + strings.Repeat("0", 40), " 1", "+1", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := money.ParseDecimal(s)
		if err != nil {
			if !errors.Is(err, money.ErrSyntax) || !d.Equal(money.Decimal{}) {
				t.Fatalf("%s %v", d, err)
			}
			return
		}
		exact, ok := new(big.Rat).SetString(s)
		written, ok2 := new(big.Rat).SetString(d.String())
		if !ok || !ok2 || exact.Cmp(written) != 0 {
			t.Fatalf("%q became %s", s, d)
		}
		if d.Places() > 18 {
			t.Fatalf("%d places", d.Places())
		}
		again, err := money.ParseDecimal(d.String())
		if err != nil || !again.Equal(d) || again.String() != d.String() {
			t.Fatalf("%s: %s %v", d, again, err)
		}
	})
}

func FuzzDecimalJSON(f *testing.F) {
	for _, s := range []string{"1526.3599853515625", `"560.10"`, "null", `"1e29"`, "1e99", "-0", `" 1 "`, `"\u0031"`, "0e50", "100e-19"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d money.Decimal
		if json.Unmarshal(b, &d) != nil {
			return
		}
		written, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var again money.Decimal
		if err := json.Unmarshal(written, &again); err != nil || !again.Equal(d) {
			t.Fatalf("%s: %s %v", b, written, err)
		}
		if p, err := money.ParseDecimal(d.String()); err != nil || !p.Equal(d) {
			t.Fatalf("what was read from %s cannot stand on our wire: %v", b, err)
		}
	})
}

func FuzzMoneyJSON(f *testing.F) {
	for _, s := range []string{`{"amount":"560.10","currency":"RUB"}`, `{"amount":1,"currency":"RUB"}`, `{"amount":"1","currency":"USDT"}`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m money.Money
		if json.Unmarshal(b, &m) != nil {
			return
		}
		written, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var again money.Money
		if err := json.Unmarshal(written, &again); err != nil || !again.Equal(m) {
			t.Fatalf("%s: %s %v", b, written, err)
		}
	})
}
