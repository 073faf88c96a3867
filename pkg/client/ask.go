package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Get is the last event of an order, from the ledger.
func (c *Client) Get(ctx context.Context, id string) (*messages.Event, error) {
	m, err := c.order(ctx, "get", messages.OrderAsked{ID: id})
	if err != nil {
		return nil, err
	}
	return messages.DecodeEvent(m.Data)
}

// History is every event of an order. Where they are more than an answer can
// hold, all but the last come without what they repeat, order and metadata among
// it; where that does not help they are read from the stream.
func (c *Client) History(ctx context.Context, id string) ([]*messages.Event, error) {
	ctx, cancel := c.patient(ctx)
	defer cancel()
	all, err := answer[[]*messages.Event](c.order(ctx, "history", messages.OrderAsked{ID: id}))
	var failure *ServiceError
	if err == nil || !errors.As(err, &failure) || failure.Status != http.StatusInternalServerError {
		return all, err
	}
	last, err := c.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	for e, err := range c.Watch(ctx, Filter{ID: id}) {
		if err != nil {
			return nil, fmt.Errorf("history of order %s: %w", id, err)
		}
		if all = append(all, &e.Event); e.N >= last.N {
			break
		}
	}
	return all, nil
}

// List is one page of the tenant's orders, those that were accepted last first.
func (c *Client) List(ctx context.Context, asked messages.OrdersAsked) (messages.OrderPage, error) {
	asked.Tenant = "" // it is in the subject
	return answer[messages.OrderPage](c.order(ctx, "list", asked))
}

// Orders yields the last events of all orders that fit, page by page. An error
// is the last thing that it yields.
func (c *Client) Orders(ctx context.Context, asked messages.OrdersAsked) iter.Seq2[*messages.Event, error] {
	return func(yield func(*messages.Event, error) bool) {
		for {
			page, err := c.List(ctx, asked)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Orders {
				if !yield(&page.Orders[i], nil) {
					return
				}
			}
			if asked.Cursor = page.Cursor; asked.Cursor == "" {
				return
			}
		}
	}
}

// Answer is what a provider has said.
type Answer[T any] struct {
	Body T
	// AskedAt is when the provider was asked. An answer may be told more than
	// once for as long as it is good. Zero where nothing is said.
	AskedAt time.Time
}

// Ask asks a provider one of the questions of pkg/messages, the operator's among
// them, where the account may. Methods of [Client] do it for those that are open
// to every upstream.
func Ask[T any](ctx context.Context, c *Client, q messages.Query) (Answer[T], error) {
	provider, method := q.Asks()
	m, err := c.question(ctx, "worker of "+string(provider), messages.ProviderServiceSubject(provider, method), q)
	body, err := answer[T](m, err)
	if err != nil {
		return Answer[T]{}, err
	}
	a := Answer[T]{Body: body}
	if at, err := time.Parse(time.RFC3339Nano, m.Header.Get(messages.HeaderAskedAt)); err == nil {
		a.AskedAt = at
	}
	return a, nil
}

// answer reads the body of an answer.
func answer[T any](m *nats.Msg, err error) (T, error) {
	var body T
	if err != nil {
		return body, err
	}
	if err := json.Unmarshal(m.Data, &body); err != nil {
		return body, fmt.Errorf("the answer cannot be read: %w", err)
	}
	return body, nil
}

// order asks the service "orders".
func (c *Client) order(ctx context.Context, method string, asked any) (*nats.Msg, error) {
	return c.question(ctx, "dispatcher", messages.OrdersServiceSubject(c.o.Tenant, method), asked)
}

// question asks the program and waits for the answer, to the end of ctx or of
// Options.Patience. To ask changes nothing, so a question that was lost with its
// connection is asked again.
func (c *Client) question(ctx context.Context, program, subject string, asked any) (*nats.Msg, error) {
	body, err := json.Marshal(asked)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", subject, err)
	}
	ctx, cancel := c.patient(ctx)
	defer cancel()
	for {
		if err := c.link.wait(ctx); err != nil {
			return nil, fmt.Errorf("ask %s: %w: %w", subject, ErrUnanswered, err)
		}
		m, err := c.askOnce(ctx, subject, body)
		switch {
		case err == nil:
			if failure := serviceError(m); failure != nil {
				return nil, fmt.Errorf("ask %s: %w", subject, failure)
			}
			return m, nil
		case errors.Is(err, errLost), errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionReconnecting):
			pause(ctx, firstPause)
		case errors.Is(err, nats.ErrNoResponders):
			return nil, fmt.Errorf("ask %s: %w: is the %s running?", subject, ErrUnanswered, program)
		case errors.Is(err, ErrDenied):
			return nil, fmt.Errorf("ask %s: %w", subject, err)
		default:
			return nil, fmt.Errorf("ask %s: %w: %w", subject, ErrUnanswered, err)
		}
	}
}

// askOnce asks on the present connection.
func (c *Client) askOnce(ctx context.Context, subject string, body []byte) (*nats.Msg, error) {
	const within = time.Hour // ctx is bounded
	try, done := c.attempt(ctx, subject, within)
	defer done()
	m, err := c.nc.RequestWithContext(try, subject, body)
	return m, ended(try, err)
}

func readProblem(body []byte) messages.Problem {
	var b messages.ProblemBody
	if json.Unmarshal(body, &b) != nil {
		return messages.Problem{}
	}
	return b.Error
}
