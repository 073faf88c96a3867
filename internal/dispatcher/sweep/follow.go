package sweep

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
)

// idle is how long a subscription must be silent to count as caught up. The
// server says so with the last message; but the last messages may be erased.
const idle = time.Second

// heartbeat is how often the server says that a request for events still
// stands. After two that did not come the client subscribes again.
const heartbeat = 5 * time.Second

// patient is how long a silent subscription is waited for that has not reached
// the end: within that time missing heartbeats are noticed.
const patient = 4 * heartbeat

// pending reports whether the server says that a consumer has more to deliver;
// otherwise where it cannot be asked. Silence alone says nothing: a server that
// comes up with a large ledger is silent for seconds before the first event.
func pending(ctx context.Context, c jetstream.Consumer, otherwise bool) bool {
	ctx, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	info, err := c.Info(ctx)
	if err != nil {
		return otherwise
	}
	return info.NumPending > 0
}

// follow applies every event to the index until ctx ends, and closes caughtUp
// when it has reached the end of the ledger for the first time.
func (s *Sweeper) follow(ctx context.Context, x *index, caughtUp chan<- struct{}) {
	reached := sync.OnceFunc(func() { close(caughtUp) })
	for ctx.Err() == nil {
		if err := s.read(ctx, x, reached); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("following the ledger was interrupted")
			pause(ctx, idle)
		}
	}
}

// read follows one subscription.
func (s *Sweeper) read(ctx context.Context, x *index, reached func()) error {
	config := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy}
	if at := x.position(); at > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, at+1
	}
	c, err := s.js.OrderedConsumer(ctx, messages.StreamEvents, config)
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
	// heartbeats within one call only, so that short ones would never notice that
	// a request was lost, and the sweeper would be blind from then on.
	wait, asked := jetstream.NextMaxWait(idle), false
	for ctx.Err() == nil {
		msg, err := events.Next(wait)
		switch {
		case err == nil:
			s.take(x, msg, reached)
		case errors.Is(err, nats.ErrTimeout) && pending(ctx, c, !asked):
			wait, asked = jetstream.NextMaxWait(patient), true
		case errors.Is(err, nats.ErrTimeout):
			reached()
			wait = jetstream.NextContext(ctx)
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			continue // the client subscribes again by itself
		default:
			return err
		}
	}
	return nil
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
