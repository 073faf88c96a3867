package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/cmd/beltline/internal/vitals"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

// everyProvider is the word for all of them.
const everyProvider = "all"

// providerCommand holds what all commands about providers share.
type providerCommand struct {
	ConfigFile string     `name:"config" env:"BELTLINE_CONFIG" placeholder:"PATH" help:"YAML file with any of these settings; keys are the variables' names, in any case."`
	Connection connection `embed:""`

	Status providerStatusCommand `cmd:"" help:"Show how the work for each provider stands: lane, limit, what waits, workers, balance."`
	Pause  providerPauseCommand  `cmd:"" help:"Stop buying at a provider, or at all of them."`
	Resume providerResumeCommand `cmd:"" help:"Let orders be placed again."`
}

// providerTask is a command below `provider`, which needs a connection.
type providerTask interface {
	tend(ctx context.Context, s *session, c *upstream.Client) int
}

func (c *providerCommand) with(task any) (command, bool) {
	t, ok := task.(providerTask)
	return &withVitals{c, t}, ok
}

// withVitals runs a task over a connection of its own.
type withVitals struct {
	provider *providerCommand
	task     providerTask
}

func (w *withVitals) run(ctx context.Context, s *session) int {
	client, err := upstream.Connect(w.provider.Connection.settings())
	if err != nil {
		return s.failed(err)
	}
	defer client.Close()
	return w.task.tend(ctx, s, client)
}

// chosen turns the words of a command line into providers, each once.
func chosen(names []string) []messages.Provider {
	if len(names) == 0 || slices.Contains(names, everyProvider) {
		return messages.Providers()
	}
	var all []messages.Provider
	for _, p := range messages.Providers() {
		if slices.Contains(names, string(p)) {
			all = append(all, p)
		}
	}
	return all
}

func checkProviders(f *app.Faults, names []string) {
	for _, name := range names {
		if name != everyProvider && !slices.Contains(messages.Providers(), messages.Provider(name)) {
			f.Add("provider", "must be one of %s, or %s", joined(messages.Providers()), everyProvider)
			return
		}
	}
}

// decision is who changes a lane, and why.
type decision struct {
	output
	Provider string `arg:"" name:"provider" help:"balancesteam, skinsback, gamesdrop, exchanger, or all."`
	By       string `name:"by" placeholder:"NAME" help:"Who decides; kept with the lane. Without it, the user of this machine."`
	Reason   string `name:"reason" placeholder:"TEXT" help:"Why; kept while the lane is paused, and in the dispatcher's log."`
}

func (d *decision) check(f *app.Faults) {
	checkProviders(f, []string{d.Provider})
	if len(d.By) > 128 || !utf8.ValidString(d.By) {
		f.Add("--by", "must be at most 128 bytes of text")
	}
	if len(d.Reason) > longest || !utf8.ValidString(d.Reason) {
		f.Add("--reason", "must be at most 500 bytes of text")
	}
}

// providerPauseCommand is `provider pause`.
type providerPauseCommand struct{ decision }

// Help is shown below the flags.
func (*providerPauseCommand) Help() string {
	return "A paused provider gets no order until it is resumed: neither new ones, nor retries, nor the one order that would probe a " +
		"closed lane. Once this command says paused, no request that buys leaves any worker, but for one whose intent was in the ledger " +
		"before; it takes about a second for that. Orders wait, and may expire; what was placed before is still looked after, " +
		"canceled and confirmed.\n\n" +
		"`all` pauses every provider, all at once. Where the dispatcher does not answer, the lane is paused without it.\n\n" +
		"Exit codes: 0 paused, also where it was before; 1 not paused, or not known to be; 2 wrong usage.\n\n" +
		"Example:\n\n  beltline provider pause all --by ada --reason 'prices look wrong'"
}

