package upstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Tenant is the client of an upstream program, with answers for a person: they
// come soon, name the order, and a part is better than none.
type Tenant struct{ *client.Client }

// As speaks for a tenant on this connection.
func (c *Client) As(tenant string) (Tenant, error) {
	at := c.JS.Options()
	t, err := client.New(c.Conn, client.Options{Tenant: tenant, APIPrefix: at.APIPrefix, Domain: at.Domain, Patience: askWithin})
	return Tenant{t}, err
}

// Get is the last event of an order.
func (t Tenant) Get(ctx context.Context, id string) (*messages.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	e, err := t.Client.Get(ctx, id)
	return e, named(err, t.Tenant(), id)
}

// List is one page of the tenant's orders.
func (t Tenant) List(ctx context.Context, asked messages.OrdersAsked) (messages.OrderPage, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return t.Client.List(ctx, asked)
}

// History is all events of an order. Where they are more than fits into an
// answer and the account may not read the stream it is the last one alone, which
// says all that is known; its n tells that others are missing.
func (t Tenant) History(ctx context.Context, id string) ([]*messages.Event, error) {
	all, err := t.Client.History(ctx, id)
	if said := new(client.ServiceError); err != nil && !errors.As(err, &said) {
		if last, lastErr := t.Get(ctx, id); lastErr == nil {
			return []*messages.Event{last}, nil
		}
	}
	return all, named(err, t.Tenant(), id)
}

// named adds which order does not exist, which the service does not repeat.
func named(err error, tenant, id string) error {
	if client.NotFound(err) {
		return fmt.Errorf("%w: %s (tenant %s)", ErrNotFound, id, tenant)
	}
	return err
}
