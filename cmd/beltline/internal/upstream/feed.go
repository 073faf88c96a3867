package upstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// feedPause is how long a feed waits before it tries again.
const feedPause = 500 * time.Millisecond

// EventNews is an event as it arrives, or why one could not be read.
type EventNews struct {
	Event *messages.Event
	Err   error
}

// DeadLetter is a request of the tenant that could not be processed.
type DeadLetter struct {
	Seq                    uint64 // of the request, in ORDERS
	Reason, Error, OrderID string
}

// Now is the place in EVENTS or DLQ after everything that is in it. A consumer
// of what is yet to come knows it: looking at the stream itself takes a
// permission that shows all tenants.
func (c *Client) Now(ctx context.Context, stream string) (uint64, error) {
	filter := c.AllEvents()
	if stream == messages.StreamDLQ {
		filter = messages.DeadOrders(c.Tenant)
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	ctx, forget := c.denials.expect(ctx, creating(stream))
	defer forget()
	cons, err := c.JS.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		FilterSubject: filter, DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, InactiveThreshold: time.Second,
	})
	err = denied(ctx, err)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return 0, fmt.Errorf("stream %s is missing: run `beltline setup`, or start the dispatcher", stream)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		return 0, errors.New("the server has no JetStream: start it with -js")
	case err != nil:
		return 0, fmt.Errorf("stream %s: %w", stream, err)
	}
	return cons.CachedInfo().Delivered.Stream + 1, nil
}

// creating is what of its subject stands in the denial of a consumer.
func creating(stream string) string { return ".CONSUMER.CREATE." + stream + "." }

// Events follows the events that match a filter, from a place in the stream.
// Filters of the contract are [Client.AllEvents] and messages.OrderEvents. The
// channel is closed when ctx ends.
func (c *Client) Events(ctx context.Context, filter string, from uint64) (<-chan EventNews, error) {
	return follow(ctx, c, messages.StreamEvents, filter, from, func(m jetstream.Msg) EventNews {
		e, err := messages.DecodeEvent(m.Data())
		if err != nil {
			err = fmt.Errorf("an event on %s cannot be read: %w", m.Subject(), err)
		}
		return EventNews{e, err}
	})
}

// AllEvents is the filter of all events of the tenant.
func (c *Client) AllEvents() string { return "events.*." + c.Tenant + ".>" }

// DeadLetters follows the tenant's dead letters from a place in the stream.
func (c *Client) DeadLetters(ctx context.Context, from uint64) (<-chan DeadLetter, error) {
	return follow(ctx, c, messages.StreamDLQ, messages.DeadOrders(c.Tenant), from, func(m jetstream.Msg) DeadLetter {
		h := m.Headers()
		return DeadLetter{
			Seq: originSeq(h.Get(messages.HeaderOrigin)), Reason: h.Get(messages.HeaderReason),
			Error: h.Get(messages.HeaderError), OrderID: h.Get(messages.HeaderOrderID),
		}
	})
}

// originSeq reads "ORDERS:17:orders.acme.submit"; 0 if it is something else.
func originSeq(origin string) uint64 {
	parts := strings.SplitN(origin, ":", 3)
	if len(parts) != 3 || parts[0] != messages.StreamOrders {
		return 0
	}
	n, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// follow reads a stream from a sequence on. The first consumer must come up;
// after that every trouble is waited out, and reading goes on behind the last
// message that was handed over.
func follow[T any](ctx context.Context, c *Client, stream, filter string, from uint64, read func(jetstream.Msg) T) (<-chan T, error) {
	it, err := c.open(ctx, stream, filter, from)
	if err != nil {
		return nil, fmt.Errorf("follow %s: %w", filter, err)
	}
	out := make(chan T)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			if it == nil {
				if it, err = c.open(ctx, stream, filter, from); err != nil {
					it = nil
					pause(ctx, feedPause)
					continue
				}
			}
			from = drain(ctx, it, from, out, read)
			it = nil
		}
	}()
	return out, nil
}

func (c *Client) open(ctx context.Context, stream, filter string, from uint64) (jetstream.MessagesContext, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	ctx, forget := c.denials.expect(ctx, creating(stream))
	defer forget()
	cons, err := c.JS.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{filter}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1),
	})
	if err != nil {
		return nil, denied(ctx, err)
	}
	return cons.Messages()
}

// drain hands messages over until reading fails or ctx ends, and returns where
// to go on.
func drain[T any](ctx context.Context, it jetstream.MessagesContext, from uint64, out chan<- T, read func(jetstream.Msg) T) uint64 {
	defer it.Stop()
	defer context.AfterFunc(ctx, it.Stop)()
	for {
		msg, err := it.Next()
		if err != nil {
			return from
		}
		meta, err := msg.Metadata()
		if err != nil {
			return from
		}
		select {
		case out <- read(msg):
			from = meta.Sequence.Stream + 1
		case <-ctx.Done():
			return from
		}
	}
}
