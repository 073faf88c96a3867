package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/cmd/beltline/internal/vitals"
	"github.com/beltline-io/beltline/internal/app"
)

// providerStatusCommand is `provider status`.
type providerStatusCommand struct {
	output
	Providers []string      `arg:"" optional:"" name:"provider" help:"Which; without any, all."`
	Balance   bool          `name:"balance" default:"true" negatable:"" help:"Ask for our balance where the provider tells it; takes one request of its rate limit."`
	Timeout   time.Duration `name:"timeout" default:"8s" help:"How long to wait for answers."`
}

// Help is shown below the flags.
func (*providerStatusCommand) Help() string {
	return "lane: open; closed, because our account there is refused or we asked too often, until it is tried again; or paused by an operator.\n" +
		"waiting: orders that nobody has taken, and those that a worker has in hand. due: placed orders whose check, cancel or " +
		"confirmation waits, and those in hand.\n" +
		"limit: requests within the provider's window so far.\n" +
		"workers: replicas that serve the provider; with the errors that they met when they were asked something, and the last one.\n\n" +
		"Exit codes: 0 shown, whatever it shows; 1 something could not be found out, which is named; 2 wrong usage.\n\n" +
		"Examples:\n\n  beltline provider status\n  beltline provider status gamesdrop -o json | jq .place.waiting"
}

// Check applies the rules of the command.
func (c *providerStatusCommand) Check(f *app.Faults) {
	checkProviders(f, c.Providers)
	positive(f, "--timeout", c.Timeout)
}

func (c *providerStatusCommand) tend(ctx context.Context, s *session, client *upstream.Client) int {
	all := vitals.Look(ctx, client, chosen(c.Providers), vitals.Options{Balances: c.Balance, Wait: c.Timeout})
	code := app.ExitOK
	t := s.look.Table("provider", "lane", "why", "waiting", "due", "limit", "workers", "balance").Wrap(map[int]int{3: 44, 7: 36})
	for i := range all {
		v := &all[i]
		if len(v.Unreached) > 0 {
			code = app.ExitFailure
		}
		if c.json() {
			if err := s.tellJSON(v); err != nil {
				return s.failed(err)
			}
			continue
		}
		word, why := unknown, ""
		if v.Lane != nil {
			word, why = laneWord(v.Lane), laneStory(v.Lane)
			if word == "open" {
				word = s.look.Good(word)
			} else {
				word = s.look.Bad(word)
			}
		}
		t.Row(string(v.Provider), word, plain.Clean(why), waiting(v.Place), waiting(v.Follow), limit(v), plain.Clean(workers(v)), money(v))
	}
	if !c.json() {
		t.Write(s.Stdout)
		for i := range all {
			for _, u := range all[i].Unreached {
				s.say("%s: %s is not known: %s", all[i].Provider, u.What, plain.Clean(u.Why))
			}
		}
	}
	return code
}

// unknown stands where something could not be found out.
const unknown = "?"

func waiting(b *vitals.Backlog) string {
	switch {
	case b == nil:
		return unknown
	case b.InHand == 0:
		return fmt.Sprint(b.Waiting)
	default:
		return fmt.Sprintf("%d + %d in hand", b.Waiting, b.InHand)
	}
}

func limit(v *vitals.Status) string {
	if v.Lane == nil || v.Lane.Limit == nil {
		return unknown
	}
	l := v.Lane.Limit
	return fmt.Sprintf("%d of %d in %s", l.InUse, l.Requests, l.Window)
}

func workers(v *vitals.Status) string {
	for _, u := range v.Unreached {
		if u.What == "workers" {
			return unknown
		}
	}
	if len(v.Workers) == 0 {
		return "none"
	}
	lines := []string{fmt.Sprint(len(v.Workers))}
	errors := 0
	var last *vitals.Replica
	for i, r := range v.Workers {
		errors += r.Errors
		if r.LastErrorAt != nil && (last == nil || r.LastErrorAt.After(*last.LastErrorAt)) {
			last = &v.Workers[i]
		}
	}
	if errors > 0 && last != nil {
		lines = append(lines, fmt.Sprintf("%d errors, the last %s: %s", errors, plain.Moment(*last.LastErrorAt), last.LastError))
	}
	return strings.Join(lines, "; ")
}

func money(v *vitals.Status) string {
	for _, u := range v.Unreached {
		if u.What == "balance" {
			return unknown
		}
	}
	if v.Balance == nil {
		return "-"
	}
	return v.Balance.String()
}
