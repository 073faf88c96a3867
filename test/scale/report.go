package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
)

// figure is one thing that was measured on both systems.
type figure struct {
	Phase  string  `json:"phase"` // what the loaded system had then
	What   string  `json:"what"`
	Unit   string  `json:"unit"`
	Loaded float64 `json:"loaded"`
	Beside float64 `json:"beside,omitempty"`
	Ratio  float64 `json:"ratio,omitempty"`
	// Low and High hold the ratio of the means in 95 of 100 runs, as far as one run can tell.
	Low  float64 `json:"ratio_low,omitempty"`
	High float64 `json:"ratio_high,omitempty"`
	// Each is the share of one order, in bytes.
	Each float64 `json:"bytes_an_order,omitempty"`
}

// note keeps a figure, and shows it at once: whatever goes wrong later on.
func (r *rig) note(f figure) {
	if f.Beside != 0 {
		f.Ratio = f.Loaded / f.Beside
	}
	r.figures = append(r.figures, f)
	say("  %s: %s: %s beside %s %s, ratio %s", f.Phase, f.What, number(f.Loaded), number(f.Beside), f.Unit, number(f.Ratio))
	if b, err := json.Marshal(f); err == nil {
		_, _ = fmt.Fprintf(r.lines, "%s\n", b) // the table shows it as well
	}
}

// show writes a table for each phase.
func (r *rig) show(w io.Writer) {
	var t table.Writer
	phase := ""
	for i, f := range r.figures {
		if i == 0 || f.Phase != phase {
			phase = f.Phase
			t = table.NewWriter()
			t.SetTitle("%s, sync %s", phase, r.o.sync)
			t.AppendHeader(table.Row{"", "", "loaded", "beside", "ratio", "95 %", "bytes an order"})
		}
		interval, share := "", ""
		if f.High > 0 {
			interval = fmt.Sprintf("[%.2f, %.2f]", f.Low, f.High)
		}
		if f.Each != 0 {
			share = fmt.Sprintf("%.0f", f.Each)
		}
		t.AppendRow(table.Row{f.What, f.Unit, number(f.Loaded), number(f.Beside), number(f.Ratio), interval, share})
		if i+1 == len(r.figures) || r.figures[i+1].Phase != phase {
			_, _ = fmt.Fprintf(w, "%s\n\n", t.Render())
		}
	}
}

// number writes three or more digits; nothing for what was not measured.
func number(v float64) string {
	switch {
	case v == 0:
		return ""
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
