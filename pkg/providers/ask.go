package providers

import (
	"context"
	"errors"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
)

// ErrNotFound is inside the error of [Asker.Ask] when the provider says that
// what was asked about is not there. It is an answer to a question; about an
// order that was placed it would prove nothing.
var ErrNotFound = errors.New("the provider does not know it")

// Asker is offered by a provider that answers questions which are no part of an
// order. All of them only read.
type Asker interface {
	// Ask answers one of the questions that messages has for the provider, with
	// the answer that belongs to it. It makes at most one request. Its errors are
	// *Error; no goods code and no address to pay at is in any answer.
	Ask(ctx context.Context, q messages.Query) (any, error)
	// Lasts is for how long an answer may be told again, because the provider's
	// document says how long it is good for; 0 for not at all.
	Lasts(q messages.Query) time.Duration
}

// NotFound marks err as the provider's word that there is no such thing.
func NotFound(err error) error {
	e := *AsError(err)
	e.Err = ErrNotFound
	return &e
}
