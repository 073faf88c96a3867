package client

import (
	"context"
	"iter"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// DeadLetter is a request of the tenant that could not be processed and has no
// event: an id that is taken by another order, a cancel of an order that nobody
// knows, a body that is no order.
type DeadLetter struct {
	// Seq is its place in the stream DLQ, as Event.Seq is in EVENTS.
	Seq uint64
	// Request is the Seq of the receipt; 0 where it cannot be read.
	Request uint64
	// Reason is one word, such as order_conflict; Error is for people.
	Reason messages.Reason
	Error  string
	// OrderID is the order, where it is known.
	OrderID string
	// Body is what was sent.
	Body []byte
}

// DeadLetters yields the tenant's dead letters behind a place in the stream, 0
// for the beginning, as [Client.Watch] yields events.
func (c *Client) DeadLetters(ctx context.Context, after uint64) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		f := &feed{stream: messages.StreamDLQ, subject: messages.DeadOrders(c.o.Tenant), after: after}
		err := c.follow(ctx, f, func(m jetstream.Msg, at *jetstream.MsgMetadata) bool {
			h := m.Headers()
			return yield(DeadLetter{
				Seq: at.Sequence.Stream, Request: originSeq(h.Get(messages.HeaderOrigin)), Reason: messages.Reason(h.Get(messages.HeaderReason)),
				Error: h.Get(messages.HeaderError), OrderID: h.Get(messages.HeaderOrderID), Body: m.Data(),
			}, nil)
		})
		if err != nil {
			yield(DeadLetter{}, err)
		}
	}
}

// NowDead is the place behind every dead letter of the tenant so far, for
// [Client.DeadLetters].
func (c *Client) NowDead(ctx context.Context) (uint64, error) {
	return c.now(ctx, messages.StreamDLQ, messages.DeadOrders(c.o.Tenant))
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
