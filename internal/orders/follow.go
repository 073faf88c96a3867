package orders

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	// idleFor is how long a subscription must be silent before it is asked whether
	// it has caught up.
	idleFor = time.Second
	// patient is how long a silent one is waited for that has not: heartbeats that
	// do not come are missed within that time, and a lost request with them.
	patient = 4 * heartbeat
	// heartbeat is how often the server says that a request for events stands.
	heartbeat = 5 * time.Second
)

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
	config := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy, HeadersOnly: true}
	if at := f.index.position(); at > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, at+1
	}
	c, err := f.js.OrderedConsumer(ctx, messages.StreamEvents, config)
	if err != nil {
		return err
	}
	events, err := c.Messages(jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return err
	}
	defer events.Stop()
	defer context.AfterFunc(ctx, events.Stop)()
	// Once it has caught up it waits without an end: the client counts missing
	// heartbeats within one call only.
	wait, asked := jetstream.NextMaxWait(idleFor), false
	for ctx.Err() == nil {
		msg, err := events.Next(wait)
		switch {
		case err == nil:
			f.take(msg)
		case errors.Is(err, nats.ErrTimeout) && pending(ctx, c, !asked):
			wait, asked = jetstream.NextMaxWait(patient), true
		case errors.Is(err, nats.ErrTimeout):
			f.index.idle()
			wait = jetstream.NextContext(ctx)
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			continue // the client subscribes again by itself
		default:
			return err
		}
	}
	return nil
}

// pending reports whether the server says that a consumer has more to deliver;
// otherwise where it cannot be asked. Silence alone says nothing: a server that
// comes up with a large ledger is silent for seconds before the first event, and
// lists would lack orders without a word.
func pending(ctx context.Context, c jetstream.Consumer, otherwise bool) bool {
	ctx, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	info, err := c.Info(ctx)
	if err != nil {
		return otherwise
	}
	return info.NumPending > 0
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
