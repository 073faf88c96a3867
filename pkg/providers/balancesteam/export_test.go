package balancesteam

import (
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
)

// Read exposes the reading of an answer, without a connection.
func Read(key string, r *providerhttp.Response) (answer, error) {
	a, err := (&Client{key: secret.New(key)}).read("balancesteam.create", r)
	if err != nil {
		return a, err
	}
	return a, nil
}

// PaymentID exposes the reading of the id of an answer.
func PaymentID(a answer) (string, bool) { return number(a.ID) }

// Amounts exposes the reading of balance and price.
func Amounts(a answer) (balance, price string) {
	if d, ok := amount(a.Balance); ok {
		balance = d.String()
	}
	if d, ok := amount(a.Price); ok {
		price = d.String()
	}
	return balance, price
}
