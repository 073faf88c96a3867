package worker

import (
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// checkSeal finds out before anything is bought whether what is bought could
// be sealed.
func (t *task) checkSeal() error {
	if t.order.SealTo == "" {
		return nil
	}
	if _, err := messages.Seal([]byte("{}"), t.order.SealTo); err != nil {
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
	deliverable, err := messages.Seal(c.Deliverable, t.order.SealTo)
	c.Deliverable = deliverable
	return c, err
}
