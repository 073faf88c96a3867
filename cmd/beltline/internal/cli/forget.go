package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/forget"
	"github.com/beltline-io/beltline/pkg/messages"
)

// forgetCommand is `forget`.
type forgetCommand struct {
	output
	ConfigFile string     `name:"config" env:"BELTLINE_CONFIG" placeholder:"PATH" help:"YAML file with any of these settings; keys are the variables' names, in any case."`
	Connection connection `embed:""`
	OlderThan  string     `name:"older-than" placeholder:"AGE" help:"Forget orders whose last event is older, such as 90d or 36h; required."`
	Tenant     string     `name:"tenant" placeholder:"NAME" help:"Only orders of this tenant."`
	Provider   string     `name:"provider" placeholder:"NAME" help:"Only orders at this provider."`
	Export     string     `name:"export" placeholder:"FILE" help:"Where the orders go; required. A new file, for its owner only: a line of JSON for each order, with its sha256."`
	By         string     `name:"by" placeholder:"NAME" help:"Who decides; required, and kept in the ledger."`
	DryRun     bool       `name:"dry-run" short:"n" help:"Change nothing, write no file, and say what would be forgotten."`
	Yes        bool       `name:"yes" short:"y" help:"Do not ask for a confirmation."`
}

// Help is shown below the flags.
func (*forgetCommand) Help() string {
	return "Orders that have ended go from the ledger into a file, with all that customers told about themselves. Of each a tombstone stays: " +
		"its id, state and cost, and a salted digest of its content, so that the id stays used for ever and the same order is still no other one.\n\n" +
		"Orders that have not ended, need an operator or are watched are left alone, and so is one that moves meanwhile. " +
		"Each order is whole or forgotten whatever happens; what a run that was cut short has left, the next one finishes. " +
		"It looks through the whole ledger, and may run while orders are worked on; do not run setup meanwhile.\n\n" +
		"What is erased is overwritten on the disk, unless " + messages.StreamEvents + " was made with deny_delete: then it stays in the server's files until these are written anew. " +
		"On a cluster the logs by which the servers replicate hold it until they are compacted. Dead letters, backups and what upstream keeps are not touched.\n\n" +
		"Exit codes: 0 done, 1 not done, or not for all, 2 wrong usage, 130 cut short by a signal.\n\n" +
		"Examples:\n\n" +
		"  beltline forget --older-than 90d --export 2026-11.jsonl --by ada --dry-run\n" +
		"  beltline forget --older-than 90d --export 2026-11.jsonl --by ada --tenant acme"
}

// Check applies the rules of the command.
func (c *forgetCommand) Check(f *app.Faults) {
	if _, err := ageOf(c.OlderThan); err != nil {
		f.Add("--older-than", "%s", err)
	}
	if c.Export == "" {
		f.Add("--export", "is required")
	}
	switch {
	case strings.TrimSpace(c.By) == "":
		f.Add("--by", "is required")
	case len(c.By) > longest || !utf8.ValidString(c.By):
		f.Add("--by", "must be at most 500 bytes of text")
	}
	if c.Provider != "" && !slices.Contains(messages.Providers(), messages.Provider(c.Provider)) {
		f.Add("--provider", "must be one of %s", joined(messages.Providers()))
	}
	if c.Tenant != "" && !messages.ValidTenant(c.Tenant) {
		f.Add("--tenant", "must be 1 to 64 letters, digits, - and _, and neither `unknown` nor begin with _")
	}
}

// ageOf reads an age; days are what such ages are counted in.
func ageOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, fmt.Errorf("is required")
	}
	const day, most = 24 * time.Hour, 100 * 365
	if number, ok := strings.CutSuffix(text, "d"); ok {
		if days, err := strconv.Atoi(number); err == nil && days >= 0 && days <= most {
			return time.Duration(days) * day, nil
		}
	}
	if age, err := time.ParseDuration(text); err == nil && age >= 0 && age <= most*day {
		return age, nil
	}
	return 0, fmt.Errorf("must be an age such as 90d or 36h")
}

func (c *forgetCommand) run(ctx context.Context, s *session) int {
	client, err := upstream.Connect(c.Connection.settings())
	if err != nil {
		return s.failed(err)
	}
	defer client.Close()
	p := &progress{s: s}
	defer p.end()
	older, _ := ageOf(c.OlderThan) // was checked
	timed, cancel := context.WithTimeout(ctx, askFor)
	e, err := forget.Open(timed, client.Conn, client.JS, forget.Options{
		By: c.By, OlderThan: older, Tenant: c.Tenant, Provider: messages.Provider(c.Provider),
		Progress: func(at forget.Progress) { s.forgetting(p, at) },
		Waits:    func(by string) { s.say("another run, of %s, holds the lease; it is waited for", strconv.Quote(by)) },
	})
	cancel()
	if err != nil {
		return s.failed(err)
	}
	defer e.Close()
	if !c.DryRun {
		if err := e.Take(ctx); err != nil {
			return s.stopped(ctx, err)
		}
	}
	found, err := e.Find(ctx)
	p.end()
	if err != nil {
		return s.stopped(ctx, err)
	}
	return c.forget(ctx, s, e, found)
}

