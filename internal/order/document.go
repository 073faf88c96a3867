package order

import (
	"fmt"
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Document renders the table and its words as docs/state-machine.md.
func Document() string {
	var b strings.Builder
	b.WriteString(`<!-- Generated from internal/order by ` + "`go generate ./internal/order`" + `; a test fails where it is out of date. -->

# The states of an order

Every change of an order is one event, and the state is the type of the last event that changed it. What may happen is
one table: (state, input) → event. An input is something that happened: a worker took the order, the provider answered
its owner (` + "`own_…`" + `), a lookup found something (` + "`seen_…`" + `), upstream asked, an operator decided (` + "`decide_…`" + `).

Read it with three rules in mind. The intent, ` + "`placing`" + `, is written before anything is sent, and only its writer sends.
What is not known is ` + "`unresolved`" + `, and time alone never makes it ` + "`failed`" + `. Nothing follows a terminal state but
` + "`reversed`" + ` after ` + "`succeeded`" + `.

`)
	b.WriteString("## The way of an order\n\n")
	diagram(&b)
	b.WriteString("\nNot drawn: in `accepted` and `retrying`, an answer that the provider did it after all stops the next purchase.\n")
	b.WriteString("\n## The states\n\n| state | what is known |\n|---|---|\n")
	for _, s := range States()[1:] {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s, stateTexts[s])
	}
	b.WriteString("\n## The inputs\n\n| input | what has happened |\n|---|---|\n")
	for _, in := range Inputs() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", in, inputTexts[in])
	}
	matrix(&b)
	b.WriteString("\n## What a cell leaves out\n\nThe state alone does not say everything. These rules refine the cells above.\n\n")
	for _, g := range guardTexts {
		fmt.Fprintf(&b, "- **%s.** %s\n", g.title, g.text)
	}
	return b.String()
}

// diagram draws the changes of state. Moves to the same state, the rescue of
// an order by an answer that nobody waits for any more, and what guards refine
// are left to the table: with them nobody could read it.
func diagram(b *strings.Builder) {
	b.WriteString("```mermaid\nstateDiagram-v2\n")
	for _, from := range States() {
		for _, to := range States()[1:] {
			var by []string
			for _, in := range Inputs() {
				rescue := (from == accepted || from == retrying) && in >= OwnSucceeded && in <= LinkLost
				if m := lookup(from, in); m.verdict == Write && m.event == to && from != to && !rescue {
					by = append(by, in.String())
				}
			}
			if len(by) > 0 {
				fmt.Fprintf(b, "    %s --> %s: %s\n", node(from), to, strings.Join(by, "<br/>"))
			}
		}
		if from.Terminal() && from != succeeded {
			fmt.Fprintf(b, "    %s --> [*]\n", from)
		}
	}
	fmt.Fprintf(b, "    %s --> [*]: no longer watched\n```\n", succeeded)
}

func node(state messages.Type) string {
	if state == None {
		return "[*]"
	}
	return string(state)
}

// matrix writes the whole table, in two halves so that it can be read.
func matrix(b *strings.Builder) {
	b.WriteString(`
## The whole table

A name is the event that is written. ` + "`–`" + `: ignored, nothing changes. **wait**: not now, ask again later. **ask**: ask the
provider, its answer is another input. **unknown**: there is no such order. **✗**: cannot happen; the caller is at fault.
`)
	var way, end []messages.Type
	for _, s := range States() {
		if s.Terminal() {
			end = append(end, s)
		} else {
			way = append(way, s)
		}
	}
	half(b, "On the way", way)
	half(b, "At the end", end)
}

func half(b *strings.Builder, title string, states []messages.Type) {
	fmt.Fprintf(b, "\n### %s\n\n| input |", title)
	for _, s := range states {
		if s == None {
			s = "no event"
		}
		fmt.Fprintf(b, " %s |", s)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(states)) + "\n")
	for _, in := range Inputs() {
		fmt.Fprintf(b, "| `%s` |", in)
		for _, s := range states {
			fmt.Fprintf(b, " %s |", cell(lookup(s, in)))
		}
		b.WriteString("\n")
	}
}

func cell(m move) string {
	switch m.verdict {
	case Write:
		return string(m.event)
	case Ignore:
		return "–"
	case Forbidden:
		return "✗"
	case Wait, Ask, Unknown:
		return "**" + m.verdict.String() + "**"
	default:
		return "?"
	}
}
