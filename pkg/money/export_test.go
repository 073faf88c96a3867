package money

import "github.com/shopspring/decimal"

// Of returns a Decimal of any coefficient and exponent, also of those that no
// text is read as.
func Of(d decimal.Decimal) Decimal { return Decimal{d: d} }
