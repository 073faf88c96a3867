package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/beltline-io/beltline/test/crash/check"
	"github.com/beltline-io/beltline/test/crash/rig"
	"github.com/beltline-io/beltline/test/crash/swarm/life"
)

// form tells the lines of this command from those of the rig of processes.
const form = "swarm"

// Result is what came of a run: the figures of the rig, so that they add up,
// and some that only a swarm has.
type Result struct {
	rig.Result
	// InDoubt is how many deaths came between an intent and its outcome, and
	// DoubtOrders how many intents they left behind.
	InDoubt     int `json:"deaths_in_doubt"`
	DoubtOrders int `json:"intents_left"`
	// Slow is how many intents were given up by others though their owner lived:
	// it was starved for longer than its lease.
	Slow        int            `json:"intents_of_the_slow"`
	Points      map[string]int `json:"points"` // deaths by where they came
	Dispatchers int            `json:"dispatcher_deaths"`
	LoadSeconds int            `json:"load_seconds"` // in which orders came and everybody died
	Late        life.Late      `json:"late"`         // what the dead still tried
	Goroutines  int            `json:"goroutines"`   // at most at one time
	Left        int            `json:"goroutines_left"`
	Overdue     int            `json:"overdue"` // programs that took too long to end
	Exits       int            `json:"exits"`   // programs that ended by themselves
	// CPU is what the load took of the processors, in seconds: in this process,
	// where all programs and shops run, and in the NATS server. On a machine that
	// others use too it says more than the rates do.
	CPU       int `json:"cpu_seconds"`
	ServerCPU int `json:"server_cpu_seconds"`
}

// result counts what the report and the history say.
func (r *run) result(report *check.Report, took time.Duration) *Result {
	h, j := r.history, r.fleet.journal
	res := &Result{
		Points: map[string]int{}, LoadSeconds: max(1, int(r.load.Seconds())), Goroutines: r.most,
		Overdue: int(r.fleet.overdue.Load()), Exits: j.Count(check.Exited), CPU: r.cpu[0], ServerCPU: r.cpu[1],
		Result: rig.Result{
			Form: form, Time: time.Now().UTC(), Commit: r.Commit, Seed: r.Seed, Seconds: int(took.Seconds()),
			Orders: len(h.Orders), Events: len(h.Streams["EVENTS"]), States: r.up.states(), Deaths: j.Count(check.Killed),
			Operator: map[string]int{}, Why: check.Parked(h), Broken: map[string]int{}, Report: report,
			BoughtTwice: len(report.Of("I1").Findings), Lost: len(report.Of("I2").Findings),
			Wrong: len(report.Of("I2b").Findings) + len(report.Of("I13").Findings),
		},
	}
	if r.Naive {
		res.Naive = balanceSteam
	}
	if !h.Settled.IsZero() {
		res.Healed = int(h.Settled.Sub(h.Healed).Seconds())
	}
	for _, l := range j.Lines() {
		if l.Deed == check.Killed {
			res.Points[l.Note]++
			if l.Program == "dispatcher" {
				res.Dispatchers++
			}
		}
	}
	for _, book := range h.Books {
		for _, e := range book {
			if e.Phase == "committed" {
				res.Purchases++
			}
			if e.Fault != "" {
				res.Spoilt++
			}
		}
	}
	for _, p := range providers() {
		res.Operator[p] = 0
	}
	for p, n := range r.up.operators() {
		res.Operator[p] = n
	}
	for _, v := range report.Verdicts {
		if len(v.Findings) > 0 {
			res.Broken[v.ID] = len(v.Findings)
		}
	}
	r.fleet.mu.Lock()
	res.Late = r.fleet.late
	r.fleet.mu.Unlock()
	res.recover(h, r.fleet.deaths(), r.ackWait())
	return res
}

