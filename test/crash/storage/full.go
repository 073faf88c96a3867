package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// fullFor is how long something stays full while orders come.
const fullFor = 700 * time.Millisecond

// reserved is what the streams reserve of the server's store.
func reserved() int64 {
	s := settings()
	return s.EventsMaxBytes + s.OrdersMaxBytes + s.DLQMaxBytes
}

func fullness() []fault {
	limit := func(stream string) fault {
		return fault{name: "limit reached and raised: " + label(stream), up: func(ctx context.Context, t *trial) (string, error) {
			return t.fill(ctx, stream, func(c *jetstream.StreamConfig, s jetstream.StreamState) { c.MaxBytes = max(int64(s.Bytes), 1) }) //nolint:gosec // small
		}}
	}
	return []fault{
		limit(messages.StreamEvents), limit(messages.StreamOrders), limit(messages.StreamDLQ),
		{name: "limit reached and raised: PERMITS", up: func(ctx context.Context, t *trial) (string, error) {
			p := t.provider()
			return t.fill(ctx, p.PermitStream(), func(c *jetstream.StreamConfig, s jetstream.StreamState) { c.MaxMsgs = max(int64(s.Msgs), 1) }) //nolint:gosec // small
		}},
		{
			name:  "the server's store is full, and larger after a restart",
			begin: func(t *trial) error { return t.store.configure(reserved() + 120_000 + t.random.Int64N(200_000)) },
			down:  func(t *trial) (string, error) { return "", t.store.configure(1 << 30) },
		},
		{
			name: "the disk takes no more, and more after a restart", skip: noLimits,
			up: nil, down: func(*trial) (string, error) { return "", nil },
			begin: func(t *trial) error { t.choke = true; return nil },
		},
	}
}

// fill lowers a limit to what is there, and raises it again while orders come.
func (t *trial) fill(ctx context.Context, name string, lower func(*jetstream.StreamConfig, jetstream.StreamState)) (string, error) {
	stream, err := t.js.Stream(ctx, name)
	if err != nil {
		return "", err
	}
	was := stream.CachedInfo().Config
	full := was
	lower(&full, stream.CachedInfo().State)
	if _, err := t.js.UpdateStream(ctx, full); err != nil {
		return "", err
	}
	t.handIn(6)
	if name == messages.StreamDLQ {
		if err := t.handInNonsense(ctx, 3); err != nil {
			return "", err
		}
	}
	pause(ctx, fullFor)
	_, err = t.js.UpdateStream(ctx, was)
	return fmt.Sprintf("%s took no more for %s", name, fullFor), err
}

func remade() []fault {
	stream := func(name string, orders bool) fault {
		return fault{name: "deleted and made anew: " + label(name), orders: orders, up: func(ctx context.Context, t *trial) (string, error) {
			return "", t.js.DeleteStream(ctx, name)
		}}
	}
	consumer := func(stream string) fault {
		return fault{name: "consumer deleted and made anew: " + label(stream), up: func(ctx context.Context, t *trial) (string, error) {
			for _, c := range settings().Consumers() {
				if c.Stream != stream {
					continue
				}
				if err := t.js.DeleteConsumer(ctx, stream, c.Config.Name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
					return "", err
				}
			}
			return "all of them", nil
		}}
	}
	return []fault{
		stream(messages.StreamEvents, true), stream(messages.StreamCommands, false), stream(messages.StreamOrders, true),
		stream(messages.GamesDrop.PermitStream(), false), stream(bucketStream, false),
		{name: "deleted and made anew: EVENTS and bucket", orders: true, up: func(ctx context.Context, t *trial) (string, error) {
			return "", errors.Join(t.js.DeleteStream(ctx, messages.StreamEvents), t.js.DeleteStream(ctx, bucketStream))
		}},
		consumer(messages.StreamCommands), consumer(messages.StreamOrders),
	}
}

// small makes the ledger with small blocks, so that some tens of orders fill
// many: what the server does with a block in the middle is another matter than
// what it does with the last. Setup takes it over and raises its limit.
func (t *trial) small(ctx context.Context) error {
	c := settings().Streams()[0]
	if c.Name != messages.StreamEvents {
		return fmt.Errorf("the first stream is %s", c.Name)
	}
	c.MaxBytes = 120_000
	c.Metadata[topology.MetaEpoch] = fmt.Sprintf("%032x", t.seed)
	_, err := t.js.CreateStream(ctx, c)
	return err
}
