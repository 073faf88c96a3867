package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

// confirmCommand is `order confirm`.
type confirmCommand struct {
	output
	ID      string        `arg:"" name:"id" help:"The order."`
	Timeout time.Duration `name:"timeout" default:"1m" help:"How long to wait for the answer."`
}

// Help is shown below the flags.
func (*confirmCommand) Help() string {
	return "Says that the customer has paid. Only an order that waits for the customer, at a provider that takes the word for it, " +
		"can be confirmed; any other is refused. It says nothing of whether the money has arrived.\n\n" +
		"Exit codes: 0 the provider took it, 1 refused or no answer in time, 2 wrong usage, 3 no such order.\n\n" +
		"Example:\n\n  beltline order confirm ord-2026-000123 --tenant acme"
}

// Check applies the rules of the command.
func (c *confirmCommand) Check(f *app.Faults) {
	orderID(f, c.ID)
	positive(f, "--timeout", c.Timeout)
}

func (c *confirmCommand) do(ctx context.Context, s *session, client *upstream.Client) int {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	// Asked first, as for a cancel: a person who mistyped need not wait.
	last, err := client.Last(ctx, c.ID)
	if err != nil {
		return s.failed(err)
	}
	from, err := client.Now(ctx, messages.StreamEvents)
	if err != nil {
		return s.failed(err)
	}
	feed, err := client.Events(ctx, messages.OrderEvents(client.Tenant, c.ID), from)
	if err != nil {
		return s.failed(err)
	}
	if _, err := client.Confirm(ctx, c.ID); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return s.failed(err)
	}
	for news := range feed {
		e := news.Event
		if news.Err != nil || e.N <= last.N {
			continue
		}
		last = e
		if e.Type == messages.ConfirmRefused || beyondTheCustomer(e) {
			return s.confirmed(c, e)
		}
		s.say("%s: %s", e.OrderID, plain.Why(e))
	}
	return s.failed(fmt.Errorf("no answer to the confirm of %s within %s; the order is %s", c.ID, c.Timeout, plain.Outcome(last)))
}

// beyondTheCustomer: the provider goes on with the order, or it has ended. A
// poll may find that before the answer to the confirm is recorded.
func beyondTheCustomer(e *messages.Event) bool {
	return e.Type.ChangesState() && (e.State == messages.Processing || e.State == messages.OnHold || e.Terminal())
}

// confirmed writes the answer.
func (s *session) confirmed(c *confirmCommand, e *messages.Event) int {
	if c.json() {
		if err := s.writeEvent(e); err != nil {
			return s.failed(err)
		}
	} else {
		s.tell("%s\t%s\t%s; the order is %s", e.OrderID, e.Type, plain.Why(e), plain.Outcome(e))
	}
	if e.Type != messages.ConfirmRefused && (!e.Terminal() || e.State == messages.Succeeded) {
		return app.ExitOK
	}
	return app.ExitFailure
}
