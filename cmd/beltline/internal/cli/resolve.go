package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

// placeAgain is the decision as it is typed; on the wire it is place_again.
const placeAgain = "place-again"

// resolveCommand is `resolve`.
type resolveCommand struct {
	ConfigFile string     `name:"config" env:"BELTLINE_CONFIG" placeholder:"PATH" help:"YAML file with any of these settings; keys are the variables' names, in any case."`
	Connection connection `embed:""`
	Tenant     tenantFlag `embed:""`
	output

	Order        string `arg:"" name:"order" help:"The order: TENANT/ID, or ID with --tenant."`
	Decision     string `name:"decision" placeholder:"WHAT" help:"succeeded, failed or place-again. Without it, what is known of the order is shown, and nothing else is done."`
	Evidence     string `name:"evidence" placeholder:"TEXT" help:"What the decision rests on, a text or a JSON object. It is kept with the order."`
	By           string `name:"by" placeholder:"NAME" help:"Who decides; kept with the order. Without it, the user of this machine."`
	NewReference bool   `name:"new-reference" help:"With place-again: place it under a new reference at the provider."`
	ExpectedN    uint64 `name:"expected-n" placeholder:"N" help:"The event that the decision rests on. Without it, the last one, which is shown."`
	DryRun       bool   `name:"dry-run" help:"Write nothing, and show what would be written."`
	Yes          bool   `name:"yes" short:"y" help:"Do not ask for a confirmation."`
}

// Help is shown below the flags.
func (*resolveCommand) Help() string {
	return "Decides about an order that nobody can look up. It first shows all that is known: what was asked for, what was sent and when, " +
		"what came back, the balance before and after. Look in the provider's own books before you decide.\n\n" +
		"  succeeded    it was bought\n" +
		"  failed       it certainly was not bought, and is not to be\n" +
		"  place-again  it certainly was not bought, and is to be bought now; --new-reference where the provider\n" +
		"               would take the old reference for a repeat\n\n" +
		"failed and place-again must wait until the time that is shown: until then a paused worker may still wake up and buy. " +
		"A decision rests on one event and is written only if that is still the last, so the same command may be given again without harm.\n\n" +
		"Exit codes: 0 decided, or shown; 1 not decided, or it is not known (it says which); 2 wrong usage; 3 no such order.\n\n" +
		"Examples:\n\n  beltline resolve acme/ord-1\n" +
		"  beltline resolve acme/ord-1 --decision succeeded --evidence 'payment 10000 in the cabinet'"
}

// Check applies the rules of the command.
func (c *resolveCommand) Check(f *app.Faults) {
	tenant, id := c.key()
	if !messages.ValidToken(id) || tenant != "" && !messages.ValidTenant(tenant) {
		f.Add("order", "must be TENANT/ID, each 1 to 64 letters, digits, - and _")
	} else if tenant == "" {
		f.Add("order", "must be TENANT/ID where no --tenant is given")
	}
	switch c.Decision {
	case "", string(messages.DecidedSucceeded), string(messages.DecidedFailed), placeAgain, string(messages.DecidedPlaceAgain):
	default:
		f.Add("--decision", "must be succeeded, failed or place-again")
	}
	if c.NewReference && c.decision() != messages.DecidedPlaceAgain {
		f.Add("--new-reference", "is for the decision place-again only")
	}
	if c.Decision == "" && (c.DryRun || c.Evidence != "" || c.ExpectedN != 0) {
		f.Add("--decision", "is required where a decision is prepared")
	}
}

// key is whose order is meant, and which. What is written with the order wins
// over a tenant that is set for all commands.
func (c *resolveCommand) key() (tenant, id string) {
	if tenant, id, both := strings.Cut(c.Order, "/"); both {
		return cmp.Or(tenant, "/"), id // "/" is no tenant: an empty one is a slip of the hand
	}
	return c.Tenant.Name, c.Order
}

func (c *resolveCommand) decision() messages.Decision {
	if c.Decision == placeAgain {
		return messages.DecidedPlaceAgain
	}
	return messages.Decision(c.Decision)
}

// deciding is one run of the command.
type deciding struct {
	*session
	c          *resolveCommand
	client     *upstream.Client
	tenant, id string
	dossier    io.Writer // where what is known is shown: results have standard output to themselves
	asked      messages.Resolve
}

func (c *resolveCommand) run(ctx context.Context, s *session) int {
	d := &deciding{session: s, c: c, dossier: s.Stdout}
	d.tenant, d.id = c.key()
	c.By = cmp.Or(c.By, s.Environ["USER"], s.Environ["LOGNAME"], s.Environ["USERNAME"])
	if faults := d.lacking(); len(faults) > 0 {
		return s.misused("beltline resolve", &app.ConfigError{Faults: faults})
	}
	client, err := upstream.Connect(c.Connection.settings())
	if err != nil {
		return s.failed(err)
	}
	defer client.Close()
	d.client = client
	all, err := d.client.OperatorHistory(ctx, d.tenant, d.id)
	if err != nil {
		return s.failed(err)
	}
	if c.Decision == "" {
		return d.showOnly(all)
	}
	return d.decide(ctx, all)
}

