package cli

import (
	"context"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/client"
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

func (c *confirmCommand) do(ctx context.Context, s *session, tenant upstream.Tenant) int {
	a := asking{
		what: messages.ConfirmRequest, id: c.ID, within: c.Timeout,
		send:     func(ctx context.Context) (client.Receipt, error) { return tenant.Confirm(ctx, c.ID) },
		answered: func(e *messages.Event) bool { return e.Type == messages.ConfirmRefused || beyondTheCustomer(e) },
		granted: func(e *messages.Event) bool {
			return e.Type != messages.ConfirmRefused && (!e.Terminal() || e.State == messages.Succeeded)
		},
	}
	return a.do(ctx, s, c.output, tenant)
}

// beyondTheCustomer: the provider goes on with the order, or it has ended. A
// poll may find that before the answer to the confirm is recorded.
func beyondTheCustomer(e *messages.Event) bool {
	return e.Type.ChangesState() && (e.State == messages.Processing || e.State == messages.OnHold || e.Terminal())
}
