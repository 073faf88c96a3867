package messages_test

import (
	"fmt"

	"github.com/beltline-io/beltline/pkg/messages"
)

// The seed stays with upstream; its public half goes into the orders. Here both
// sides stand in one place.
func ExampleUnseal() {
	seed, sealTo, err := messages.NewSealKey()
	if err != nil {
		panic(err)
	}
	deliverable, err := messages.Seal([]byte(`{"key":"001434249936"}`), sealTo)
	if err != nil {
		panic(err)
	}

	if messages.IsSealed(deliverable) {
		deliverable, err = messages.Unseal(deliverable, seed)
	}
	fmt.Println(string(deliverable), err)
	// Output: {"key":"001434249936"} <nil>
}
