package cli

import (
	"context"
	"iter"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/client"
)

// watchCommand is `order watch`.
type watchCommand struct {
	output
	ID    string `arg:"" optional:"" name:"id" help:"One order, from its beginning to its end; without it, all orders of the tenant from now on."`
	After bool   `name:"after" help:"Go on after the order has ended, until Ctrl-C."`
}

// Help is shown below the flags.
func (*watchCommand) Help() string {
	return "Lines are time, order, from and to, and why; --output json writes whole events. " +
		"If the connection is lost, it goes on where it was. An order that waits for an operator has not ended.\n\n" +
		"Exit codes: 0 the order has ended, or Ctrl-C; 1 not reached; 2 wrong usage; 3 no such order.\n\n" +
		"Examples:\n\n  beltline order watch --tenant acme\n  beltline order watch ord-2026-000123 --tenant acme"
}

// Check applies the rules of the command.
func (c *watchCommand) Check(f *app.Faults) {
	if c.ID != "" {
		orderID(f, c.ID)
	}
}

func (c *watchCommand) do(ctx context.Context, s *session, tenant upstream.Tenant) int {
	filter := client.Filter{ID: c.ID}
	var err error
	if c.ID != "" {
		_, err = tenant.Get(ctx, c.ID)
	} else {
		filter.After, err = tenant.Now(ctx)
	}
	if err != nil {
		return s.failed(err)
	}
	if c.ID == "" {
		s.say("following all orders of %s; Ctrl-C ends it", tenant.Tenant())
	}
	return c.follow(ctx, s, tenant.Watch(ctx, filter))
}

// follow writes the events as they come, until the order has ended, somebody
// asks for the end, or there is no going on.
func (c *watchCommand) follow(ctx context.Context, s *session, events iter.Seq2[client.Event, error]) int {
	seen, asked := states{}, false
	for event, err := range events {
		if ctx.Err() != nil {
			return app.ExitOK
		}
		if err != nil {
			s.say("beltline: %s", err) // an event that cannot be read; the last one is why it ends
			continue
		}
		e := &event.Event
		if c.json() {
			if err := s.writeEvent(e); err != nil {
				return s.failed(err)
			}
		} else {
			s.tell("%s", seen.line(s.look, e))
		}
		switch {
		case c.ID == "":
		case e.Terminal() && !c.After:
			return app.ExitOK
		case !e.Terminal() && plain.Settled(e) && !asked:
			asked = true
			s.say("%s waits for an operator: `beltline resolve %s`; still following, Ctrl-C ends it", c.ID, e.Key())
		}
	}
	return app.ExitFailure
}
