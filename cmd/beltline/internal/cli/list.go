package cli

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

// patience is how long a list waits for a dispatcher that still reads the
// ledger after its start.
const patience = time.Minute

// listCommand is `order list`.
type listCommand struct {
	output
	Provider      string        `name:"provider" placeholder:"NAME" help:"Orders of this provider."`
	State         string        `name:"state" placeholder:"STATE" help:"Orders in this state, such as unresolved."`
	NeedsOperator bool          `name:"needs-operator" help:"Orders that an operator must decide about or look into."`
	OlderThan     time.Duration `name:"older-than" placeholder:"TIME" help:"Orders whose last event is at least so old, such as 1h."`
	Limit         int           `name:"limit" default:"50" help:"How many at most."`
	All           bool          `name:"all" help:"All of them, whatever the limit."`
	AllTenants    bool          `name:"all-tenants" help:"Orders of all tenants, though a tenant is set."`
}

// Help is shown below the flags.
func (*listCommand) Help() string {
	return "Shows the last event of each order, those that were accepted last first. With a tenant it asks what that tenant may ask " +
		"(svc.orders.<tenant>.list), without one the operator's service, which knows the orders of all.\n\n" +
		"Exit codes: 0 shown, also where there are none; 1 not reached; 2 wrong usage.\n\n" +
		"Examples:\n\n  beltline order list --tenant acme --state processing --older-than 1h\n" +
		"  beltline order list --needs-operator --all -o json | jq -r '.tenant + \"/\" + .order_id'"
}

// Check applies the rules of the command.
func (c *listCommand) Check(f *app.Faults) {
	if c.Provider != "" && !slices.Contains(messages.Providers(), messages.Provider(c.Provider)) {
		f.Add("--provider", "must be one of %s", joined(messages.Providers()))
	}
	if c.State != "" && !slices.Contains(messages.States(), messages.Type(c.State)) {
		f.Add("--state", "must be one of %s", joined(messages.States()))
	}
	if c.OlderThan < 0 {
		f.Add("--older-than", "must not be negative")
	}
	if c.Limit < 1 {
		f.Add("--limit", "must be at least 1")
	}
}

func joined[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}

func (c *listCommand) allTenants() bool { return c.AllTenants }

// lister is one run of a list.
type lister struct {
	*session
	c       *listCommand
	list    func(context.Context, messages.OrdersAsked) (messages.OrderPage, error)
	name    func(*messages.Event) string
	table   *plain.Table
	shown   int
	waiting int // orders that an operator must decide about
}

func (c *listCommand) do(ctx context.Context, s *session, tenant upstream.Tenant) int {
	return (&lister{session: s, c: c, list: tenant.List, name: func(e *messages.Event) string { return e.OrderID }}).run(ctx)
}

func (c *listCommand) doForAll(ctx context.Context, s *session, client *upstream.Client) int {
	return (&lister{session: s, c: c, list: client.OperatorList, name: (*messages.Event).Key}).run(ctx)
}

func (l *lister) run(ctx context.Context) int {
	s := l.session
	l.table = s.look.Table("order", "buys", "state", "since", "cost", "meaning").Wrap(map[int]int{6: 60})
	more, err := l.pages(ctx)
	if l.shown > 0 && !l.c.json() {
		l.table.Write(s.Stdout)
	}
	switch {
	case ctx.Err() != nil:
		return app.ExitSignal
	case err != nil:
		return s.failed(err)
	case l.shown == 0:
		s.say("no orders")
	case more:
		s.say("%s, and there are more: --all, or a greater --limit", counted(l.shown))
	default:
		s.say("%s", counted(l.shown))
	}
	if l.waiting > 0 {
		s.say("`beltline resolve TENANT/ID` shows all that is known of an unresolved one, and decides about it")
	}
	return app.ExitOK
}

func counted(orders int) string {
	if orders == 1 {
		return "1 order"
	}
	return strconv.Itoa(orders) + " orders"
}

// pages reads page after page. more reports whether there may be others.
func (l *lister) pages(ctx context.Context) (more bool, err error) {
	for cursor := ""; ; {
		asked := messages.OrdersAsked{
			Provider: messages.Provider(l.c.Provider), State: messages.Type(l.c.State), OlderThan: l.c.OlderThan,
			Limit: messages.MaxPage, Cursor: cursor,
		}
		if l.c.NeedsOperator {
			asked.NeedsOperator = &l.c.NeedsOperator
		}
		if !l.c.All {
			asked.Limit = min(l.c.Limit-l.shown, messages.MaxPage)
		}
		page, err := l.ask(ctx, asked)
		if err != nil {
			return false, err
		}
		for i := range page.Orders {
			if err := l.show(&page.Orders[i]); err != nil {
				return false, err
			}
		}
		switch {
		case page.Cursor == "":
			return false, nil
		case page.Cursor == cursor:
			return false, errors.New("the dispatcher gives the same page again and again")
		case !l.c.All && l.shown >= l.c.Limit:
			return true, nil
		}
		cursor = page.Cursor
	}
}

// ask asks for a page, and again where the dispatcher says that it is not ready
// yet and when it will be.
func (l *lister) ask(ctx context.Context, asked messages.OrdersAsked) (messages.OrderPage, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		page, err := l.list(ctx, asked)
		var said *client.ServiceError
		if !errors.As(err, &said) || said.RetryAfter <= 0 || !sleep(ctx, said.RetryAfter) {
			return page, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// show takes an order into the table, or writes its event.
func (l *lister) show(e *messages.Event) error {
	l.shown++
	if e.State == messages.Unresolved && e.NeedsOperator {
		l.waiting++
	}
	if l.c.json() {
		return l.writeEvent(e)
	}
	state := plain.Outcome(e)
	if e.NeedsOperator && e.State != messages.Unresolved {
		state += " (operator)"
	}
	l.table.Row(l.name(e), strings.TrimSpace(string(e.Provider)+" "+string(e.Kind)), l.look.Paint(e.State, state),
		e.Time.Local().Format(time.DateTime), plain.Spent(e), plain.Why(e))
	return nil
}
