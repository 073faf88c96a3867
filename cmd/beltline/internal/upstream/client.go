package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	dialWithin   = 2 * time.Second
	answerWithin = 5 * time.Second
	sendWithin   = 10 * time.Second
	// pastWindow is longer than the duplicate window of ORDERS (100 ms).
	pastWindow = 150 * time.Millisecond
	fullPause  = 500 * time.Millisecond
	sendTries  = 5
)

// codeStreamFull is the server's answer when ORDERS takes no more.
const codeStreamFull jetstream.ErrorCode = 10077

// Errors that callers branch on.
var (
	// ErrUnreachable is returned when no server was reached.
	ErrUnreachable = errors.New("NATS was not reached")
	// ErrNotFound is returned when the tenant has no such order.
	ErrNotFound = errors.New("no such order")
	// ErrNotAsked is returned when a question certainly reached nobody.
	ErrNotAsked = errors.New("nobody has got the question")
	// ErrDenied is returned when NATS does not let this account ask.
	ErrDenied = errors.New("NATS does not let this account ask")
)

// Client is one tenant's view of Beltline.
type Client struct {
	Conn   *nats.Conn
	JS     jetstream.JetStream
	Tenant string

	denials *denials
}

// Connect reaches a server at once or fails: a person is waiting. Once it has
// been reached, the connection is kept up for as long as it takes.
func Connect(n app.NATS, tenant string, opts ...nats.Option) (*Client, error) {
	d := newDenials()
	base := []nats.Option{
		nats.Timeout(dialWithin), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ErrorHandler(d.heard), // the default one writes to stderr
	}
	nc, js, err := app.Connect(n, "beltline", append(base, opts...)...)
	if err != nil {
		where := "at " + n.URL.String()
		if n.Context != "" {
			where = "by context " + n.Context
		}
		return nil, fmt.Errorf("%w %s: %s\nStart nats-server (with JetStream) or `beltline up`, or say where it is with --nats-url or NATS_URL",
			ErrUnreachable, where, reason(err))
	}
	return &Client{Conn: nc, JS: js, Tenant: tenant, denials: d}, nil
}

// reason is the innermost text of an error, without what our own layers add.
func reason(err error) string {
	if errors.Is(err, nats.ErrNoServers) {
		return "nothing listens there"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// Close closes the connection.
func (c *Client) Close() { c.Conn.Close() }

// Send publishes a request and returns its sequence in ORDERS once the server
// has stored it. An answer that says duplicate means not stored, so the request
// is sent again when the window has passed. A stream that is full is waited
// for: that is how Beltline slows its upstream down.
func (c *Client) Send(ctx context.Context, r messages.Request, body []byte) (uint64, error) {
	subject := messages.OrderSubject(c.Tenant, r)
	for tries := 1; ; tries++ {
		once, cancel := context.WithTimeout(ctx, sendWithin)
		once, forget := c.denials.expect(once, quoted(subject))
		ack, err := c.JS.Publish(once, subject, body, jetstream.WithExpectStream(messages.StreamOrders))
		err = denied(once, err)
		forget()
		cancel()
		wait := pastWindow
		switch {
		case err == nil && !ack.Duplicate:
			return ack.Sequence, nil
		case err == nil:
			err = errors.New("the server took it for a duplicate and did not store it")
		case full(err):
			wait, tries = fullPause, 0
			err = errors.New("ORDERS is full: Beltline cannot keep up, or its dispatcher does not run")
		case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
			return 0, errors.New("no stream takes orders: run `beltline setup`, or start the dispatcher")
		case errors.Is(err, ErrDenied):
			return 0, err
		case r != messages.SubmitRequest, ctx.Err() != nil:
			return 0, fmt.Errorf("publish to %s: %w", subject, err)
		}
		// A submit may be repeated after any error: the same id with the same
		// content has no effect.
		if tries >= sendTries {
			return 0, fmt.Errorf("publish to %s: %w", subject, err)
		}
		if !pause(ctx, wait) {
			return 0, fmt.Errorf("publish to %s: %w", subject, err)
		}
	}
}

func full(err error) bool {
	var api jetstream.JetStreamError
	return errors.As(err, &api) && api.APIError() != nil && api.APIError().ErrorCode == codeStreamFull
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Submit sends an order.
func (c *Client) Submit(ctx context.Context, order []byte) (uint64, error) {
	return c.Send(ctx, messages.SubmitRequest, order)
}

// Cancel asks for an order to be canceled.
func (c *Client) Cancel(ctx context.Context, id, why string) (uint64, error) {
	body, err := json.Marshal(struct {
		V      int    `json:"v"`
		ID     string `json:"id"`
		Reason string `json:"reason,omitempty"`
	}{messages.Version, id, why})
	if err != nil {
		return 0, err
	}
	return c.Send(ctx, messages.CancelRequest, body)
}

// Confirm says that the customer has paid.
func (c *Client) Confirm(ctx context.Context, id string) (uint64, error) {
	body, err := json.Marshal(struct {
		V  int    `json:"v"`
		ID string `json:"id"`
	}{messages.Version, id})
	if err != nil {
		return 0, err
	}
	return c.Send(ctx, messages.ConfirmRequest, body)
}

// Last asks for the order's last event.
func (c *Client) Last(ctx context.Context, id string) (*messages.Event, error) {
	body, err := c.ask(ctx, "get", id)
	if err != nil {
		return nil, err
	}
	return messages.DecodeEvent(body)
}

// History asks for all events of the order.
func (c *Client) History(ctx context.Context, id string) ([]*messages.Event, error) {
	return c.history(ctx, c.Tenant, id, func(method string) ([]byte, error) { return c.ask(ctx, method, id) })
}

// OperatorHistory asks the service "operator" for all events of an order.
func (c *Client) OperatorHistory(ctx context.Context, tenant, id string) ([]*messages.Event, error) {
	return c.history(ctx, tenant, id, func(method string) ([]byte, error) { return c.askOperator(ctx, method, tenant, id) })
}

// history reads the events from a service, or, where they are more than fits
// into an answer, from the stream. An account that may not read that gets the
// last event, which says all that is known; its n tells that others are missing.
func (c *Client) history(ctx context.Context, tenant, id string, ask func(method string) ([]byte, error)) ([]*messages.Event, error) {
	body, err := ask("history")
	if err == nil {
		return decodeHistory(body)
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Status != statusInternal {
		return nil, err
	}
	if body, err = ask("get"); err != nil {
		return nil, err
	}
	last, err := messages.DecodeEvent(body)
	if err != nil {
		return nil, err
	}
	if all := c.replay(ctx, messages.OrderEvents(tenant, id), last.N); all != nil {
		return all, nil
	}
	return []*messages.Event{last}, nil
}

// replay reads the events of an order up to the one with number n from the
// stream; nil where they are not all to be had.
func (c *Client) replay(ctx context.Context, filter string, n uint64) (all []*messages.Event) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	feed, err := c.Events(ctx, filter, 1)
	if err != nil {
		return nil
	}
	for news := range feed {
		if news.Err != nil {
			return nil
		}
		if all = append(all, news.Event); news.Event.N >= n {
			return all
		}
	}
	return nil
}

func decodeHistory(body []byte) ([]*messages.Event, error) {
	var all []*messages.Event
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if len(all) == 0 {
		return nil, errors.New("the answer has no event in it")
	}
	return all, nil
}
