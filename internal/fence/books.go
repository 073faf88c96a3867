package fence

import (
	"context"
	"fmt"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Books is a ledger that tells the fence what was stored, and refuses intents
// while buying is stopped.
type Books struct {
	*ledger.Ledger
	fence *Fence
}

// Around puts the fence around a ledger. Whoever appends through it lends the
// fence its memory.
func (f *Fence) Around(l *ledger.Ledger) *Books { return &Books{Ledger: l, fence: f} }

// Append is that of the ledger. For an intent an error that wraps [ErrStopped]
// or [ErrUnsure] says that nothing may be sent under it, stored or not.
func (b *Books) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	intent := e.Type == messages.Placing
	if intent {
		if err := b.fence.Allows(); err != nil {
			return 0, fmt.Errorf("fence: %w", err)
		}
	}
	before := b.fence.memory.now(b.fence.connection())
	seq, err := b.Ledger.Append(ctx, e, expected)
	if err != nil {
		return seq, err
	}
	if intent {
		if err := b.fence.stored(ctx, before, seq); err != nil {
			return 0, fmt.Errorf("fence: intent at %d: %w", seq, err)
		}
	}
	b.fence.memory.saw(before, b.fence.connection(), markOf(seq, e))
	return seq, nil
}

// At is that of the ledger. What is pointed at by a command was acknowledged.
func (b *Books) At(ctx context.Context, seq uint64) (*ledger.Entry, error) {
	before := b.fence.memory.now(b.fence.connection())
	entry, err := b.Ledger.At(ctx, seq)
	if err == nil {
		b.fence.memory.saw(before, b.fence.connection(), markOf(entry.Seq, entry.Event))
	}
	return entry, err
}

// stored judges where an intent came to stand. Sequences only grow: one that is
// not after all that were acknowledged before it was written was given out by a
// ledger that has lost them. And what was found sound before the connection was
// lost must be looked at again.
func (f *Fence) stored(ctx context.Context, before moment, seq uint64) error {
	switch {
	case f.memory.now(0).age != before.age:
		return fmt.Errorf("%w: the ledger was taken for another one meanwhile", ErrUnsure)
	case seq <= before.high:
		f.trip(ctx, finding{why: Older, certain: true, text: fmt.Sprintf(
			"%s gave an event the sequence %d, though it had given out %d before: it was rolled back",
			messages.StreamEvents, seq, before.high)})
	}
	return f.Allows()
}
