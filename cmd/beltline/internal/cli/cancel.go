package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/client"
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

func (c *cancelCommand) do(ctx context.Context, s *session, tenant upstream.Tenant) int {
	a := asking{
		what: messages.CancelRequest, id: c.ID, within: c.Timeout,
		send:     func(ctx context.Context) (client.Receipt, error) { return tenant.Cancel(ctx, c.ID, c.Reason) },
		answered: func(e *messages.Event) bool { return e.Type == messages.Canceled || e.Type == messages.CancelRefused },
		granted:  func(e *messages.Event) bool { return e.Type == messages.Canceled },
	}
	return a.do(ctx, s, c.output, tenant)
}

// asking is a request about an order, which an event answers.
type asking struct {
	what              messages.Request
	id                string
	within            time.Duration
	send              func(context.Context) (client.Receipt, error)
	answered, granted func(*messages.Event) bool
}

// do sends the request and writes its answer.
func (a *asking) do(ctx context.Context, s *session, o output, tenant upstream.Tenant) int {
	e, err := a.answer(ctx, s, tenant)
	if err != nil {
		return s.failed(err)
	}
	if o.json() {
		if err := s.writeEvent(e); err != nil {
			return s.failed(err)
		}
	} else {
		s.tell("%s\t%s\t%s; the order is %s", e.OrderID, e.Type, plain.Why(e), plain.Outcome(e))
	}
	if a.granted(e) {
		return app.ExitOK
	}
	return app.ExitFailure
}

// answer sends the request and waits for the answer. A request that may have
// been stored is answered too.
func (a *asking) answer(ctx context.Context, s *session, tenant upstream.Tenant) (*messages.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, a.within)
	defer cancel()
	// Asked first: the pipeline waits a minute for an unknown order, because a
	// cancel may overtake its submit. A person who mistyped need not.
	last, err := tenant.Get(ctx, a.id)
	if err != nil {
		return nil, err
	}
	place, err := tenant.Now(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := a.send(ctx); errors.Is(err, client.ErrFateUnknown) {
		s.say("beltline: %s; it is not sent again, and an answer is waited for", err)
	} else if err != nil {
		return nil, err
	}
	for e, err := range tenant.Watch(ctx, client.Filter{ID: a.id, After: place}) {
		switch {
		case err != nil && e.Seq == 0 && ctx.Err() == nil:
			return nil, err
		case err != nil, e.N <= last.N:
			continue // it cannot be read, or is not news, or the time is over
		}
		if last = &e.Event; a.answered(last) {
			return last, nil
		}
		s.say("%s: %s", a.id, plain.Why(last))
	}
	return nil, fmt.Errorf("no answer to the %s of %s within %s; the order is %s", a.what, a.id, a.within, plain.Outcome(last))
}
