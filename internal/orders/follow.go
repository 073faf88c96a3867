package orders

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
)

// idleFor is the time before the ledger is followed again after an interruption.
const idleFor = time.Second

// follower keeps an index up to date with the ledger. It asks for the headers
// of the events only: a subject says what the index needs.
//
// The sweeper of the same process follows the ledger too, and the two do not
// share a subscription: that one runs in one replica only, begins where its
// saved index ends, and needs bodies; this one runs in all, and begins at the
// first event. Neither may stop because the other lost its lease or its place.
type follower struct {
	js    jetstream.JetStream
	log   zerolog.Logger
	index *index
	since time.Time // when the ledger was made that the index is of
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := f.read(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn().Err(err).Msg("following the ledger for lists was interrupted")
			pause(ctx, idleFor)
		}
	}
}

// read follows one subscription.
func (f *follower) read(ctx context.Context) error {
	stream, err := f.js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	if !info.Created.Equal(f.since) || info.State.LastSeq < f.index.position() {
		f.index.reset()
		f.since = info.Created
	}
	return ledger.Follow(ctx, f.js, f.index.position(), true, f.take, f.index.idle)
}

func (f *follower) take(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		f.log.Error().Err(err).Str(logkey.Subject, msg.Subject()).Msg("event has no metadata")
		return
	}
	address, err := messages.ParseEventSubject(msg.Subject())
	if err != nil {
		f.log.Error().Err(err).Str(logkey.Subject, msg.Subject()).Msg("event's order cannot be listed")
		return
	}
	f.index.apply(meta.Sequence.Stream, address, meta.Timestamp, meta.NumPending == 0)
}

// pause waits for t or until ctx ends.
func pause(ctx context.Context, t time.Duration) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