// forgetting tells how far it has come, and of orders that stay as they are.
func (s *session) forgetting(p *progress, at forget.Progress) {
	if at.Fault == nil {
		p.tell("%s: %d of %d", at.Doing, at.Done, at.Of)
		return
	}
	p.end()
	s.say("beltline: %s/%s is left as it is: %s", at.Tenant, at.ID, at.Fault)
}

// forget tells what was found, asks, and does it.
func (c *forgetCommand) forget(ctx context.Context, s *session, e *forget.Eraser, found *forget.Found) int {
	for _, why := range sortedKeys(found.Kept) {
		s.say("%s kept: %s", counted(found.Kept[why]), why)
	}
	if found.Left() > 0 {
		s.say("%s forgotten by a run that did not come to its end", counted(found.Left()))
	}
	if c.DryRun {
		return c.show(s, found)
	}
	if found.Orders() == 0 && found.Left() == 0 {
		s.say("no orders to forget")
		return app.ExitOK
	}
	if code, ok := c.confirmed(ctx, s, found); !ok {
		return code
	}
	export, err := forget.CreateExport(c.Export)
	if err != nil {
		return s.failed(err)
	}
	did, err := e.Run(ctx, found, export)
	if closing := export.Close(); err == nil && closing != nil {
		err = closing
	}
	return c.summary(ctx, s, e, did, err)
}

// show lists what would be forgotten.
func (c *forgetCommand) show(s *session, found *forget.Found) int {
	failed := error(nil)
	found.Each(func(tenant, id string, p messages.Provider, state messages.Type, stored time.Time) {
		if !c.json() {
			s.tell("%s/%s\t%s\t%s\t%s", tenant, id, p, state, stored.UTC().Format(time.RFC3339))
			return
		}
		err := s.tellJSON(map[string]any{
			"tenant": tenant, "order_id": id, "provider": p, "state": state, "stored": stored.UTC(), "dry_run": true,
		})
		if failed == nil {
			failed = err
		}
	})
	if failed != nil {
		return s.failed(failed)
	}
	s.say("%s would be forgotten, with %s", counted(found.Orders()), eventsOf(found.Events))
	return app.ExitOK
}

// confirmed asks whether so many orders are really meant.
func (c *forgetCommand) confirmed(ctx context.Context, s *session, found *forget.Found) (code int, ok bool) {
	switch {
	case c.Yes:
		return 0, true
	case !s.StdinTerminal:
		return s.misused(path(s.Args), app.Misconfigured("--yes",
			"is required to forget %s where nobody can be asked: standard input is not a terminal", counted(found.Orders()))), false
	}
	_, _ = fmt.Fprintf(s.Stderr, "This would erase %s with %s from the ledger for good; they go into %s. Type yes to do it: ",
		counted(found.Orders()), eventsOf(found.Events), c.Export)
	if text, err := newLineReader(s.Stdin).next(ctx); err != nil || !strings.EqualFold(text, "yes") {
		s.say("\nbeltline: nothing was done: it was not confirmed")
		if ctx.Err() != nil {
			return app.ExitSignal, false
		}
		return app.ExitFailure, false
	}
	return 0, true
}

// summary says what was done, also where it was cut short.
func (c *forgetCommand) summary(ctx context.Context, s *session, e *forget.Eraser, did forget.Summary, err error) int {
	if c.json() {
		_ = s.tellJSON(map[string]any{
			"forgotten": did.Forgotten, "finished": did.Finished, "kept": did.Kept, "failed": did.Failed, "erased": did.Erased,
			"overwritten": e.Overwrites(), "export": c.Export,
		})
	}
	text := fmt.Sprintf("%s forgotten, %s erased", counted(did.Forgotten), eventsOf(int(did.Erased))) //nolint:gosec // small
	for _, part := range []struct {
		n    int
		word string
	}{{did.Finished, "finished"}, {did.Kept, "kept: moved meanwhile"}, {did.Failed, "not read"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.word)
		}
	}
	s.say("%s; exported to %s", text, c.Export)
	if !e.Overwrites() {
		s.say("%s was made with deny_delete: the bytes stay in the server's files until it writes them anew", messages.StreamEvents)
	}
	switch {
	case err != nil:
		s.say("what is left half-way the next run finishes")
		return s.stopped(ctx, err)
	case did.Failed > 0:
		return app.ExitFailure
	default:
		return app.ExitOK
	}
}

func sortedKeys(m map[string]int) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func eventsOf(n int) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}
