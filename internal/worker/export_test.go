package worker

import (
	"context"

	"github.com/rs/zerolog"
)

// The three switches that turn what a provider said into inputs, for the table
// that is held against the contract.
var (
	Owned    = owned
	Prepared = prepared
	Seen     = seen
)

// PayoutKey is the key of a target's turn.
var PayoutKey = payoutKey

// TurnsMark says that all doubts of the ledger have their keys in the bucket.
const TurnsMark = turnsMark

// Passage opens the passage between permits and requests, without its log.
type Passage struct{ p *passage }

// NewPassage is one that lets in most at once.
func NewPassage(most int) Passage { return Passage{newPassage(most, zerolog.Nop())} }

// Enter waits until there is room.
func (p Passage) Enter(ctx context.Context) (arrive func(inTime bool), leave func(), err error) {
	c, err := p.p.enter(ctx)
	return c.arrive, c.leave, err
}
