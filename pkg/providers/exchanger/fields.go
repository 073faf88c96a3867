package exchanger

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/money"
)

// The scalar types of this file, like those of providerhttp, never fail to decode: an answer that tells of
// a bid must not become unreadable over a field nobody needs. What is needed is
// asked for its validity where it is used.

// Text is a text, or whatever else stands in its place, literally. It may hold
// markup: what is shown to anybody goes through plain first.
type Text = providerhttp.Text

// ID is a number that names something, kept as text so that no digit is lost.
type ID = providerhttp.ID

// Flag is 0 or 1, as a number or a string.
type Flag struct{ Value, Known bool }

// UnmarshalJSON reads 0 and 1, and booleans.
func (f *Flag) UnmarshalJSON(b []byte) error {
	text := providerhttp.Scalar(b)
	yes, no := text == "1" || text == "true", text == "0" || text == "false"
	*f = Flag{Value: yes, Known: yes || no}
	return nil
}

// MarshalJSON writes 1, 0, or null where neither was told.
func (f Flag) MarshalJSON() ([]byte, error) {
	switch {
	case !f.Known:
		return []byte("null"), nil
	case f.Value:
		return []byte("1"), nil
	default:
		return []byte("0"), nil
	}
}

// Amount is an amount with the text it was read from. Sites put markup, spaces
// and currency codes around their numbers.
type Amount struct {
	Literal string
	Value   money.Decimal
	Valid   bool // there is exactly one number in the literal
}

// amountText matches a number, perhaps with a currency code after it.
var amountText = regexp.MustCompile(`^(-?[0-9]+(?:\.[0-9]+)?)(?:[A-Za-z]{2,10})?$`)

// maxAmount is more than any number with its markup: what is longer is a text,
// and an answer may hold many.
const maxAmount = 500

var leadingZeros = regexp.MustCompile(`^(-?)0+([0-9])`)

// ParseAmount reads an amount as a site writes it.
func ParseAmount(literal string) Amount {
	a := Amount{Literal: literal}
	if len(literal) > maxAmount {
		return a
	}
	bare := strings.Join(strings.Fields(plain(literal, maxScanned)), "")
	m := amountText.FindStringSubmatch(bare)
	if m == nil {
		return a
	}
	v, err := money.ParseDecimal(leadingZeros.ReplaceAllString(m[1], "$1$2"))
	if err == nil {
		a.Value, a.Valid = v, true
	}
	return a
}

// UnmarshalJSON reads a number or a string.
func (a *Amount) UnmarshalJSON(b []byte) error {
	*a = ParseAmount(providerhttp.Scalar(b))
	return nil
}

// MarshalJSON writes the literal as a string.
func (a Amount) MarshalJSON() ([]byte, error) { return json.Marshal(a.Literal) }

// money joins the amount with a currency code; nil where either is unreadable.
func (a Amount) money(code Text) *money.Money {
	if !a.Valid {
		return nil
	}
	return providerhttp.MoneyOf(a.Value, strings.ToUpper(plain(string(code), maxScanned)))
}

// List is a list that PHP may write as an array, as an object, or as "" or
// null where it is empty. An element that cannot be read makes the whole list
// unreadable: a bid that is dropped silently would look like one that is absent.
type List[T any] []T

var errNoList = errors.New("not a list")

// UnmarshalJSON reads any of these forms, an object in the order of its keys.
func (l *List[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	trimmed := bytes.TrimSpace(b)
	switch {
	case bytes.HasPrefix(trimmed, []byte("[")):
		return json.Unmarshal(trimmed, (*[]T)(l))
	case bytes.HasPrefix(trimmed, []byte("{")):
		var byKey map[string]json.RawMessage
		if err := json.Unmarshal(trimmed, &byKey); err != nil {
			return err
		}
		for _, k := range inOrder(byKey) {
			var v T
			if err := json.Unmarshal(byKey[k], &v); err != nil {
				return err
			}
			*l = append(*l, v)
		}
		return nil
	case providerhttp.Scalar(trimmed) == "":
		return nil
	default:
		return errNoList
	}
}

// Options are the options of a select by their keys. PHP writes keys that are
// just the places as none, in an array. What is neither is no options.
type Options []FieldOption

// UnmarshalJSON reads either form, an object in the order of its keys.
func (o *Options) UnmarshalJSON(b []byte) error {
	*o = nil
	var list []Text
	var byKey map[string]Text
	switch {
	case json.Unmarshal(b, &list) == nil:
		for i, label := range list {
			*o = append(*o, FieldOption{Key: strconv.Itoa(i), Label: label})
		}
	case json.Unmarshal(b, &byKey) == nil:
		for _, k := range inOrder(byKey) {
			*o = append(*o, FieldOption{Key: k, Label: byKey[k]})
		}
	}
	return nil
}

// MarshalJSON writes them as PHP does.
func (o Options) MarshalJSON() ([]byte, error) {
	list, byKey, places := make([]Text, len(o)), make(map[string]Text, len(o)), true
	for i, option := range o {
		list[i], byKey[option.Key] = option.Label, option.Label
		places = places && option.Key == strconv.Itoa(i)
	}
	if places {
		return json.Marshal(list)
	}
	return json.Marshal(byKey)
}

// inOrder returns the keys of an object as the site meant their order.
func inOrder[T any](byKey map[string]T) []string {
	return slices.SortedFunc(maps.Keys(byKey), numerically)
}

// numerically puts "2" before "10", as the site meant it.
func numerically(a, b string) int {
	if len(a) != len(b) && providerhttp.PositiveInteger(a) && providerhttp.PositiveInteger(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// UnmarshalJSON reads an object, and takes anything else for an empty one: a
// bid without actions still has a status.
func (a *Actions) UnmarshalJSON(b []byte) error {
	type bare Actions
	*a = Actions{}
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return nil
	}
	return json.Unmarshal(b, (*bare)(a))
}

// UnmarshalJSON reads an object, and takes anything else for an empty one.
func (i *DirectionInfo) UnmarshalJSON(b []byte) error {
	type bare DirectionInfo
	*i = DirectionInfo{}
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return nil
	}
	return json.Unmarshal(b, (*bare)(i))
}
