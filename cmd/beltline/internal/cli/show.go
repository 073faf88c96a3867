package cli

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

const timeForm = plain.TimeForm

// evidenceWidth is how long lines of evidence are.
const evidenceWidth = 90

// getCommand is `order get`.
type getCommand struct {
	output
	ID string `arg:"" name:"id" help:"The order."`
}

// Help is shown below the flags.
func (*getCommand) Help() string {
	return "Shows the deliverable too: what was bought is for whoever may ask for the order.\n\n" +
		"Exit codes: 0 shown, 1 not reached, 2 wrong usage, 3 no such order.\n\n" +
		"Example:\n\n  beltline order get ord-2026-000123 --tenant acme"
}

// Check applies the rules of the command.
func (c *getCommand) Check(f *app.Faults) { orderID(f, c.ID) }

func (c *getCommand) do(ctx context.Context, s *session, tenant upstream.Tenant) int {
	e, err := tenant.Get(ctx, c.ID)
	if err != nil {
		return s.failed(err)
	}
	if c.json() {
		if err := s.writeEvent(e); err != nil {
			return s.failed(err)
		}
		return app.ExitOK
	}
	s.tellFacts(e)
	if e.NeedsOperator && e.State == messages.Unresolved {
		s.say("an operator decides about it: `beltline resolve %s`", e.Key())
	}
	return app.ExitOK
}

// tellFacts writes what is known of an order as a table.
func (s *session) tellFacts(e *messages.Event) {
	t := s.look.Table("order", e.OrderID)
	for _, row := range facts(e, s.look) {
		if row[1] != "" {
			t.Row(row[0], row[1])
		}
	}
	t.Write(s.Stdout)
}

// facts lists what is known of an order.
func facts(e *messages.Event, look plain.Look) [][2]string {
	rows := [][2]string{
		{"tenant", e.Tenant},
		{"buys", string(e.Provider) + " " + string(e.Kind)},
		{"state", look.Paint(e.State, plain.Outcome(e))},
		{"meaning", plain.Tree(plain.Why(e), evidenceWidth)},
		{"since", e.Time.Local().Format(timeForm)},
		{"attempts", strconv.Itoa(e.Attempt)},
		{"cost", plain.Spent(e)},
	}
	for _, name := range slices.Sorted(maps.Keys(e.ProviderRef)) {
		rows = append(rows, [2]string{"provider's " + plain.Clean(name), plain.Clean(e.ProviderRef[name])})
	}
	if e.Deliverable != nil {
		rows = append(rows, [2]string{"deliverable", plain.Tree(e.Deliverable, evidenceWidth)})
	}
	if e.Action != nil {
		rows = append(rows, [2]string{"to do", plain.Tree(e.Action, evidenceWidth)})
	}
	for _, moment := range []struct {
		name string
		at   *time.Time
	}{{"next try", e.RetryAt}, {"held until", e.HoldUntil}, {"operator may decide from", e.NotBefore}, {"watched until", e.WatchUntil}} {
		if moment.at != nil {
			rows = append(rows, [2]string{moment.name, moment.at.Local().Format(timeForm)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Evidence)) {
		rows = append(rows, [2]string{"evidence: " + plain.Clean(strings.ReplaceAll(name, "_", " ")), plain.Tree(e.Evidence[name], evidenceWidth)})
	}
	return rows
}

// historyCommand is `order history`.
type historyCommand struct {
	output
	ID string `arg:"" name:"id" help:"The order."`
}

// Help is shown below the flags.
func (*historyCommand) Help() string {
	return "Exit codes: 0 shown, 1 not reached, 2 wrong usage, 3 no such order.\n\n" +
		"Example:\n\n  beltline order history ord-2026-000123 --tenant acme --output json"
}

// Check applies the rules of the command.
func (c *historyCommand) Check(f *app.Faults) { orderID(f, c.ID) }

func (c *historyCommand) do(ctx context.Context, s *session, tenant upstream.Tenant) int {
	all, err := tenant.History(ctx, c.ID)
	if err != nil {
		return s.failed(err)
	}
	if c.json() {
		for _, e := range all {
			if err := s.writeEvent(e); err != nil {
				return s.failed(err)
			}
		}
		return app.ExitOK
	}
	t := s.look.Table("n", "time", "event", "state", "attempt", "why").Wrap(map[int]int{6: 70})
	for _, e := range all {
		t.Row(strconv.FormatUint(e.N, 10), e.Time.Local().Format(timeForm), s.look.Paint(e.Type, string(e.Type)),
			string(e.State), strconv.Itoa(e.Attempt), plain.Why(e))
	}
	t.Write(s.Stdout)
	return app.ExitOK
}
