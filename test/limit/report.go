package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// outcome is what a case has shown. What was not measured in it is 0.
type outcome struct {
	Case     string   `json:"case"`
	Limit    int      `json:"limit"`
	Requests int      `json:"requests"`
	Overruns int      `json:"overruns"`
	Fullest  int      `json:"fullest_window"`
	Use      float64  `json:"use_of_limit"`
	Uneven   float64  `json:"busiest_by_idlest"`
	Asked    float64  `json:"messages_per_permit"`
	Checks   float64  `json:"share_of_checks"`
	Thrown   int      `json:"permits_thrown_away"`
	Notes    []string `json:"notes,omitempty"`
	Missed   []string `json:"missed,omitempty"`
}

func (o *outcome) miss(format string, args ...any) {
	o.Missed = append(o.Missed, fmt.Sprintf(format, args...))
}

func (o *outcome) line() string {
	return fmt.Sprintf("%d requests, %d overruns, fullest window %d of %d, use %s; %s", o.Requests, o.Overruns, o.Fullest, o.Limit,
		share(o.Use), strings.Join(append(o.Notes, o.verdict()), "; "))
}

func (o *outcome) verdict() string {
	if len(o.Missed) > 0 {
		return "MISSED: " + strings.Join(o.Missed, ", ")
	}
	return "ok"
}

// report is everything that was measured.
type report struct {
	Cases []outcome `json:"cases"`
}

func (r report) missed() bool {
	for _, o := range r.Cases {
		if len(o.Missed) > 0 {
			return true
		}
	}
	return false
}

func (r report) save(path string) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o600)
}

// show writes the table, and beneath it what does not fit into it.
func (r report) show(w io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.AppendHeader(table.Row{"case", "requests", "overruns", "fullest window", "use", "busiest/idlest", "messages/permit", "checks", "thrown away", ""})
	for _, o := range r.Cases {
		verdict := "ok"
		if len(o.Missed) > 0 {
			verdict = "MISSED"
		}
		t.AppendRow(table.Row{
			o.Case, o.Requests, o.Overruns, fmt.Sprintf("%d of %d", o.Fullest, o.Limit), share(o.Use), times(o.Uneven), times(o.Asked), share(o.Checks), o.Thrown, verdict,
		})
	}
	t.Render()
	for _, o := range r.Cases {
		for _, note := range o.Notes {
			fmt.Fprintf(w, "%s: %s\n", o.Case, note)
		}
		for _, missed := range o.Missed {
			fmt.Fprintf(w, "%s: MISSED: %s\n", o.Case, missed)
		}
	}
}

func share(f float64) string {
	if f == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*f)
}

func times(f float64) string {
	if f == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", f)
}