// Check applies the rules of the command.
func (c *providerPauseCommand) Check(f *app.Faults) {
	c.check(f)
	if strings.TrimSpace(c.Reason) == "" {
		f.Add("--reason", "is required")
	}
}

func (c *providerPauseCommand) tend(ctx context.Context, s *session, client *upstream.Client) int {
	return c.change(ctx, s, client, messages.LanePause)
}

// providerResumeCommand is `provider resume`.
type providerResumeCommand struct{ decision }

// Help is shown below the flags.
func (*providerResumeCommand) Help() string {
	return "Opens the lane of a provider, whyever it was closed. Orders that waited go on at once, those that our account there had " +
		"blocked within about a minute. A lane that closes again by itself says why in `beltline provider status`.\n\n" +
		"Exit codes: 0 open, also where it was before; 1 not opened, or not known to be; 2 wrong usage.\n\n" +
		"Example:\n\n  beltline provider resume gamesdrop --by ada"
}

// Check applies the rules of the command.
func (c *providerResumeCommand) Check(f *app.Faults) { c.check(f) }

func (c *providerResumeCommand) tend(ctx context.Context, s *session, client *upstream.Client) int {
	return c.change(ctx, s, client, messages.LaneResume)
}

// change changes all lanes that are meant at once: who stops all buying must not
// wait for one after the other.
func (d *decision) change(ctx context.Context, s *session, client *upstream.Client, action messages.LaneAction) int {
	by := strings.TrimSpace(cmp.Or(d.By, s.Environ["USER"], s.Environ["LOGNAME"], s.Environ["USERNAME"]))
	if by == "" {
		return s.misused(path(s.Args), app.Misconfigured("--by", "is required: the user of this machine is not known"))
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	providers := chosen([]string{d.Provider})
	type changed struct {
		status *messages.LaneStatus
		direct bool
		err    error
	}
	results := make([]changed, len(providers))
	var all sync.WaitGroup
	for i, p := range providers {
		all.Go(func() {
			r := &results[i]
			r.status, r.direct, r.err = vitals.Change(ctx, client, messages.LaneAsked{Provider: p, Action: action, By: by, Reason: d.Reason})
		})
	}
	all.Wait()
	code := app.ExitOK
	for i, r := range results {
		if r.direct && r.err == nil {
			s.say("beltline: no dispatcher answers; the lane of %s was written without it", providers[i])
		}
		if r.err != nil {
			s.say("beltline: whether %s is %s is not known: %s\nAsk again; it does no harm", providers[i], words[action], told(r.err))
			code = app.ExitFailure
			continue
		}
		if d.json() {
			if err := s.tellJSON(r.status); err != nil {
				return s.failed(err)
			}
			continue
		}
		s.tell("%s\t%s\t%s", providers[i], laneWord(r.status), plain.Clean(laneStory(r.status)))
	}
	return code
}

// words say what an action makes of a lane.
var words = map[messages.LaneAction]string{messages.LanePause: "paused", messages.LaneResume: "open"}

func told(err error) string { return plain.Clean(err.Error()) }

func laneWord(l *messages.LaneStatus) string {
	if l.Paused {
		return "paused"
	}
	return l.State
}

// laneStory is who made a lane what it is, when and why.
func laneStory(l *messages.LaneStatus) string {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	var parts []string
	reason := text(l.Reason)
	if l.Paused && reason == "paused" {
		reason = ""
	}
	if why := strings.Trim(reason+": "+text(l.Message), ": "); why != "" && l.State != "open" {
		parts = append(parts, why)
	}
	if by := text(l.By); by != "" {
		parts = append(parts, "by "+by)
	}
	if l.Since != nil {
		parts = append(parts, "since "+plain.Moment(*l.Since))
	}
	if l.Until != nil {
		parts = append(parts, "tried again "+plain.Moment(*l.Until))
	}
	if len(parts) == 0 {
		return "never closed"
	}
	return fmt.Sprint(strings.Join(parts, ", "))
}
