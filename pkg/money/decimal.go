package money

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// Limits of a decimal literal: wide enough for every provider (the exchanger
// speaks of twelve places), narrow enough that no literal can cost memory.
const (
	maxDigits = 30
	maxPlaces = 18
)

// ErrSyntax is returned when a text is not a plain decimal literal.
var ErrSyntax = errors.New("not a decimal number")

var (
	plain      = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	scientific = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$`)
)

// Decimal is an exact decimal number. Its zero value is 0. Compare with
// [Decimal.Equal] or [Decimal.Cmp]; it is deliberately not comparable with ==.
type Decimal struct {
	_ [0]func() // forbids ==, which is false for equal values such as 1.0 and 1.00
	d decimal.Decimal
}

// ParseDecimal reads a plain decimal literal such as "560.10". Exponents,
// leading zeros, a leading plus and white space are refused, and so are more
// than 30 digits or 18 places.
func ParseDecimal(s string) (Decimal, error) {
	if !plain.MatchString(s) {
		return Decimal{}, fmt.Errorf("%w: %.40q", ErrSyntax, s)
	}
	return parseLimited(s)
}

// parseLimited reads a literal whose syntax has been checked already.
func parseLimited(s string) (Decimal, error) {
	mantissa, _, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(s, "-")), "e")
	if len(strings.Replace(mantissa, ".", "", 1)) > maxDigits {
		return Decimal{}, fmt.Errorf("%w: more than %d digits", ErrSyntax, maxDigits)
	}
	d, err := decimal.NewFromString(s)
	if err != nil {
		return Decimal{}, fmt.Errorf("%w: %.40q", ErrSyntax, s)
	}
	if -d.Exponent() > maxPlaces {
		return Decimal{}, fmt.Errorf("%w: more than %d places", ErrSyntax, maxPlaces)
	}
	// An exponent must not reach what plain digits may not: what is read here
	// is written plainly and has to be read again.
	if d.Exponent() > 0 && d.NumDigits()+int(d.Exponent()) > maxDigits {
		return Decimal{}, fmt.Errorf("%w: more than %d digits", ErrSyntax, maxDigits)
	}
	return Decimal{d: d}, nil
}

// MustDecimal is [ParseDecimal] for literals in code; it panics on a bad one.
func MustDecimal(s string) Decimal {
	d, err := ParseDecimal(s)
	if err != nil {
		panic(err)
	}
	return d
}

// FromInt returns n as a Decimal.
func FromInt(n int64) Decimal { return Decimal{d: decimal.NewFromInt(n)} }

// Equal reports whether d and e are the same number, whatever their scale.
func (d Decimal) Equal(e Decimal) bool { return d.d.Equal(e.d) }

// Cmp returns -1, 0 or +1 as d is less than, equal to or greater than e.
func (d Decimal) Cmp(e Decimal) int { return d.d.Cmp(e.d) }

// Sign returns -1, 0 or +1.
func (d Decimal) Sign() int { return d.d.Sign() }

// Add returns d+e.
func (d Decimal) Add(e Decimal) Decimal { return Decimal{d: d.d.Add(e.d)} }

// Sub returns d-e.
func (d Decimal) Sub(e Decimal) Decimal { return Decimal{d: d.d.Sub(e.d)} }

// Neg returns -d.
func (d Decimal) Neg() Decimal { return Decimal{d: d.d.Neg()} }

// Places returns the number of digits after the point that the number needs.
func (d Decimal) Places() int {
	if _, scale, ok := d.short(0); ok {
		return scale
	}
	_, frac, _ := strings.Cut(d.d.String(), ".")
	return len(frac)
}

// String renders the number without trailing zeros: "560.1".
func (d Decimal) String() string {
	if n, scale, ok := d.short(0); ok {
		return plainText(n, scale, 0)
	}
	return d.d.String()
}

// Fixed renders the number with at least the given number of places, and with
// more where it needs them; it never rounds. Fixed(2) of 560.1 is "560.10".
func (d Decimal) Fixed(places int) string {
	if n, scale, ok := d.short(places); ok {
		return plainText(n, scale, places)
	}
	return d.d.StringFixed(int32(max(places, d.Places()))) //nolint:gosec // both are below 40
}

// short is the number as n·10^-scale without trailing zeros beyond the given
// places, if it is one of those that fit: all but a few. The library writes them
// by long division, on more stack than a fresh goroutine has.
func (d Decimal) short(places int) (n int64, scale int, ok bool) {
	scale = -int(d.d.Exponent())
	if scale < 0 || scale > maxPlaces || d.d.NumDigits() > maxPlaces {
		return 0, 0, false
	}
	n = d.d.CoefficientInt64()
	for scale > max(places, 0) && n%10 == 0 {
		n, scale = n/10, scale-1
	}
	return n, scale, true
}

// plainText writes n·10^-scale with at least the given places. Neither n nor
// 10^scale has more than 19 digits, so that nothing here overflows.
func plainText(n int64, scale, places int) string {
	unit := int64(1)
	for range scale {
		unit *= 10
	}
	b := make([]byte, 0, 48)
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	b = strconv.AppendInt(b, n/unit, 10)
	if scale > 0 {
		point := len(b)
		b = strconv.AppendInt(b, unit+n%unit, 10) // the unit keeps leading zeros
		b[point] = '.'
	} else if places > 0 {
		b = append(b, '.')
	}
	for ; scale < places; scale++ {
		b = append(b, '0')
	}
	return string(b)
}

// MarshalJSON writes a JSON string.
func (d Decimal) MarshalJSON() ([]byte, error) { return []byte(`"` + d.String() + `"`), nil }

// UnmarshalJSON reads a JSON number or a JSON string holding one, by its
// literal text, as the providers send both. null is an error: an absent amount
// must be a nil pointer, never a silent zero.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	text := string(bytes.TrimSpace(b))
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		text = strings.TrimSpace(text)
	}
	if !scientific.MatchString(text) {
		return fmt.Errorf("%w: %.40q", ErrSyntax, text)
	}
	v, err := parseLimited(text)
	if err != nil {
		return err
	}
	*d = v
	return nil
}
