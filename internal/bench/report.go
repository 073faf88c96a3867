package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// goal is what the ratio to the bare loop is to be.
type goal struct {
	ratio float64
	most  bool // it must not be above it
}

func (g goal) String() string {
	if g.ratio == 0 {
		return ""
	}
	return fmt.Sprintf("%s %.1f", map[bool]string{true: "≤", false: "≥"}[g.most], g.ratio)
}

// met says whether a ratio is as good as it is to be.
func (g goal) met(ratio float64) bool { return g.most == (ratio <= g.ratio) || ratio == g.ratio }

// row is one figure of the table.
type row struct {
	name string
	of   func(*Figures) *float64
	form string // of the number
	goal func(Mode) goal
}

func throughput(m Mode) goal {
	if m == OneAlways {
		return goal{2.0, false}
	}
	return goal{0.9, false}
}

func latency(m Mode) goal {
	if m == OneAlways {
		return goal{1.2, true}
	}
	return goal{}
}

func atMost(ratio float64) func(Mode) goal { return func(Mode) goal { return goal{ratio, true} } }

func none(Mode) goal { return goal{} }

// rows are the figures in the order in which they are shown.
func (r Report) rows() []row {
	own := "at 30 % of its own rate"
	if r.Asked > 0 {
		own = fmt.Sprintf("at %.0f/s", r.Asked)
	}
	return []row{
		{"orders/s, burn-down", func(f *Figures) *float64 { return &f.BurnDown }, "%.0f", throughput},
		{"orders/s, steady", func(f *Figures) *float64 { return &f.Steady }, "%.0f", throughput},
		{"p50 ms " + own, func(f *Figures) *float64 { return &f.Own.P50 }, "%.2f", latency},
		{"p99 ms " + own, func(f *Figures) *float64 { return &f.Own.P99 }, "%.2f", latency},
		{"  orders/s meanwhile", func(f *Figures) *float64 { return &f.Own.Rate }, "%.0f", none},
		{"p50 ms at 30 % of bare's", func(f *Figures) *float64 { return &f.Same.P50 }, "%.2f", none},
		{"p99 ms at 30 % of bare's", func(f *Figures) *float64 { return &f.Same.P99 }, "%.2f", none},
		{"  orders/s meanwhile", func(f *Figures) *float64 { return &f.Same.Rate }, "%.0f", none},
		{"CPU s per 1,000 orders", func(f *Figures) *float64 { return &f.CPU.All }, "%.3f", atMost(1.3)},
		{"  nats-server", func(f *Figures) *float64 { return &f.CPU.NATS }, "%.3f", none},
		{"  programs", func(f *Figures) *float64 { return &f.CPU.Programs }, "%.3f", none},
		{"  shop", func(f *Figures) *float64 { return &f.CPU.Shop }, "%.3f", none},
		{"allocations per order", func(f *Figures) *float64 { return &f.Allocations }, "%.0f", none},
		{"requests to the shop per order", func(f *Figures) *float64 { return &f.Requests }, "%.2f", none},
		{"bytes on disk per order", func(f *Figures) *float64 { return &f.Bytes }, "%.0f", atMost(1.5)},
		{"  of them in EVENTS", func(f *Figures) *float64 { return &f.EventBytes }, "%.0f", none},
		{"CPUs busy with other programs", func(f *Figures) *float64 { return &f.Others }, "%.2f", none},
		{"raw disk, fsync/s before", func(f *Figures) *float64 { return &f.Fsyncs }, "%.0f", none},
	}
}

// cell shows a figure, or that there is none.
func (x row) cell(f *Figures) string {
	if *x.of(f) == 0 {
		return "–"
	}
	return fmt.Sprintf(x.form, *x.of(f))
}

// Tables writes a table for each mode: each figure of the bare loop, that of
// the pipeline beside it, their ratio, and what the ratio is to be.
func (r Report) Tables(w io.Writer) {
	for _, m := range Modes() {
		var results []Result
		for _, x := range r.Results {
			if x.Mode == m {
				results = append(results, x)
			}
		}
		if len(results) > 0 {
			r.table(w, m, results)
		}
	}
	r.scaling(w)
}

func (r Report) table(w io.Writer, m Mode, results []Result) {
	_, _ = fmt.Fprintf(w, "%s: %d orders of %d bytes (%s), %d in flight, medians of %d rounds and of their ratios\n",
		m.Title(), r.Orders, orderSize, r.Kind, r.InFlight, len(results[0].Rounds))
	t := newTable()
	head := table.Row{""}
	for _, x := range results {
		head = append(head, x.title())
		if x.Job != BareLoop {
			head = append(head, "of bare")
		}
	}
	t.AppendHeader(append(head, "target"))
	for _, x := range r.rows() {
		line, goal := table.Row{x.name}, x.goal(m)
		for _, result := range results {
			line = append(line, x.cell(&result.Median))
			if result.Job != BareLoop {
				line = append(line, ratioCell(*x.of(&result.OfBare), goal))
			}
		}
		t.AppendRow(append(line, goal.String()))
	}
	_, _ = fmt.Fprintln(w, t.Render())
	_, _ = fmt.Fprintln(w)
}

// ratioCell shows a ratio, and whether it is as it is to be.
func ratioCell(ratio float64, g goal) string {
	switch {
	case ratio == 0:
		return ""
	case g.ratio == 0:
		return fmt.Sprintf("%.2f  ", ratio)
	case g.met(ratio):
		return fmt.Sprintf("%.2f ✓", ratio)
	default:
		return fmt.Sprintf("%.2f ✗", ratio)
	}
}

// scaling shows what more workers do, where several numbers were measured.
func (r Report) scaling(w io.Writer) {
	t, several := newTable(), false
	t.AppendHeader(table.Row{"workers", "mode", "burn-down", "of the first", "steady", "of the first", "CPU s per 1,000"})
	first := map[Mode]Figures{}
	for _, x := range r.Results {
		if x.Job != ours {
			continue
		}
		base, known := first[x.Mode]
		if !known {
			first[x.Mode], base = x.Median, x.Median
		}
		several = several || known
		ratio := x.Median.of(base)
		t.AppendRow(table.Row{
			strconv.Itoa(x.Workers), x.Mode, fmt.Sprintf("%.0f", x.Median.BurnDown), fmt.Sprintf("%.2f", ratio.BurnDown),
			fmt.Sprintf("%.0f", x.Median.Steady), fmt.Sprintf("%.2f", ratio.Steady), fmt.Sprintf("%.3f", x.Median.CPU.All),
		})
	}
	if several {
		_, _ = fmt.Fprintf(w, "scaling by replicas\n%s\n\n", t.Render())
	}
}

func newTable() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	var right []table.ColumnConfig
	for i := 2; i < 40; i++ {
		right = append(right, table.ColumnConfig{Number: i, Align: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	return t
}

// JSON writes a line for each result, with what the whole was measured with.
func (r Report) JSON(w io.Writer) error {
	lines := json.NewEncoder(w)
	head := r
	head.Results = nil
	for _, x := range r.Results {
		line := struct {
			Report
			Results *struct{} `json:"results,omitempty"` // hidden: one of them is the line
			Result
		}{Report: head, Result: x}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	return nil
}
