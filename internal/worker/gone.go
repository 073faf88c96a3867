package worker

import (
	"context"
	"errors"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
)

// looksGone is how many looks in a row must find no such event before that is
// believed: a server that is just closing its store knows none at all.
const looksGone = 5

// sure looks until there is an event, or looksGone looks have found none. It
// waits before the second look, and twice as long before each one more. Other
// errors are for the caller to judge.
func sure(ctx context.Context, wait time.Duration, look func() (*ledger.Entry, error)) (*ledger.Entry, error) {
	for n := 1; ; n++ {
		e, err := look()
		if !errors.Is(err, ledger.ErrNotFound) || n == looksGone {
			return e, err
		}
		pause(ctx, wait)
		if ctx.Err() != nil {
			return nil, ctx.Err() // too few looks to say that there is none
		}
		wait *= 2
	}
}

// lastOf is an order's last event, ErrNotFound where that is sure.
func (t *task) lastOf(ctx context.Context, wait time.Duration, tenant, id string) (*ledger.Entry, error) {
	return sure(ctx, wait, func() (*ledger.Entry, error) { return t.ledger.Last(ctx, tenant, id) })
}
