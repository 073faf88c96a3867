package worker

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nkeys"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/providers"
)

// sealed is a deliverable that only the owner of the order's seal_to can read:
// an xkey box of the deliverable's JSON, made with a key pair used once.
type sealed struct {
	Sealed string `json:"sealed"` // base64 of the box
	Sender string `json:"sender"` // public key of the pair it was made with
}

func seal(deliverable []byte, recipient string) (json.RawMessage, error) {
	pair, err := nkeys.CreateCurveKeys()
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	defer pair.Wipe()
	sender, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	box, err := pair.Seal(deliverable, recipient)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return json.Marshal(sealed{Sealed: base64.StdEncoding.EncodeToString(box), Sender: sender})
}

// checkSeal finds out before anything is bought whether what is bought could
// be sealed.
func (t *task) checkSeal() error {
	if t.order.SealTo == "" {
		return nil
	}
	if _, err := seal([]byte("{}"), t.order.SealTo); err != nil {
		return &providers.Error{
			Op: "seal", Class: providers.Rejected, Code: providers.CodeInvalidOrder, Message: "seal_to is not a usable xkey public key",
		}
	}
	return nil
}

// sealed seals what was bought, before it is written anywhere. The goods of an
// order that asks for a seal are never written without one.
func (t *task) sealed(c order.Change) (order.Change, error) {
	if t.order.SealTo == "" || c.Deliverable == nil {
		return c, nil
	}
	deliverable, err := seal(c.Deliverable, t.order.SealTo)
	c.Deliverable = deliverable
	return c, err
}
