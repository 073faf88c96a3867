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

// cancelCommand is `order cancel`.
type cancelCommand struct {
	output
	ID      string        `arg:"" name:"id" help:"The order."`
	Reason  string        `name:"reason" placeholder:"TEXT" help:"Kept in the order's evidence."`
	Timeout time.Duration `name:"timeout" default:"1m" help:"How long to wait for the answer."`
}

// Help is shown below the flags.
func (*cancelCommand) Help() string {
	return "An order that was not placed yet is canceled. One that is being placed is answered once its outcome is known; " +
		"one that was placed is refused, unless the provider can cancel it.\n\n" +
		"Exit codes: 0 canceled, 1 refused or no answer in time, 2 wrong usage, 3 no such order.\n\n" +
		"Example:\n\n  beltline order cancel ord-2026-000123 --tenant acme --reason 'changed their mind'"
}

// Check applies the rules of the command.
func (c *cancelCommand) Check(f *app.Faults) {
	orderID(f, c.ID)
	positive(f, "--timeout", c.Timeout)
}

func positive(f *app.Faults, name string, d time.Duration) {
	if d <= 0 {
		f.Add(name, "must be longer than 0")
	}
}

func (c *cancelCommand) do(ctx context.Context, s *session, client *upstream.Client) int {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	// Asked first: the pipeline waits a minute for an unknown order, because a
	// cancel may overtake its submit. A person who mistyped need not.
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
	if _, err := client.Cancel(ctx, c.ID, c.Reason); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return s.failed(err)
	}
	for news := range feed {
		e := news.Event
		if news.Err != nil || e.N <= last.N {
			continue
		}
		last = e
		if e.Type == messages.Canceled || e.Type == messages.CancelRefused {
			return s.canceled(c, e)
		}
		s.say("%s: %s", e.OrderID, plain.Why(e))
	}
	return s.failed(fmt.Errorf("no answer to the cancel of %s within %s; the order is %s", c.ID, c.Timeout, plain.Outcome(last)))
}

// canceled writes the answer.
func (s *session) canceled(c *cancelCommand, e *messages.Event) int {
	if c.json() {
		if err := s.writeEvent(e); err != nil {
			return s.failed(err)
		}
	} else {
		s.tell("%s\t%s\t%s; the order is %s", e.OrderID, e.Type, plain.Why(e), plain.Outcome(e))
	}
	if e.Type == messages.Canceled {
		return app.ExitOK
	}
	return app.ExitFailure
}
