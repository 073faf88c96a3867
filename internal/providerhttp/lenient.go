package providerhttp

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/beltline-io/beltline/pkg/money"
)

// The types of this file never fail to decode: an answer that tells of a
// purchase must not become unreadable over a field nobody needs. What is needed
// is asked for its validity where it is used. What providers write in ways of
// their own (amounts within markup, flags, goods codes) stays with them.

var positiveInteger = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)

// PositiveInteger reports whether the text is one, without sign, leading zeros
// or spaces, and of at most 19 digits.
func PositiveInteger(text string) bool { return positiveInteger.MatchString(text) }

// Scalar returns a JSON value as text: a string without its quotes, null as
// nothing, anything else literally.
func Scalar(b []byte) string {
	var s string
	switch text := string(bytes.TrimSpace(b)); {
	case text == "null":
		return ""
	case strings.HasPrefix(text, `"`) && json.Unmarshal(b, &s) == nil:
		return strings.TrimSpace(s)
	default:
		return text
	}
}

// Text is a text, or whatever else stands in its place, literally. It may hold
// markup and control characters: what is shown to anybody is cleaned first.
type Text string

// UnmarshalJSON reads any value.
func (t *Text) UnmarshalJSON(b []byte) error {
	*t = Text(Scalar(b))
	return nil
}

// ID is a number that names something, kept as text so that no digit is lost.
type ID string

// Valid reports whether the id is a positive integer.
func (id ID) Valid() bool { return PositiveInteger(string(id)) }

// UnmarshalJSON reads a number or a string.
func (id *ID) UnmarshalJSON(b []byte) error {
	*id = ID(Scalar(b))
	return nil
}

// MoneyOf joins an amount that a provider told with its currency code; nil
// where the code is none or the amount is below zero.
func MoneyOf(amount money.Decimal, code string) *money.Money {
	currency, err := money.ParseCurrency(code)
	if err != nil || amount.Sign() < 0 {
		return nil
	}
	m := money.New(amount, currency)
	return &m
}
