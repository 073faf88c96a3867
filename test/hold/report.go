package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/beltline-io/beltline/test/hold/beside"
)

// report is everything that was measured.
type report struct {
	Orders   int              `json:"orders"`
	PutOff   int              `json:"put_off"` // beside them: tried again in an hour, because the machine was too slow
	Sync     string           `json:"sync"`
	Fill     time.Duration    `json:"fill_nanoseconds"`
	Noise    beside.Latency   `json:"latency_both_empty"`
	Latency  beside.Latency   `json:"latency"`
	Idle     beside.Idling    `json:"idle"`
	Memory   []beside.Weights `json:"memory"`
	Disk     []beside.Stored  `json:"disk"`
	Restarts []beside.Restart `json:"restarts"`
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

// show writes the tables.
func (r report) show(w io.Writer) {
	fmt.Fprintf(w, "%d orders on hold, put there in %s (%.0f/s), sync %s; %d more wait to be tried again\n",
		r.Orders, r.Fill.Round(time.Second), perSecond(r.Orders, r.Fill), r.Sync, r.PutOff)
	out := func(title string, header table.Row, rows []table.Row) {
		fmt.Fprintf(w, "\n%s\n", title)
		t := table.NewWriter()
		t.SetOutputMirror(w)
		t.AppendHeader(header)
		t.AppendRows(rows)
		t.Render()
	}
	var rows []table.Row
	for _, l := range []struct {
		name string
		beside.Latency
	}{{"both empty", r.Noise}, {"loaded beside empty", r.Latency}} {
		if l.Orders > 0 {
			rows = append(rows,
				table.Row{l.name, ms(l.Loaded.P50), ms(l.Empty.P50), ratio(l.P50), ms(l.Loaded.P99), ms(l.Empty.P99), ratio(l.Latency.P99),
					fmt.Sprintf("%.3f [%.3f, %.3f]", l.Mean, l.MeanLow, l.MeanHigh)})
		}
	}
	out(fmt.Sprintf("latency of a new order, ms (%d on each)", r.Latency.Orders),
		table.Row{"", "p50", "of empty", "ratio", "p99", "of empty", "ratio", "ratio of means [95 %]"}, rows)

	rows = nil
	for _, m := range r.Memory {
		rows = append(rows, table.Row{m.When, m.Program, mib(m.Loaded.RSS), mib(m.Empty.RSS), r.each(m.Loaded.RSS - m.Empty.RSS),
			mib(m.Loaded.Heap), mib(m.Empty.Heap), r.each(m.Loaded.Heap - m.Empty.Heap)})
	}
	out("memory, MiB; bytes an order", table.Row{"", "program", "RSS", "of empty", "an order", "Go heap", "of empty", "an order"}, rows)

	rows = nil
	for _, s := range r.Disk {
		rows = append(rows, table.Row{s.Stream, mib(s.Loaded), mib(s.Empty), r.each(s.Loaded - s.Empty)})
	}
	out("files, MiB; bytes an order", table.Row{"stream", "loaded", "empty", "an order"}, rows)

	rows = nil
	for _, c := range r.Idle.Programs {
		rows = append(rows, table.Row{c.Program, fmt.Sprintf("%.1f", c.Loaded), fmt.Sprintf("%.1f", c.Empty)})
	}
	out(fmt.Sprintf("computing while nobody asks, ms each second (%.0f s, %d orders looked up by the sweeper)", r.Idle.Seconds, r.Idle.Looks),
		table.Row{"program", "loaded", "empty"}, rows)

	rows = nil
	for _, s := range r.Restarts {
		rows = append(rows, table.Row{s.Program, s.How, fmt.Sprintf("%.2f", s.Loaded), fmt.Sprintf("%.2f", s.Empty)})
	}
	out("restart until ready, s", table.Row{"program", "it was", "loaded", "empty"}, rows)
}

// each is the share of one waiting order.
func (r report) each(bytes int64) string {
	if r.Orders == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", float64(bytes)/float64(r.Orders+r.PutOff))
}

func perSecond(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

func ms(seconds float64) string { return fmt.Sprintf("%.1f", seconds*1000) }
func ratio(r float64) string    { return fmt.Sprintf("%.2f", r) }
func mib(bytes int64) string    { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }
