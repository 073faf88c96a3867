package money_test

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/money"
)

// written is the model: the underlying library's own text.
func written(d decimal.Decimal, places int) (text, fixed string, needed int) {
	_, frac, _ := strings.Cut(d.String(), ".")
	return d.String(), d.StringFixed(int32(max(places, len(frac)))), len(frac)
}

// coefficients are of all lengths, and often end in zeros or lie beside a limit.
func coefficients() *rapid.Generator[*big.Int] {
	limits := []int64{0, 1, 9, 10, 99, 100, 1e17, 1e18 - 1, 1e18, 1e18 + 1, math.MaxInt64 - 1, math.MaxInt64, math.MinInt64, math.MinInt64 + 1}
	return rapid.OneOf(
		rapid.Map(rapid.SampledFrom(limits), big.NewInt),
		rapid.Map(rapid.Int64(), big.NewInt),
		rapid.Custom(func(t *rapid.T) *big.Int {
			text := rapid.StringMatching(`[1-9][0-9]{0,20}`).Draw(t, "digits") + strings.Repeat("0", rapid.IntRange(0, 20).Draw(t, "zeros"))
			n, _ := new(big.Int).SetString(text, 10)
			return n
		}),
	)
}

func TestDecimal_IsWrittenAsTheLibraryWritesIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		coefficient := coefficients().Draw(t, "coefficient")
		if rapid.Bool().Draw(t, "negative") {
			coefficient.Neg(coefficient)
		}
		d := decimal.NewFromBigInt(coefficient, rapid.Int32Range(-45, 12).Draw(t, "exponent"))
		places := rapid.IntRange(-3, 40).Draw(t, "places")
		text, fixed, needed := written(d, places)
		m := money.Of(d)
		if m.String() != text || m.Fixed(places) != fixed || m.Places() != needed {
			t.Fatalf("%s·10^%d: %s, Fixed(%d) %s, %d places; want %s, %s, %d",
				coefficient, d.Exponent(), m, places, m.Fixed(places), m.Places(), text, fixed, needed)
		}
	})
}

// What is read is written as the library writes it, through every operation.
func TestDecimal_ReckonedValuesAreWrittenAsTheLibraryWritesThem(t *testing.T) {
	t.Parallel()
	if text, fixed, needed := written(decimal.Decimal{}, 2); (money.Decimal{}).String() != text || (money.Decimal{}).Fixed(2) != fixed || needed != 0 {
		t.Errorf("zero is %s and %s", money.Decimal{}, money.Decimal{}.Fixed(2))
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := literal().Draw(t, "a"), literal().Draw(t, "b")
		x, y := money.MustDecimal(a), money.MustDecimal(b)
		p, q := decimal.RequireFromString(a), decimal.RequireFromString(b)
		places := rapid.IntRange(0, 12).Draw(t, "places")
		for name, both := range map[string]struct {
			ours   money.Decimal
			theirs decimal.Decimal
		}{
			"read": {x, p}, "added": {x.Add(y), p.Add(q)}, "subtracted": {x.Sub(y), p.Sub(q)}, "negated": {x.Neg(), p.Neg()},
		} {
			text, fixed, needed := written(both.theirs, places)
			if both.ours.String() != text || both.ours.Fixed(places) != fixed || both.ours.Places() != needed {
				t.Fatalf("%s, %s and %s: %s, want %s", name, a, b, both.ours.Fixed(places), fixed)
			}
		}
	})
}

func BenchmarkMoney_MarshalJSON(b *testing.B) {
	m := money.Must("560.10", "RUB")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMoney_AmountString(b *testing.B) {
	m := money.Must("560.1", "RUB")
	b.ReportAllocs()
	for b.Loop() {
		if m.AmountString() != "560.10" {
			b.Fatal(m)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := money.Parse("560.10", "RUB"); err != nil {
			b.Fatal(err)
		}
	}
}

// A number as one of a fresh goroutine's first: its stack counts.
func BenchmarkMoney_AmountStringOnASmallStack(b *testing.B) {
	m := money.Must("560.1", "RUB")
	done := make(chan string)
	for b.Loop() {
		go func() { done <- m.AmountString() }()
		<-done
	}
}
