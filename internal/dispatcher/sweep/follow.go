package sweep

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
)

// idle is the time before the ledger is followed again after an interruption.
const idle = time.Second

// follow applies every event to the index until ctx ends, and closes caughtUp
// when it has reached the end of the ledger for the first time.
func (s *Sweeper) follow(ctx context.Context, x *index, caughtUp chan<- struct{}) {
	reached := sync.OnceFunc(func() { close(caughtUp) })
	for ctx.Err() == nil {
		take := func(msg jetstream.Msg) { s.take(x, msg, reached) }
		if err := ledger.Follow(ctx, s.js, x.position(), false, take, reached); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("following the ledger was interrupted")
			pause(ctx, idle)
		}
	}
}

// take applies one event. One that cannot be read is skipped: it would be the
// ledger's fault, and must not stop the sweep of all others.
func (s *Sweeper) take(x *index, msg jetstream.Msg, reached func()) {
	meta, err := msg.Metadata()
	if err != nil {
		s.log.Error().Err(err).Str(logkey.Subject, msg.Subject()).Msg("event has no metadata")
		return
	}
	address, err := messages.ParseEventSubject(msg.Subject())
	if err == nil {
		err = x.read(meta.Sequence.Stream, address, msg.Data())
	}
	if err != nil {
		s.log.Error().Err(err).Str(logkey.Subject, msg.Subject()).Uint64(logkey.StreamSeq, meta.Sequence.Stream).
			Msg("event cannot be read; its order is not swept")
	}
	x.stored(meta.Sequence.Stream, meta.Timestamp)
	if meta.NumPending == 0 {
		reached()
	}
}
