package programs

import (
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/internal/webhook"
)

// SkinsBackCallback reads a callback of SkinsBack that is signed with the key.
func SkinsBackCallback(key secret.String) func([]byte, string) (webhook.Callback, error) {
	return skinsbackCallback(func() secret.String { return key })
}

// ExchangerCallback reads a callback of an exchanger.
var ExchangerCallback = exchangerCallback
