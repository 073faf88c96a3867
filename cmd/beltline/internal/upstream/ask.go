package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/beltline-io/beltline/pkg/messages"
)

// askWithin is how long an answer may take. It is longer than a service works on
// a question, so that its own word on a lack of time arrives.
const askWithin = 10 * time.Second

// Numbers of refusals that are branched on.
const (
	statusNotFound = "404"
	statusInternal = "500"
)

// Refusal is an answer that is an error. What it says of a question's fate is
// the service's word; no other error of [Client.Ask] says anything of it, but
// for [ErrNotAsked] and [ErrDenied].
type Refusal struct {
	Status  string // the number of the header
	Problem messages.Problem
}

// Error renders the number and the line for people.
func (r *Refusal) Error() string {
	return fmt.Sprintf("the dispatcher refused (%s): %s", r.Status, r.Problem.Message)
}

// Ask asks a service. An error that wraps [ErrNotAsked] or [ErrDenied] means
// that nobody has got the question; a *[Refusal] is an answer; after any other
// it is not known what has become of the question.
func (c *Client) Ask(ctx context.Context, subject string, question any) ([]byte, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	ctx, forget := c.denials.expect(ctx, quoted(subject))
	defer forget()
	answer, err := c.Conn.RequestWithContext(ctx, subject, body)
	err = denied(ctx, err)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%w: nobody answers on %s: is the dispatcher running?", ErrNotAsked, subject)
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrMaxPayload):
		return nil, fmt.Errorf("%w: %w", ErrNotAsked, err)
	case errors.Is(err, ErrDenied):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("no answer came on %s: %w", subject, err)
	}
	status := answer.Header.Get(micro.ErrorCodeHeader)
	if status == "" {
		return answer.Data, nil
	}
	// Without a body, or with one that cannot be read, the headers tell what there is.
	refused := messages.ProblemBody{}
	if err := json.Unmarshal(answer.Data, &refused); err != nil || refused.Error.Message == "" {
		refused.Error.Message = answer.Header.Get(micro.ErrorHeader)
	}
	return nil, &Refusal{Status: status, Problem: refused.Error}
}

// ask asks the service "orders" about an order of the tenant.
func (c *Client) ask(ctx context.Context, method, id string) ([]byte, error) {
	body, err := c.Ask(ctx, messages.OrdersServiceSubject(c.Tenant, method), messages.OrderAsked{ID: id})
	return body, named(err, c.Tenant, id)
}

// named adds which order does not exist, which the service does not repeat.
func named(err error, tenant, id string) error {
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Status == statusNotFound {
		return fmt.Errorf("%w: %s (tenant %s)", ErrNotFound, id, tenant)
	}
	return err
}

// askOperator asks the service "operator" about an order of any tenant.
func (c *Client) askOperator(ctx context.Context, method, tenant, id string) ([]byte, error) {
	body, err := c.Ask(ctx, messages.OperatorServiceSubject(method), messages.OrderAsked{Tenant: tenant, ID: id})
	return body, named(err, tenant, id)
}

// denials hears of what the server does not let through: without it a question
// that is not allowed looks like one that nobody answers. Only the connection is
// told, so what was asked is known by its subject alone.
type denials struct {
	mu      sync.Mutex
	waiting map[int]expected
	last    int
}

// expected is something that waits for its answer, and what of its subject
// stands in a denial.
type expected struct {
	part string
	stop context.CancelCauseFunc
}

// quoted is a whole subject as it stands in a denial.
func quoted(subject string) string { return `"` + subject + `"` }

func newDenials() *denials { return &denials{waiting: map[int]expected{}} }

// expect ends the context it returns when the server denies a subject.
func (d *denials) expect(ctx context.Context, part string) (_ context.Context, forget func()) {
	ctx, stop := context.WithCancelCause(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	own := d.last
	d.waiting[own] = expected{strings.ToLower(part), stop}
	return ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.waiting, own)
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
	for _, q := range d.waiting {
		if strings.Contains(text, q.part) {
			q.stop(fmt.Errorf("%w: %w", ErrDenied, err))
		}
	}
}

// denied is the denial that has ended a context of expect, or else the error.
func denied(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrDenied) {
		return cause
	}
	return err
}
