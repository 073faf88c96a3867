package messages_test

import (
	"errors"
	"fmt"

	"github.com/beltline-io/beltline/pkg/messages"
)

// A refused order tells everything that is wrong with it at once.
func ExampleDecodeOrder() {
	_, err := messages.DecodeOrder([]byte(`{
		"v": 1, "id": "ord-1", "provider": "balancesteam", "kind": "topup",
		"params": {"login": "", "amount": 100}
	}`))
	var invalid *messages.InvalidError
	if errors.As(err, &invalid) {
		fmt.Println(invalid.ID)
		for _, f := range invalid.Faults {
			fmt.Println(f.Pointer, f.Message)
		}
	}
	// Output:
	// ord-1
	// /params/login must not be empty
	// /params/amount must be a decimal in a string, such as "560.10", not a number
}

// Spelling does not make another order.
func ExampleSameContent() {
	fmt.Println(messages.SameContent([]byte(`{"id":"a","n":1}`), []byte(`{ "n": 1.0, "\u0069d": "a" }`)))
	// Output: true
}

func ExampleOrderEvents() {
	fmt.Println(messages.OrderEvents("acme", "ord-1"))
	// Output: events.*.acme.ord-1.>
}
