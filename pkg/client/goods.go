package client

import (
	"encoding/json"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Goods is what was delivered: nil where nothing was, as it stands where it is
// not sealed, and otherwise opened by the seed of the xkey whose public half the
// order had in SealTo. Make one with messages.NewSealKey. The errors are those
// of [messages.Unseal].
func (e Event) Goods(seed []byte) (json.RawMessage, error) {
	if len(e.Deliverable) == 0 || !messages.IsSealed(e.Deliverable) {
		return e.Deliverable, nil
	}
	return messages.Unseal(e.Deliverable, seed)
}
