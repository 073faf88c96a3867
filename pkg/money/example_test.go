package money_test

import (
	"encoding/json"
	"fmt"

	"github.com/beltline-io/beltline/pkg/money"
)

// A provider's price becomes exact money, however it was written.
func ExampleDecimal() {
	var answer struct{ Price money.Decimal }
	if err := json.Unmarshal([]byte(`{"price": 513.35075}`), &answer); err != nil {
		fmt.Println(err)
	}
	fmt.Println(money.New(answer.Price, money.RUB))
	// Output: 513.35075 RUB
}

func ExampleMoney_Cmp() {
	price, limit := money.Must("560.11", "RUB"), money.Must("560.10", "RUB")
	fmt.Println(price.Cmp(limit))
	// Output: 1 <nil>
}
