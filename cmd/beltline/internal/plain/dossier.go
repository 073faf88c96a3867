package plain

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

const (
	// breadth is where lines of a dossier are broken.
	breadth = 120
	// margin is what stands before the words on an event.
	margin = 46
	// steps is how much of a long history a dossier shows; the end says most.
	steps = 40
)

// The keys of evidence that have a place of their own in a dossier.
const (
	witnessKey  = "witness"
	requestsKey = "http"
)

// Dossier writes all that is known of an order for whoever must decide about
// it, from its events: what was asked for, what happened when, what was sent
// and what came back, the balance before and after, and from when on what may
// be decided. It draws no conclusion.
func (l Look) Dossier(w io.Writer, all []*messages.Event, now time.Time) {
	last := all[len(all)-1]
	d := &dossier{w: w, look: l}
	d.line("%s  %s  event %d of %s", l.bold(last.Key()), l.Paint(last.State, Outcome(last)), last.N, Moment(last.Time))
	d.line("%s%s", indent, Why(last))
	d.line("%stimes are in %s", indent, last.Time.Local().Format("MST (-07:00)"))
	d.section("asked for", asksFor(last))
	if len(last.ProviderRef) > 0 {
		d.section("known to the provider as", Tree(last.ProviderRef, breadth))
	}
	d.section("what happened", happened(all))
	evidence, _ := literal(last.Evidence).(map[string]any)
	if requests := evidence[requestsKey]; requests != nil {
		d.section("requests and answers, oldest first", Tree(requests, breadth))
		delete(evidence, requestsKey)
	}
	if seen, ok := evidence[witnessKey].(map[string]any); ok {
		d.section("our balance there", balances(seen))
		delete(evidence, witnessKey)
	}
	if len(evidence) > 0 {
		d.section("more evidence", Tree(evidence, breadth))
	}
	d.section("may be decided", strings.Join(Decidable(last, now), "\n"))
}

// dossier is one that is being written.
type dossier struct {
	w    io.Writer
	look Look
}

func (d *dossier) line(format string, args ...any) { _, _ = fmt.Fprintf(d.w, format+"\n", args...) }

func (d *dossier) section(heading, text string) {
	d.line("\n%s", d.look.bold(heading))
	for line := range strings.SplitSeq(text, "\n") {
		d.line("%s%s", indent, line)
	}
}

func (l Look) bold(s string) string {
	if !l.Color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

// asksFor is what the order is for, as upstream has it.
func asksFor(e *messages.Event) string {
	lines := []string{string(e.Provider) + " " + string(e.Kind)}
	var shown struct {
		Params  json.RawMessage `json:"params"`
		MaxCost json.RawMessage `json:"max_cost"`
		Expires json.RawMessage `json:"expires_at"`
	}
	if json.Unmarshal(e.Order, &shown) != nil {
		return lines[0]
	}
	if shown.Params != nil {
		lines = append(lines, Tree(shown.Params, breadth))
	}
	more := map[string]any{}
	if shown.MaxCost != nil {
		more["max_cost"] = shown.MaxCost
	}
	if shown.Expires != nil {
		more["expires_at"] = shown.Expires
	}
	if len(more) > 0 {
		lines = append(lines, Tree(more, breadth))
	}
	return strings.Join(lines, "\n")
}

// happened lists the events: what was about to be sent, when, and what came back.
func happened(all []*messages.Event) string {
	var lines []string
	all = all[max(0, len(all)-steps):]
	if first := all[0].N; first > 1 {
		lines = append(lines, fmt.Sprintf("  …  %d earlier events are not shown: `beltline order history`", first-1))
	}
	for i, e := range all {
		text := Why(e)
		switch {
		case e.Type == messages.Placing:
			text += intent(e)
		case i > 0 && e.Type == messages.Unresolved && all[i-1].State == messages.Unresolved && all[i-1].NeedsOperator:
			text = moreIsKnown
		}
		for j, part := range wrapped(text, "", breadth-margin) {
			if j == 0 {
				lines = append(lines, fmt.Sprintf("%3d  %s  %-15s %s", e.N, Moment(e.Time), e.Type, part))
			} else {
				lines = append(lines, strings.Repeat(" ", margin)+part)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// intent says what a worker was about to do: from here on a request may have left.
func intent(e *messages.Event) string {
	var parts []string
	if ref := e.ProviderRef["reference"]; ref != "" {
		parts = append(parts, "reference "+Clean(ref))
	}
	if e.LeaseUntil != nil {
		parts = append(parts, "may be sent until "+e.LeaseUntil.Local().Format("15:04:05.000"))
	}
	if e.Work != nil && e.Work.Owner != "" {
		parts = append(parts, "by "+Clean(e.Work.Owner))
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}

// balances says what our balance was before and after, and the difference. What
// it means is for the operator: others may have spent as well.
func balances(seen map[string]any) string {
	rest := maps.Clone(seen)
	take := func(key string) string {
		v, known := rest[key]
		delete(rest, key)
		if text, ok := flat(v); known && ok {
			return text
		}
		return "-"
	}
	at := func(balance, when, why string) string {
		switch {
		case balance != "-":
			return balance + ", read " + when
		case why != "-":
			return "could not be read: " + why
		default:
			return "was not read"
		}
	}
	before, after := take("balance_before"), take("balance_after")
	lines := []string{
		"before: " + at(before, take("at"), take("error")),
		"after:  " + at(after, take("at_after"), take("error_after")),
	}
	if text := difference(before, after); text != "" {
		lines = append(lines, text)
	}
	if len(rest) > 0 {
		lines = append(lines, Tree(rest, breadth))
	}
	return strings.Join(lines, "\n")
}

func difference(before, after string) string {
	a, err := money.ParseDecimal(before)
	if err != nil {
		return ""
	}
	b, err := money.ParseDecimal(after)
	if err != nil {
		return ""
	}
	switch d := b.Sub(a); d.Sign() {
	case -1:
		return "        " + d.Neg().String() + " less"
	case 1:
		return "        " + d.String() + " more"
	default:
		return "        the same"
	}
}

// Decidable says what an operator may decide about an order, and from when on.
// The service has the last word: its clock is the one that counts.
func Decidable(e *messages.Event, now time.Time) []string {
	if e.State != messages.Unresolved {
		return []string{"nothing: the order is " + Outcome(e)}
	}
	lines := []string{"succeeded           now"}
	const ruledOut = "failed, place-again "
	switch {
	case !e.NeedsOperator:
		return append(lines, ruledOut+"not while it is still being looked up")
	case e.NotBefore != nil && e.NotBefore.After(now):
		return append(lines, ruledOut+"from "+Moment(*e.NotBefore)+" on, in "+e.NotBefore.Sub(now).Round(time.Second).String()+
			": until then a paused worker may still wake up and buy")
	default:
		return append(lines, ruledOut+"now")
	}
}
