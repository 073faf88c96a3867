// Package money holds exact decimal amounts with their currency.
//
// A [Decimal] is read from a JSON number or a JSON string, never through a
// binary float, and is always written as a JSON string. A [Money] is a
// Decimal and a [Currency]. Raw decimals of the underlying library do not
// cross this package's boundary, because there `==` is false for equal values,
// a JSON null is silently zero, and 1.10 is written back as 1.1.
//
// It never converts between currencies and never divides. It imports nothing of
// Beltline; any package may import it.
package money
