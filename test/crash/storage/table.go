package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

// write tells of one trial.
func (o *outcome) write(w io.Writer, again string, err error) {
	line := fmt.Sprintf("%d %s: %d of %d events lost, tripped %t, bought twice %d, %.1fs", o.Seed, o.Fault, o.Lost, o.Acked, o.Tripped, o.Twice, o.Seconds)
	if o.Skipped != "" {
		line = fmt.Sprintf("%d %s: not done: %s", o.Seed, o.Fault, o.Skipped)
	}
	if len(o.Notes) > 0 {
		line += " (" + strings.Join(o.Notes, "; ") + ")"
	}
	_, _ = fmt.Fprintln(w, line)
	if o.FalseAlarm {
		_, _ = fmt.Fprintf(w, "  false alarm: %s\n", strings.Join(o.Reasons, " / "))
	}
	for _, v := range o.Violations {
		_, _ = fmt.Fprintln(w, "  VIOLATION:", v)
	}
	if err != nil {
		_, _ = fmt.Fprintln(w, "  ERROR:", err)
	}
	if len(o.Violations) > 0 || err != nil || o.FalseAlarm {
		_, _ = fmt.Fprintf(w, "  tripped: %s\n  evidence: %s\n  again: %s\n", strings.Join(o.Reasons, " / "), o.Dir, again)
	}
}

// append adds a line to the file of results.
func (o *outcome) append(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(file).Encode(o), file.Close())
}

// row is a line of the table.
type row struct {
	trials, lost, tripped, forgotten, events, unreadable, stranded, twice, alarms, orders, operator, hand, skipped, broken int
}

func (r *row) add(o *outcome) {
	if o.Skipped != "" {
		r.skipped++
		return
	}
	count := func(to *int, on bool) {
		if on {
			*to++
		}
	}
	r.trials++
	r.events += o.Lost
	r.unreadable += o.Unreadable
	r.stranded += o.Stranded
	r.twice += o.Twice
	r.orders += o.LostOrders
	r.operator += o.ByOperator
	count(&r.lost, o.Lost > 0)
	count(&r.tripped, o.Tripped)
	count(&r.alarms, o.FalseAlarm)
	count(&r.forgotten, o.Forgotten)
	count(&r.hand, o.ByHand)
	count(&r.broken, len(o.Violations) > 0)
}

// table shows what came of all trials, by fault.
func table(w io.Writer, outcomes []*outcome) {
	rows := map[string]*row{}
	total := &row{}
	for _, o := range outcomes {
		if rows[o.Fault] == nil {
			rows[o.Fault] = &row{}
		}
		rows[o.Fault].add(o)
		total.add(o)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "fault\ttrials\tlost data\ttripped\tforgotten\tbought twice\tfalse alarms\tevents lost\tunreadable\torders lost\tstranded\tleft to operator\tby hand\tnot done\tbroken")
	line := func(name string, r *row) {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n",
			name, r.trials, r.lost, r.tripped, r.forgotten, r.twice, r.alarms, r.events, r.unreadable, r.orders, r.stranded, r.operator, r.hand, r.skipped, r.broken)
	}
	for _, f := range faults() {
		if r := rows[f.name]; r != nil {
			line(f.name, r)
		}
	}
	line("all", total)
	_ = t.Flush()
}
