package gamesdrop

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/money"
)

// The field types of this file, like those of providerhttp, never fail to decode: an answer that tells of a
// purchase must not become unreadable over a field nobody needs. What is needed
// is asked for its validity where it is used.

// OfferID names an offer: a number on the wire for all goods, a string for
// Telegram Stars. Both are read, whichever way they come.
type OfferID string

// NumberedOffer is the id of any offer but Telegram Stars.
func NumberedOffer(n int64) OfferID { return OfferID(strconv.FormatInt(n, 10)) }

// StarsOffer is the id of an amount of Telegram Stars.
func StarsOffer(stars int64) OfferID { return OfferID(fmt.Sprintf("telegram_stars_%d", stars)) }

// MarshalJSON writes a number where the id is one, else a string. The document
// insists on it: a number in quotes is refused.
func (id OfferID) MarshalJSON() ([]byte, error) {
	if providerhttp.PositiveInteger(string(id)) {
		return []byte(id), nil
	}
	return json.Marshal(string(id))
}

// UnmarshalJSON reads either form.
func (id *OfferID) UnmarshalJSON(b []byte) error {
	*id = OfferID(providerhttp.Scalar(b))
	return nil
}

// ID is a number that names something, kept as text so that no digit is lost.
// It is a type of its own because requests bear it as a number.
type ID string

// Valid reports whether the id is a positive integer.
func (id ID) Valid() bool { return providerhttp.PositiveInteger(string(id)) }

// MarshalJSON writes the number, or null for an id that is none.
func (id ID) MarshalJSON() ([]byte, error) {
	if !id.Valid() {
		return []byte("null"), nil
	}
	return []byte(id), nil
}

// UnmarshalJSON reads a number or a string.
func (id *ID) UnmarshalJSON(b []byte) error {
	*id = ID(providerhttp.Scalar(b))
	return nil
}

// Amount is an amount of money with the literal it was read from, because the
// price sent must be the price received to the last digit.
type Amount struct {
	Literal string // as a JSON number
	Value   money.Decimal
	Valid   bool // the literal is a number
}

// ParseAmount reads a number as it may stand in JSON.
func ParseAmount(literal string) Amount {
	a := Amount{Literal: strings.TrimSpace(literal)}
	a.Valid = a.Value.UnmarshalJSON([]byte(a.Literal)) == nil && !strings.HasPrefix(a.Literal, `"`)
	return a
}

// Positive reports whether the amount is valid and above zero.
func (a Amount) Positive() bool { return a.Valid && a.Value.Sign() > 0 }

// MarshalJSON writes the literal as a number, or null where it is none.
func (a Amount) MarshalJSON() ([]byte, error) {
	if !a.Valid {
		return []byte("null"), nil
	}
	return []byte(a.Literal), nil
}

// UnmarshalJSON reads a number, or a string that holds one.
func (a *Amount) UnmarshalJSON(b []byte) error {
	*a = ParseAmount(providerhttp.Scalar(b))
	return nil
}

// money joins the amount with a currency code; nil where either is unreadable.
func (a Amount) money(code Text) *money.Money {
	if !a.Valid {
		return nil
	}
	return providerhttp.MoneyOf(a.Value, string(code))
}

// Integer is a whole number.
type Integer struct {
	Value int64
	Known bool // there was one
}

// MarshalJSON writes the number, or null where there is none.
func (n Integer) MarshalJSON() ([]byte, error) {
	if !n.Known {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, n.Value, 10), nil
}

// UnmarshalJSON reads a number or a string.
func (n *Integer) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseInt(providerhttp.Scalar(b), 10, 64)
	*n = Integer{Value: v, Known: err == nil}
	if err != nil {
		n.Value = 0
	}
	return nil
}

// Text is a text, or whatever else stands in its place, literally.
type Text = providerhttp.Text

// Flag is a boolean that may be missing.
type Flag struct {
	Value bool
	Known bool // it was true or false
}

// MarshalJSON writes the boolean, or null where there is none.
func (f Flag) MarshalJSON() ([]byte, error) {
	if !f.Known {
		return []byte("null"), nil
	}
	return strconv.AppendBool(nil, f.Value), nil
}

// UnmarshalJSON reads a boolean, also one in quotes.
func (f *Flag) UnmarshalJSON(b []byte) error {
	text := providerhttp.Scalar(b)
	*f = Flag{Value: text == "true", Known: text == "true" || text == "false"}
	return nil
}

// Key is a goods code. It cannot be printed, logged or marshalled: whoever
// reads it holds the goods.
type Key struct{ code secret.String }

// Reveal returns the code. Call it where a deliverable is made, nowhere else.
func (k Key) Reveal() string { return k.code.Reveal() }

// Empty reports whether there is no code.
func (k Key) Empty() bool { return k.code.Empty() }

// String hides the code.
func (k Key) String() string { return k.code.String() }

// Format hides the code from every verb of fmt.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText hides the code from JSON.
func (k Key) MarshalText() ([]byte, error) { return k.code.MarshalText() }

// UnmarshalJSON takes the code to the letter, also where it is a number or a
// list of codes; only what is plainly no code is left out.
func (k *Key) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		text = providerhttp.Scalar(b)
	}
	switch text {
	case "true", "false", "[]", "{}":
		text = ""
	}
	k.code = secret.New(text)
	return nil
}

// Timestamp is a time in one of the document's two formats.
type Timestamp struct {
	Time time.Time // zero where the text is in neither
	Text string
}

// UnmarshalJSON reads "2024-05-28 10:08:04.296+00" and "2025-08-26T12:30:15.234Z".
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	*t = Timestamp{Text: providerhttp.Scalar(b)}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05-07"} {
		if at, err := time.Parse(layout, t.Text); err == nil {
			t.Time = at.UTC()
			break
		}
	}
	return nil
}

// MarshalJSON writes the text as it came.
func (t Timestamp) MarshalJSON() ([]byte, error) { return json.Marshal(t.Text) }