// recover measures how long orders waited that a life had placed and not yet
// answered for when it died: to their next event, more deaths of those who took
// over included.
func (r *Result) recover(h *check.History, deaths map[string]time.Time, ackWait time.Duration) {
	type intent struct {
		owner  string
		stored time.Time
	}
	var waits []time.Duration
	open, lives := map[string]intent{}, map[string]bool{}
	for _, m := range h.Streams["EVENTS"] {
		var e struct {
			Type    string
			Tenant  string
			OrderID string `json:"order_id"`
			Work    struct{ Owner string }
			Error   *struct{ Code string }
		}
		if json.Unmarshal([]byte(m.Data), &e) != nil {
			continue // the check names it
		}
		key := e.Tenant + "/" + e.OrderID
		if i, is := open[key]; is {
			death := deaths[i.owner]
			switch {
			case death.After(i.stored) && m.Time.After(death):
				waits = append(waits, m.Time.Sub(death))
				lives[i.owner] = true
			case e.Error != nil && e.Error.Code == "no_answer":
				r.Slow++
			}
			delete(open, key)
		}
		if e.Type == "placing" {
			open[key] = intent{e.Work.Owner, m.Time}
		}
	}
	r.InDoubt, r.DoubtOrders = len(lives), len(waits)
	r.Recovery = rig.NewRecovery(waits, ackWait)
}

// Append adds the result to a file of results.
func (r *Result) Append(path string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	line, err := json.Marshal(r)
	if err == nil {
		_, err = file.Write(append(line, '\n')) // at once: others may write too
	}
	if err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

// Write shows the result as a table, with every invariant.
func (r *Result) Write(w io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.AppendRows([]table.Row{
		{"seed", r.Seed, fmt.Sprintf("commit %s, whole run %ds", r.Commit, r.Seconds)},
		{"orders", r.Orders, counts(r.States)},
		{"orders in a second", r.Orders / r.LoadSeconds, fmt.Sprintf("%d events, %d purchases by the books", r.Events, r.Purchases)},
		{"deaths", r.Deaths, fmt.Sprintf("of dispatchers %d; %d programs ended by themselves", r.Dispatchers, r.Exits)},
		{"deaths in a second", r.Deaths / r.LoadSeconds, counts(r.Points)},
		{"deaths between intent and outcome", r.InDoubt, fmt.Sprintf("with %d intents; %d more were given up whose owner lived", r.DoubtOrders, r.Slow)},
		{"next event after", fmt.Sprintf("%d ms", r.Recovery.P50), fmt.Sprintf("p50; p99 %d ms, longest %d ms; %d of %d within ack wait + 1 s", r.Recovery.P99, r.Recovery.Max, r.Recovery.InTime, r.Recovery.Orders)},
		{"bought twice", r.BoughtTwice, bound(r.BoughtTwice, r.Deaths)},
		{"lost", r.Lost, bound(r.Lost, r.Deaths)},
		{"wrong amount or untrue", r.Wrong, bound(r.Wrong, r.Deaths)},
		{"the operator's", sum(r.Operator), counts(r.Why)},
		{"spoilt requests", r.Spoilt, ""},
		{"processor seconds", r.CPU + r.ServerCPU, fmt.Sprintf("in %ds of load: programs and shops %d, NATS server %d", r.LoadSeconds, r.CPU, r.ServerCPU)},
		{"the dead still tried", r.Late.Dials + r.Late.Writes, fmt.Sprintf("%d dials, %d writes; %d reads were lost, %d lines dropped", r.Late.Dials, r.Late.Writes, r.Late.Reads, r.Late.Lines)},
		{"goroutines", r.Goroutines, fmt.Sprintf("%d more than before were left; %d programs took longer than %s to end", r.Left, r.Overdue, grave)},
		{"last order after the last death", fmt.Sprintf("%ds", r.Healed), ""},
	})
	for _, v := range r.Report.Verdicts {
		verdict := "holds"
		if len(v.Findings) > 0 {
			verdict = fmt.Sprintf("BROKEN %d times", len(v.Findings))
		}
		t.AppendRow(table.Row{v.ID + " " + v.Title, verdict, fmt.Sprintf("looked at %d", v.Looked)})
	}
	t.Render()
}

// bound says what none in n independent trials shows.
func bound(found, n int) string {
	if found > 0 || n == 0 {
		return ""
	}
	return fmt.Sprintf("below %.1g of the deaths (3/%d)", 3/float64(n), n)
}

func counts(all map[string]int) string {
	var parts []string
	for name, n := range all {
		parts = append(parts, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func sum(all map[string]int) (n int) {
	for _, v := range all {
		n += v
	}
	return n
}
