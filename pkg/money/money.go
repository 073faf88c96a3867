package money

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// Errors of this package; callers branch on them.
var (
	// ErrCurrency is returned for a code that is not 2 to 10 capital letters or digits.
	ErrCurrency = errors.New("not a currency code")
	// ErrCurrencyMismatch is returned when two currencies are compared.
	ErrCurrencyMismatch = errors.New("different currencies")
)

var currencyCode = regexp.MustCompile(`^[A-Z0-9]{2,10}$`)

// Currency is a currency code in capitals: "RUB", "USD", "USDT".
type Currency string

// The currencies that the providers' documents name.
const (
	RUB Currency = "RUB"
	USD Currency = "USD"
	EUR Currency = "EUR"
	KZT Currency = "KZT"
)

// ParseCurrency checks the form of a code. Which currencies exist is the
// provider's affair: exchangers sell codes that no public list holds.
func ParseCurrency(s string) (Currency, error) {
	if !currencyCode.MatchString(s) {
		return "", fmt.Errorf("%w: %.20q", ErrCurrency, s)
	}
	return Currency(s), nil
}

// places is the least number of places an amount is written with.
func (c Currency) places() int {
	switch c {
	case RUB, USD, EUR, KZT:
		return 2
	default:
		return 0
	}
}

// Money is an amount in a currency.
type Money struct {
	Amount   Decimal
	Currency Currency
}

// New joins an amount and a currency.
func New(amount Decimal, currency Currency) Money { return Money{Amount: amount, Currency: currency} }

// Parse reads an amount and a currency code.
func Parse(amount, currency string) (Money, error) {
	a, aErr := ParseDecimal(amount)
	c, cErr := ParseCurrency(currency)
	if err := errors.Join(aErr, cErr); err != nil {
		return Money{}, err
	}
	return Money{Amount: a, Currency: c}, nil
}

// Must is [Parse] for literals in code; it panics on bad ones.
func Must(amount, currency string) Money {
	m, err := Parse(amount, currency)
	if err != nil {
		panic(err)
	}
	return m
}

// Equal reports whether both amount and currency are the same.
func (m Money) Equal(o Money) bool { return m.Currency == o.Currency && m.Amount.Equal(o.Amount) }

// Cmp compares two amounts of one currency, and fails with
// [ErrCurrencyMismatch] on two.
func (m Money) Cmp(o Money) (int, error) {
	if m.Currency != o.Currency {
		return 0, fmt.Errorf("%w: %s and %s", ErrCurrencyMismatch, m.Currency, o.Currency)
	}
	return m.Amount.Cmp(o.Amount), nil
}

// AmountString renders the amount with at least the currency's places.
func (m Money) AmountString() string { return m.Amount.Fixed(m.Currency.places()) }

// String renders "560.10 RUB".
func (m Money) String() string { return m.AmountString() + " " + string(m.Currency) }

type wire struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// MarshalJSON writes {"amount":"560.10","currency":"RUB"}.
func (m Money) MarshalJSON() ([]byte, error) {
	return json.Marshal(wire{Amount: m.AmountString(), Currency: string(m.Currency)})
}

// UnmarshalJSON reads the form that MarshalJSON writes. The amount must be a
// string: a number is a fault on our wire.
func (m *Money) UnmarshalJSON(b []byte) error {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	v, err := Parse(w.Amount, w.Currency)
	if err != nil {
		return err
	}
	*m = v
	return nil
}
