package plain

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Look says how to draw.
type Look struct {
	Color bool
	// ASCII draws tables without line characters, for terminals and files that
	// cannot show them.
	ASCII bool
}

// LookOf decides by the surroundings: colors on a terminal only, and never
// where NO_COLOR is set.
func LookOf(terminal bool, environ map[string]string) Look {
	return Look{Color: terminal && environ["NO_COLOR"] == "" && environ["TERM"] != "dumb"}
}

var paints = map[messages.Type]text.Colors{
	messages.Succeeded: {text.FgGreen}, messages.Failed: {text.FgRed}, messages.Rejected: {text.FgRed},
	messages.Unresolved: {text.FgYellow}, messages.Retrying: {text.FgYellow}, messages.Reversed: {text.FgRed},
	messages.Canceled: {text.FgMagenta}, messages.Expired: {text.FgMagenta}, messages.CancelRefused: {text.FgYellow}, messages.ConfirmRefused: {text.FgYellow},
	messages.OnHold: {text.FgYellow},
}

// escape is written by hand: the library decides about colors by itself, for
// the whole process.
func (l Look) escape(c text.Colors, s string) string {
	if !l.Color || len(c) == 0 {
		return s
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c[0], s)
}

// Paint colors a text as its state.
func (l Look) Paint(t messages.Type, s string) string { return l.escape(paints[t], s) }

// Good and bad news.
func (l Look) Good(s string) string { return l.escape(text.Colors{text.FgGreen}, s) }

// Bad colors bad news.
func (l Look) Bad(s string) string { return l.escape(text.Colors{text.FgRed}, s) }

// moreIsKnown stands for an event that leaves an order where it was, with an operator.
const moreIsKnown = "more is known for the operator: evidence was gathered"

// Line renders an event as one line: time, order, from → to, why. from is the
// state before, or empty.
func (l Look) Line(e *messages.Event, from messages.Type) string {
	arrow := "→"
	if l.ASCII {
		arrow = "->"
	}
	move := string(e.Type)
	if e.Type.ChangesState() && from != "" {
		move = fmt.Sprintf("%s %s %s", from, arrow, e.Type)
	}
	pad := strings.Repeat(" ", max(0, 27-len([]rune(move))))
	why := Why(e)
	if e.Type == from && e.Type == messages.Unresolved && e.NeedsOperator {
		why = moreIsKnown
	}
	return fmt.Sprintf("%s  %-18s %s%s %s", e.Time.Local().Format("15:04:05.000"), e.OrderID, l.Paint(e.Type, move), pad, why)
}

// Table is a table under construction.
type Table struct {
	w    table.Writer
	look Look
}

// Table begins a table with a line of headings.
func (l Look) Table(headings ...string) *Table {
	t := &Table{w: table.NewWriter(), look: l}
	t.w.SetStyle(table.StyleLight)
	if l.ASCII {
		t.w.SetStyle(table.StyleDefault)
	}
	t.w.Style().Format.Header = text.FormatDefault
	row := make(table.Row, len(headings))
	for i, h := range headings {
		row[i] = h
	}
	t.w.AppendHeader(row)
	return t
}

// Wrap breaks the lines of columns, counted from 1, at a width.
func (t *Table) Wrap(widths map[int]int) *Table {
	var columns []table.ColumnConfig
	for number, width := range widths {
		columns = append(columns, table.ColumnConfig{Number: number, WidthMax: width, WidthMaxEnforcer: text.WrapSoft})
	}
	t.w.SetColumnConfigs(columns)
	return t
}

// Row adds a row.
func (t *Table) Row(cells ...string) {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = c
	}
	t.w.AppendRow(row)
}

// Write draws the table.
func (t *Table) Write(w io.Writer) { _, _ = fmt.Fprintln(w, t.w.Render()) }
