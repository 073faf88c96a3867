package cli

import (
	"context"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
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

func (c *watchCommand) do(ctx context.Context, s *session, client *upstream.Client) int {
	filter, from := client.AllEvents(), uint64(1)
	if c.ID != "" {
		if _, err := client.Last(ctx, c.ID); err != nil {
			return s.failed(err)
		}
		filter = messages.OrderEvents(client.Tenant, c.ID)
	} else {
		var err error
		if from, err = client.Now(ctx, messages.StreamEvents); err != nil {
			return s.failed(err)
		}
	}
	feed, err := client.Events(ctx, filter, from)
	if err != nil {
		return s.failed(err)
	}
	if c.ID == "" {
		s.say("following all orders of %s; Ctrl-C ends it", client.Tenant)
	}
	return c.follow(s, feed)
}

// follow writes the events as they come, until the order has ended or the feed
// does, which is when somebody asks for it.
func (c *watchCommand) follow(s *session, feed <-chan upstream.EventNews) int {
	seen, asked := states{}, false
	for news := range feed {
		if news.Err != nil {
			s.say("beltline: %s", news.Err)
			continue
		}
		e := news.Event
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
	return app.ExitOK
}
