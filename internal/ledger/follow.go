package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	// idle is how long a subscription must be silent before it is asked whether it
	// has reached the end. The server says so with the last event; but the last
	// events may be erased.
	idle = time.Second
	// heartbeat is how often the server says that a request for events still
	// stands. After two that did not come the client subscribes again.
	heartbeat = 5 * time.Second
	// patient is how long a silent subscription is waited for that has not reached
	// the end: within that time missing heartbeats are noticed.
	patient = 4 * heartbeat
)

// Follow hands over each event behind the sequence after, as it is stored, and
// calls reached when there is no more for now: once for a silence, so that what
// follows is told by the metadata of the events themselves. It returns when ctx
// ends, with nil, or when the subscription cannot go on. With headersOnly the
// events come without bodies.
func Follow(ctx context.Context, js jetstream.JetStream, after uint64, headersOnly bool, take func(jetstream.Msg), reached func()) error {
	config := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy, HeadersOnly: headersOnly}
	if after > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, after+1
	}
	c, err := js.OrderedConsumer(ctx, messages.StreamEvents, config)
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
	// a request was lost, and whoever follows would be blind from then on.
	wait, asked := jetstream.NextMaxWait(idle), false
	for ctx.Err() == nil {
		msg, err := events.Next(wait)
		switch {
		case err == nil:
			take(msg)
		case errors.Is(err, nats.ErrTimeout) && pending(ctx, c, !asked):
			wait, asked = jetstream.NextMaxWait(patient), true
		case errors.Is(err, nats.ErrTimeout):
			reached()
			wait = jetstream.NextContext(ctx)
		case ctx.Err() != nil:
			return nil
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
