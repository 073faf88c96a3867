package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Wait returns the last event of an order as soon as the order has ended. An
// order that an operator has to look into may take days: bound the wait by ctx,
// and wait again later. At the end of ctx it returns what is known so far.
//
// An order that is not there yet is waited for.
func (c *Client) Wait(ctx context.Context, id string) (Event, error) {
	return c.WaitFor(ctx, id, func(e Event) bool { return e.Terminal() })
}

// WaitFor returns the last event of an order as soon as enough says so of it,
// such as that the customer must act. At the end of ctx it returns what is known
// so far, with the zero Event for nothing. It rests on the ledger alone: the
// rest of Beltline may be down.
//
// Each call has the server make a consumer. A program that waits for thousands
// of orders at a time follows them with one [Client.Watch] instead.
func (c *Client) WaitFor(ctx context.Context, id string, enough func(Event) bool) (Event, error) {
	if id == "" {
		return Event{}, errors.New("no order to wait for")
	}
	var last Event
	for e, err := range c.watch(ctx, Filter{ID: id}, true) {
		switch {
		case errors.Is(err, messages.ErrMalformed), errors.Is(err, messages.ErrVersion):
			continue // of a version that we do not know; the next one may be readable
		case err != nil && last.N > 0:
			return last, fmt.Errorf("order %s is %s as of its event %d: %w", id, last.State, last.N, err)
		case err != nil:
			return last, fmt.Errorf("order %s has no event yet: %w", id, err)
		}
		last = e
		if e.Pending == 0 && enough(e) {
			return e, nil
		}
	}
	return last, nil // not reached: a watch that is not left ends with an error
}

// SubmitAndWait is [Client.Submit] and [Client.Wait]. An order that was
// submitted before, by this process or another one, is not bought again: its
// result is returned. Where the id stands for an order with other content the
// error is a [*ConflictError].
//
// It returns the zero Event and the error of Submit where it is not known to be
// stored.
func (c *Client) SubmitAndWait(ctx context.Context, o Order) (Event, error) {
	body, err := o.Encode()
	if err != nil {
		return Event{}, err
	}
	if _, err := c.send(ctx, messages.SubmitRequest, o.ID, body); err != nil {
		return Event{}, err
	}
	conflict := false
	last, err := c.WaitFor(ctx, o.ID, func(e Event) bool {
		conflict = (len(e.Order) > 0 || e.Forgotten()) && !e.SameOrder(body)
		return conflict || e.Terminal()
	})
	if err == nil && conflict {
		return last, &ConflictError{Event: last}
	}
	return last, err
}
