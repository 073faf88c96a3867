package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Ask asks a service, once: the question may change something. An error that
// wraps [ErrNotAsked] or [client.ErrDenied] means that nobody has got it; a
// [*client.ServiceError] is an answer; after any other it is not known what has
// become of the question.
func (c *Client) Ask(ctx context.Context, subject string, question any) ([]byte, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	ctx, forget := c.denials.expect(ctx, subject)
	defer forget()
	answer, err := c.Conn.RequestWithContext(ctx, subject, body)
	cause := context.Cause(ctx)
	switch {
	case err == nil:
	case errors.Is(cause, client.ErrDenied):
		return nil, fmt.Errorf("ask %s: %w", subject, cause)
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%w: nobody answers on %s: is the dispatcher running?", ErrNotAsked, subject)
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrMaxPayload):
		return nil, fmt.Errorf("%w: %w", ErrNotAsked, err)
	default:
		return nil, fmt.Errorf("no answer came on %s: %w", subject, err)
	}
	status := answer.Header.Get(micro.ErrorCodeHeader)
	if status == "" {
		return answer.Data, nil
	}
	// Without a body, or with one that cannot be read, the headers tell what there is.
	said := messages.ProblemBody{}
	if err := json.Unmarshal(answer.Data, &said); err != nil || said.Error.Message == "" {
		said.Error.Message = answer.Header.Get(micro.ErrorHeader)
	}
	refusal := &client.ServiceError{Problem: said.Error}
	if refusal.Status, err = strconv.Atoi(status); err != nil {
		refusal.Status = http.StatusInternalServerError
	}
	refusal.RetryAfter, _ = time.ParseDuration(said.Error.RetryAfter) // 0 where nothing is said
	return nil, fmt.Errorf("ask %s: %w", subject, refusal)
}

// OperatorList asks the service "operator" for a page of all tenants' orders.
func (c *Client) OperatorList(ctx context.Context, asked messages.OrdersAsked) (messages.OrderPage, error) {
	var page messages.OrderPage
	body, err := c.Ask(ctx, messages.OperatorServiceSubject("list"), asked)
	err = read(body, err, &page)
	return page, err
}

// OperatorHistory asks the service "operator" for all events of an order of any
// tenant. It is as [Tenant.History] where they do not fit into an answer.
func (c *Client) OperatorHistory(ctx context.Context, tenant, id string) ([]*messages.Event, error) {
	asked := messages.OrderAsked{Tenant: tenant, ID: id}
	var all []*messages.Event
	body, err := c.Ask(ctx, messages.OperatorServiceSubject("history"), asked)
	if err = read(body, err, &all); err == nil && len(all) == 0 {
		err = errors.New("the answer has no event in it")
	}
	if said := new(client.ServiceError); !errors.As(err, &said) || said.Status != http.StatusInternalServerError {
		return all, named(err, tenant, id)
	}
	last := new(messages.Event)
	body, err = c.Ask(ctx, messages.OperatorServiceSubject("get"), asked)
	if err = read(body, err, last); err != nil {
		return nil, named(err, tenant, id)
	}
	if all = c.replay(ctx, tenant, id, last.N); all == nil {
		all = []*messages.Event{last}
	}
	return all, nil
}

// replay reads the events of an order up to the one with number n from the
// stream; nil where they are not all to be had.
func (c *Client) replay(ctx context.Context, tenant, id string, n uint64) (all []*messages.Event) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	t, err := c.As(tenant)
	if err != nil {
		return nil
	}
	defer t.Close()
	for e, err := range t.Watch(ctx, client.Filter{ID: id}) {
		if err != nil {
			break
		}
		if all = append(all, &e.Event); e.N >= n {
			return all
		}
	}
	return nil
}

// read reads the body of an answer.
func read(body []byte, err error, into any) error {
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("the answer cannot be read: %w", err)
	}
	return nil
}

// denials hears of what the server does not let through: without it a question
// that is not allowed looks like one that nobody answers. Only the connection is
// told, so what was asked is known by its subject alone.
type denials struct {
	mu      sync.Mutex
	waiting map[*question]struct{}
}

// question is something that waits for its answer.
type question struct {
	subject string // as it stands in a denial
	stop    context.CancelCauseFunc
}

func newDenials() *denials { return &denials{waiting: map[*question]struct{}{}} }

// expect ends the context it returns when the server denies a subject.
func (d *denials) expect(ctx context.Context, subject string) (_ context.Context, forget func()) {
	ctx, stop := context.WithCancelCause(ctx)
	q := &question{strings.ToLower(`"` + subject + `"`), stop}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting[q] = struct{}{}
	return ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.waiting, q)
		stop(nil)
	}
}

// heard is the connection's handler of errors.
func (d *denials) heard(_ *nats.Conn, _ *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	text := strings.ToLower(err.Error()) // the client may have lowered it already
	d.mu.Lock()
	defer d.mu.Unlock()
	for q := range d.waiting {
		if strings.Contains(text, q.subject) {
			q.stop(fmt.Errorf("%w: %w", client.ErrDenied, err))
		}
	}
}