// lacking are the faults that depend on whether somebody can be asked.
func (d *deciding) lacking() (faults []app.Fault) {
	if d.c.Decision == "" {
		return nil
	}
	lacks := func(name, text string) { faults = append(faults, app.Fault{Name: name, Text: text}) }
	if strings.TrimSpace(d.c.Evidence) == "" && (!d.StdinTerminal || d.c.Yes) {
		lacks("--evidence", "is required: say what the decision rests on")
	}
	if d.c.By == "" {
		lacks("--by", "is required: say who decides")
	}
	if !d.c.Yes && !d.c.DryRun && !d.StdinTerminal {
		lacks("--yes", "is required where nobody can be asked to confirm: standard input is not a terminal")
	}
	return faults
}

// showOnly shows what is known.
func (d *deciding) showOnly(all []*messages.Event) int {
	if !d.c.json() {
		d.showKnown(all)
		return app.ExitOK
	}
	for _, e := range all {
		if err := d.writeEvent(e); err != nil {
			return d.failed(err)
		}
	}
	return app.ExitOK
}

func (d *deciding) showKnown(all []*messages.Event) {
	d.look.Dossier(d.dossier, all, time.Now())
}

// decide asks for a confirmation and then for the decision.
func (d *deciding) decide(ctx context.Context, all []*messages.Event) int {
	last := all[len(all)-1]
	if d.c.json() {
		d.dossier = d.Stderr
	}
	d.showKnown(all)
	d.asked = messages.Resolve{
		Tenant: d.tenant, ID: d.id, ExpectedN: cmp.Or(d.c.ExpectedN, last.N), Decision: d.c.decision(),
		NewReference: d.c.NewReference, Evidence: evidenceOf(d.c.Evidence), By: d.c.By, DryRun: d.c.DryRun,
	}
	if e := d.own(all); e != nil && !d.asked.DryRun {
		d.say("\nthis decision had been written already")
		return d.found(e)
	}
	if last.State != messages.Unresolved {
		// Nothing was asked of anybody, so this is certain.
		d.say("\nbeltline: nothing was written: %s is %s, and only what is unresolved can be decided about", last.Key(), plain.Outcome(last))
		d.adviseOnEnd(last)
		return app.ExitFailure
	}
	if d.asked.ExpectedN != last.N {
		d.say("\nthe decision is to rest on event %d, and the last one is %d", d.asked.ExpectedN, last.N)
	}
	if code, ok := d.confirm(ctx); !ok {
		return code
	}
	body, err := d.client.Ask(ctx, messages.OperatorServiceSubject("resolve"), d.asked)
	if err != nil {
		return d.undecided(ctx, err)
	}
	var r messages.Resolution
	if err := json.Unmarshal(body, &r); err != nil {
		return d.undecided(ctx, fmt.Errorf("the answer cannot be read: %w", err))
	}
	return d.decided(&r, body)
}

// confirm completes the evidence and asks whether it is meant.
func (d *deciding) confirm(ctx context.Context) (code int, ok bool) {
	lines := newLineReader(d.Stdin)
	evidence := d.c.Evidence
	if strings.TrimSpace(evidence) == "" {
		_, _ = fmt.Fprint(d.Stderr, "\nWhat does the decision rest on? ")
		text, err := lines.next(ctx)
		if err != nil || text == "" {
			return d.unconfirmed(ctx)
		}
		evidence = text
	}
	d.asked.Evidence = evidenceOf(evidence)
	if d.c.Yes || d.c.DryRun {
		return 0, true
	}
	what := "`" + string(d.asked.Decision) + "`"
	if d.asked.NewReference {
		what += " under a new reference"
	}
	d.say("\nThis writes %s for %s/%s, resting on event %d, decided by %s: %s",
		what, d.tenant, d.id, d.asked.ExpectedN, plain.Clean(d.asked.By), plain.Clean(evidence))
	_, _ = fmt.Fprint(d.Stderr, "Type yes to write it: ")
	if text, err := lines.next(ctx); err != nil || !strings.EqualFold(text, "yes") {
		return d.unconfirmed(ctx)
	}
	return 0, true
}

func (d *deciding) unconfirmed(ctx context.Context) (int, bool) {
	d.say("\nbeltline: nothing was written: it was not confirmed")
	if ctx.Err() != nil {
		return app.ExitSignal, false
	}
	return app.ExitFailure, false
}

// evidenceOf takes a JSON object for what it is, numbers to the letter, and
// everything else for a text.
func evidenceOf(text string) any {
	if trimmed := bytes.TrimSpace([]byte(text)); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed) {
		return json.RawMessage(trimmed)
	}
	return text
}
