package worker

import (
	"math/big"

	"github.com/beltline-io/beltline/pkg/money"
)

// inexact is an amount as a binary float of 24 bits would hold it. Only a mutant
// calls it.
func inexact(m *money.Money) *money.Money {
	if m == nil {
		return nil
	}
	f, ok := new(big.Float).SetPrec(24).SetString(m.AmountString())
	if !ok {
		return m
	}
	amount, err := money.ParseDecimal(f.Text('f', 6))
	if err != nil {
		return m
	}
	near := money.New(amount, m.Currency)
	return &near
}
