package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/deadletters"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

// dlqCommand holds what all commands about dead letters share.
type dlqCommand struct {
	ConfigFile string     `name:"config" env:"BELTLINE_CONFIG" placeholder:"PATH" help:"YAML file with any of these settings; keys are the variables' names, in any case."`
	Connection connection `embed:""`

	List   dlqListCommand   `cmd:"" help:"List what could not be processed, and why."`
	Show   dlqShowCommand   `cmd:"" help:"Show a dead letter with its body."`
	Replay dlqReplayCommand `cmd:"" help:"Send dead letters back to where they came from."`
	Drop   dlqDropCommand   `cmd:"" help:"Delete dead letters."`
}

// dlqTask is a command below `dlq`, which needs the stream of dead letters.
type dlqTask interface {
	sort(ctx context.Context, s *session, box *deadletters.Box) int
}

func (c *dlqCommand) with(task any) (command, bool) {
	t, ok := task.(dlqTask)
	return &withBox{c, t}, ok
}

// withBox runs a task over a connection of its own.
type withBox struct {
	dlq  *dlqCommand
	task dlqTask
}

func (w *withBox) run(ctx context.Context, s *session) int {
	client, err := upstream.Connect(w.dlq.Connection.settings())
	if err != nil {
		return s.failed(err)
	}
	defer client.Close()
	timed, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	box, err := deadletters.Open(timed, client.JS)
	if err != nil {
		return s.failed(err)
	}
	return w.task.sort(ctx, s, box)
}

// letterFilter says which dead letters are meant.
type letterFilter struct {
	Kind     string `name:"kind" enum:",orders,commands,hooks" default:"" placeholder:"KIND" help:"orders: requests of upstream; commands: of workers; or hooks: callbacks of providers."`
	Tenant   string `name:"tenant" placeholder:"NAME" help:"Letters about orders of this tenant; unknown for those whose tenant is unusable."`
	Provider string `name:"provider" placeholder:"NAME" help:"Commands and callbacks of this provider. Requests of upstream have none."`
	Reason   string `name:"reason" placeholder:"WORD" help:"Letters with this reason: invalid_order, order_conflict, unknown_order, command_unprocessable, or a newer one."`
	Order    string `name:"order" placeholder:"ID" help:"Letters about this order."`
	Since    string `name:"since" placeholder:"WHEN" help:"Not older: a time such as 2026-11-22T10:00:00Z, or how long ago, such as 24h."`
	Before   string `name:"before" placeholder:"WHEN" help:"Older than this."`
}

// Check applies the rules of the section.
func (l *letterFilter) Check(f *app.Faults) {
	if l.Provider != "" && !slices.Contains(messages.Providers(), messages.Provider(l.Provider)) {
		f.Add("--provider", "must be one of %s", joined(messages.Providers()))
	}
	if l.Tenant != "" && !messages.ValidTenant(l.Tenant) && l.Tenant != messages.UnknownTenant {
		f.Add("--tenant", "must be 1 to 64 letters, digits, - and _, and not begin with _")
	}
	if l.Order != "" && !messages.ValidToken(l.Order) {
		f.Add("--order", "must be 1 to 64 letters, digits, - and _")
	}
	if l.Kind == string(deadletters.Orders) && l.Provider != "" {
		f.Add("--provider", "says nothing of --kind orders: requests of upstream have no provider")
	}
	for _, w := range []struct{ name, value string }{{"--since", l.Since}, {"--before", l.Before}} {
		if _, err := when(w.value, time.Now()); err != nil {
			f.Add(w.name, "%s", err)
		}
	}
}

// when reads a time, or how long ago it was; zero for none.
func when(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if at, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("must be a time such as 2026-11-22T10:00:00Z, or how long ago, such as 24h")
}

func (l *letterFilter) filter() deadletters.Filter {
	now := time.Now()
	since, _ := when(l.Since, now) // both were checked
	before, _ := when(l.Before, now)
	return deadletters.Filter{
		Kind: deadletters.Kind(l.Kind), Tenant: l.Tenant, Provider: messages.Provider(l.Provider), Reason: messages.Reason(l.Reason),
		OrderID: l.Order, Since: since, Before: before,
	}
}

// progress tells on a terminal how far something is that takes long.
type progress struct {
	s    *session
	last time.Time
	wide int
}

const progressEvery = 200 * time.Millisecond

func (p *progress) tell(format string, args ...any) {
	if !p.s.Terminal || time.Since(p.last) < progressEvery {
		return
	}
	p.last = time.Now()
	p.write(fmt.Sprintf(format, args...))
}

func (p *progress) write(text string) {
	_, _ = fmt.Fprintf(p.s.Stderr, "\r%s%s", text, strings.Repeat(" ", max(0, p.wide-len(text))))
	p.wide = len(text)
}

// end wipes the line, so that what follows begins at its start.
func (p *progress) end() {
	if p.wide > 0 {
		p.write("")
		_, _ = fmt.Fprint(p.s.Stderr, "\r")
		p.wide = 0
	}
}
