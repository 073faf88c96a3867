package bench_test

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/bench"
	"github.com/beltline-io/beltline/pkg/messages"
)

// few are options for a run that judges no time.
func few(t *testing.T, kind messages.Kind) bench.Options {
	return bench.Options{
		Orders: 30, Rounds: 1, Modes: []bench.Mode{bench.OneDefault}, Workers: []int{1}, Kind: kind,
		Latency: 100 * time.Millisecond, InFlight: 64, Dir: t.TempDir(), Say: t.Logf,
	}
}

// A measurement that nobody runs is broken when it is needed. This runs all of
// it on few orders: the servers, programs and shop are processes as ever, and
// Run itself compares the shop's books with the orders.
func TestRun_MeasuresBothSidesInProcessesOnFewOrders(t *testing.T) {
	t.Parallel()
	for _, kind := range bench.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			o := few(t, kind)
			r, err := bench.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
				t.Errorf("it left %v behind (%v)", left, err)
			}
			if len(r.Results) != 2 || r.Results[0].Job != bench.BareLoop || r.Results[1].Job != "beltline" {
				t.Fatalf("%+v", r.Results)
			}
			for i, x := range r.Results {
				m := x.Median
				if m.Orders < 30+30+30+50 || m.BurnDown <= 0 || m.Steady <= 0 || m.Fsyncs <= 0 || m.Bytes < 400 || m.EventBytes <= 0 || m.EventBytes > m.Bytes {
					t.Errorf("%s: %+v", x.Job, m)
				}
				if m.Own.P50 <= 0 || m.Own.P99 < m.Own.P50 || m.Own.Max < m.Own.P99 || m.Same.Rate <= 0 {
					t.Errorf("%s: latency %+v and %+v", x.Job, m.Own, m.Same)
				}
				if (m.Allocations > 0) != (i == 1) {
					t.Errorf("%s: %f allocations", x.Job, m.Allocations)
				}
				// A check is asked again where a permit grew too old on a slow machine.
				least := map[bool]float64{true: 2, false: 1}[i == 1 && kind == messages.Topup]
				if m.Requests < least || i == 0 && m.Requests != least {
					t.Errorf("%s: %f requests for an order, not %f", x.Job, m.Requests, least)
				}
			}
			if a, b := r.Results[0].Median.Same.Rate, r.Results[1].Median.Same.Rate; a != b {
				t.Errorf("the same load is %f/s and %f/s", a, b)
			}
			shown(t, r)
		})
	}
}

// The floor is worth nothing where it does less than it says: it must store as
// much as the pipeline does, and ask the shop as often.
func TestRun_TheFloorStoresAndAsksAsMuchAsThePipeline(t *testing.T) {
	t.Parallel()
	for _, kind := range bench.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			o := few(t, kind)
			o.Floor = true
			r, err := bench.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Results) != 3 || r.Results[1].Job != "same messages" {
				t.Fatalf("%+v", r.Results)
			}
			floor, ours := r.Results[1].Median, r.Results[2].Median
			if least := map[messages.Kind]float64{messages.Topup: 2, messages.Deposit: 1}[kind]; floor.Requests != least {
				t.Errorf("%f requests for an order, not %f", floor.Requests, least)
			}
			if share := floor.EventBytes / ours.EventBytes; share < 0.7 || share > 1.1 {
				t.Errorf("events of %f bytes for an order, those of the pipeline are %f", floor.EventBytes, ours.EventBytes)
			}
			shown(t, r)
		})
	}
}

func TestRun_AtARateThatWasAskedForTheSameLoadStaysThatOfTheBareLoop(t *testing.T) {
	t.Parallel()
	o := few(t, messages.Topup)
	o.Rate, o.Workers = 40, []int{2}
	r, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := r.Results[0].Median.Steady * 0.3
	for _, x := range r.Results {
		if x.Median.Own.Rate != 40 || x.Median.Same.Rate != want {
			t.Errorf("%s: measured at %f/s and %f/s, not 40 and %f", x.Job, x.Median.Own.Rate, x.Median.Same.Rate, want)
		}
	}
	var tables strings.Builder
	r.Tables(&tables)
	if !strings.Contains(tables.String(), "p50 ms at 40/s") || !strings.Contains(tables.String(), "beltline, 2 workers") {
		t.Errorf("%s", tables.String())
	}
}

func TestRun_AnOrderThatIsMissingIsAnError(t *testing.T) {
	t.Parallel()
	// Twins are refused at once; what is slow is only told to be missing as well.
	err := bench.FloodTwins(t.Context(), few(t, messages.Topup), 5*time.Second)
	if err == nil || !strings.Contains(err.Error(), "of 30 orders have no result") {
		t.Errorf("half of all orders are lost, and it says: %v", err)
	}
}

func TestRun_AProgramThatDiesIsAnError(t *testing.T) {
	t.Parallel()
	err := bench.FloodWithout(t.Context(), few(t, messages.Topup))
	if err == nil || !strings.Contains(err.Error(), "bare-worker: it has ended by itself") {
		t.Errorf("a step has died, and it says: %v", err)
	}
}

// shown checks that tables and JSON tell what was measured.
func shown(t *testing.T, r bench.Report) {
	t.Helper()
	var tables, lines strings.Builder
	r.Tables(&tables)
	for _, want := range []string{"one node, default sync", "bare loop", "beltline, 1 worker", "of bare", "burn-down", "steady", "p99 ms", "CPU s per 1,000", "≥ 0.9"} {
		if !strings.Contains(tables.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, tables.String())
		}
	}
	if err := r.JSON(&lines); err != nil {
		t.Fatal(err)
	}
	n := 0
	for scan := bufio.NewScanner(strings.NewReader(lines.String())); scan.Scan(); n++ {
		var line struct {
			Orders int           `json:"orders"`
			Mode   bench.Mode    `json:"mode"`
			Job    string        `json:"job"`
			Median bench.Figures `json:"median"`
			OfBare bench.Figures `json:"of_bare"`
		}
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		x := r.Results[n]
		if line.Orders != r.Orders || line.Mode != x.Mode || line.Job != x.Job || line.Median != x.Median || line.OfBare != x.OfBare {
			t.Errorf("line %d does not tell what was measured: %s", n+1, scan.Text())
		}
	}
	if n != len(r.Results) {
		t.Errorf("%d lines of JSON for %d results", n, len(r.Results))
	}
}
