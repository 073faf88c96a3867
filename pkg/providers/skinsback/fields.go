package skinsback

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/money"
)

// The field types of this file, like those of providerhttp, never fail to decode: an answer that tells of a
// deposit must not become unreadable over a field nobody needs. What is needed
// is asked for its validity where it is used.

// Text is a text, or whatever else stands in its place, literally.
type Text = providerhttp.Text

// ID is the number of a deposit, as create writes it, or the string that
// orderstatus makes of it.
type ID = providerhttp.ID

// Code is the number of an error.
type Code struct {
	Value int
	Known bool // there was one
}

// UnmarshalJSON reads a number or a string.
func (c *Code) UnmarshalJSON(b []byte) error {
	v, err := strconv.Atoi(providerhttp.Scalar(b))
	*c = Code{Value: v, Known: err == nil}
	if err != nil {
		c.Value = 0
	}
	return nil
}

// Amount is a number that may be missing. It is exact: "double" in the
// document never passes through one here.
type Amount struct {
	Value money.Decimal
	Known bool // there was a number
}

// UnmarshalJSON reads a number, or a string that holds one.
func (a *Amount) UnmarshalJSON(b []byte) error {
	*a = Amount{}
	a.Known = a.Value.UnmarshalJSON(b) == nil
	return nil
}

// MarshalJSON writes the number as a string, or null where there is none.
func (a Amount) MarshalJSON() ([]byte, error) {
	if !a.Known {
		return []byte("null"), nil
	}
	return a.Value.MarshalJSON()
}

// positive reports whether there is a number above zero.
func (a Amount) positive() bool { return a.Known && a.Value.Sign() > 0 }

// in joins the amount with a currency; nil where either cannot be read.
func (a Amount) in(code Text) *money.Money {
	if !a.Known {
		return nil
	}
	return providerhttp.MoneyOf(a.Value, strings.ToUpper(string(code)))
}

// maxCurrencies bounds how many currencies of one sum are passed on: an event
// must stay within its size, and no list of currencies is that long.
const maxCurrencies = 256

// Amounts is one sum in many currencies, by their codes in capitals.
type Amounts map[money.Currency]money.Decimal

// UnmarshalJSON reads an object of numbers, or of strings that hold them. What
// is no currency or no number is left out, and so is anything that is not an
// object: PHP writes an empty one as an array.
func (a *Amounts) UnmarshalJSON(b []byte) error {
	*a = nil
	var object map[string]Amount
	if json.Unmarshal(b, &object) != nil || len(object) > maxCurrencies {
		return nil
	}
	for code, amount := range object {
		currency, err := money.ParseCurrency(strings.ToUpper(code))
		if err != nil || !amount.Known {
			continue
		}
		if *a == nil {
			*a = Amounts{}
		}
		(*a)[currency] = amount.Value
	}
	return nil
}

// Unix is a time in seconds since 1970.
type Unix struct{ Time time.Time } // zero where there is none

// The years between which a number of seconds is a time: one of milliseconds
// is far beyond, and an event cannot hold every year.
const (
	firstSecond = 946684800  // 2000
	lastSecond  = 4102444800 // 2100
)

// UnmarshalJSON reads a number or a string.
func (u *Unix) UnmarshalJSON(b []byte) error {
	*u = Unix{}
	if s, err := strconv.ParseInt(providerhttp.Scalar(b), 10, 64); err == nil && s >= firstSecond && s < lastSecond {
		u.Time = time.Unix(s, 0).UTC()
	}
	return nil
}

// MarshalJSON writes the seconds, or null where there is no time.
func (u Unix) MarshalJSON() ([]byte, error) {
	if u.Time.IsZero() {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, u.Time.Unix(), 10), nil
}
