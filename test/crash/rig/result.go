package rig

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/beltline-io/beltline/test/crash/check"
)

// Result is what came of a run, as one line of a file over many runs.
type Result struct {
	Time    time.Time `json:"time"`
	Commit  string    `json:"commit"`
	Seed    uint64    `json:"seed"`
	Seconds int       `json:"seconds"`
	Naive   string    `json:"naive,omitempty"`
	Form    string    `json:"form,omitempty"` // empty: a run by seed
	Nodes   int       `json:"nodes,omitempty"`

	Orders      int            `json:"orders"`
	Events      int            `json:"events"`
	States      map[string]int `json:"states"`
	Purchases   int            `json:"purchases"`
	Deaths      int            `json:"deaths"`       // of workers and dispatchers, by SIGKILL, from outside and at points
	ServerKills int            `json:"server_kills"` // of the NATS server, or of any node
	LeaderKills int            `json:"leader_kills"` // those of them that hit who led what was meant
	StepDowns   int            `json:"step_downs"`   // of leaders
	Isolations  int            `json:"isolations"`   // of a node from the others
	NodeDeeds   int            `json:"node_deeds"`   // of all kinds, to the nodes of a cluster
	Pauses      int            `json:"pauses"`
	Ends        int            `json:"ends"` // asked for
	Spoilt      int            `json:"spoilt"`
	Callbacks   int            `json:"callbacks"`
	Forged      int            `json:"forged"`

	BoughtTwice int            `json:"bought_twice"`
	Lost        int            `json:"lost"`
	Wrong       int            `json:"wrong"`  // not as told, or another sum
	Unkept      int            `json:"unkept"` // acknowledged or read, and gone from the ledger or from a copy of it
	Operator    map[string]int `json:"operator"`
	// Why counts the operator's orders by provider, kind and code:
	// "exchanger partner_payout no_answer".
	Why map[string]int `json:"why,omitempty"`
	// Healed is how long after the last fault the last order ended, in seconds.
	Healed int `json:"healed"`
	// Recovery is from a worker's death to the next event of an order that it
	// had in hand, in milliseconds, where nothing else broke in between; Disturbed
	// is the same where something did, the healing included.
	Recovery  Recovery       `json:"recovery"`
	Disturbed Recovery       `json:"disturbed"`
	Broken    map[string]int `json:"broken,omitempty"` // findings by invariant

	Bundle string        `json:"-"`
	Report *check.Report `json:"-"`
}

// Recovery is a distribution of waits, in milliseconds.
type Recovery struct {
	Orders int   `json:"orders"`
	P50    int64 `json:"p50"`
	P99    int64 `json:"p99"`
	Max    int64 `json:"max"`
	// AckWait is the ACK_WAIT of the run, and InTime how many waited at most a
	// second longer than that. Lines from before these were counted have neither.
	AckWait int64 `json:"ack_wait,omitempty"`
	InTime  int   `json:"in_time,omitempty"`
}

// NewRecovery counts waits, which it sorts.
func NewRecovery(waits []time.Duration, ackWait time.Duration) Recovery {
	n := len(waits)
	if n == 0 {
		return Recovery{}
	}
	slices.Sort(waits)
	late, _ := slices.BinarySearch(waits, ackWait+time.Second+1)
	return Recovery{
		Orders: n, P50: waits[n/2].Milliseconds(), P99: waits[(n*99)/100].Milliseconds(), Max: waits[n-1].Milliseconds(),
		AckWait: ackWait.Milliseconds(), InTime: late,
	}
}

// String is what a table shows.
func (r Recovery) String() string {
	return fmt.Sprintf("next event after %d ms (p50), %d ms (p99), %d ms (longest)", r.P50, r.P99, r.Max)
}

// OK reports whether every invariant held.
func (r *Result) OK() bool { return r.Report.OK() }

func (f *fleet) serverKills() int {
	return f.journal.Count(check.Killed) - f.journal.Count(check.Killed, "nats-server")
}

// result counts what the report and the history say.
func (r *run) result(report *check.Report, took time.Duration) *Result {
	h, j := r.history, r.fleet.journal
	res := &Result{
		Time: time.Now().UTC(), Commit: r.Commit, Seed: r.Seed, Seconds: int(took.Seconds()), Naive: r.Naive, Form: r.form, Nodes: r.Nodes,
		LeaderKills: j.Noted(check.Killed, leaderNote), StepDowns: j.Noted(check.Troubled, stepDownNote), Isolations: j.Noted(check.Troubled, isolatedNote),
		Orders: len(h.Orders), Events: len(h.Streams["EVENTS"]), States: r.up.states(),
		Deaths: j.Count(check.Killed, "nats-server") + j.Suicides(), ServerKills: r.fleet.serverKills(), Pauses: j.Count(check.Stopped), Ends: j.Count(check.Ended),
		NodeDeeds: r.nodeDeeds, Callbacks: len(h.Hooks), Operator: map[string]int{}, Why: check.Parked(h), Broken: map[string]int{}, Report: report,
		BoughtTwice: len(report.Of("I1").Findings), Lost: len(report.Of("I2").Findings),
		Wrong:  len(report.Of("I2b").Findings) + len(report.Of("I13").Findings),
		Unkept: len(report.Of("I5").Findings),
	}
	alone, disturbed := check.Recoveries(h)
	res.Recovery, res.Disturbed = NewRecovery(alone, r.ackWait()), NewRecovery(disturbed, r.ackWait())
	if !h.Settled.IsZero() {
		res.Healed = int(h.Settled.Sub(h.Healed).Seconds())
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
	for _, hook := range h.Hooks {
		if hook.Forged {
			res.Forged++
		}
	}
	for _, p := range r.Providers {
		res.Operator[p] = 0
	}
	for _, p := range r.plans {
		if k := r.up.orders[p.Key()]; k != nil && k.final && k.state == "unresolved" {
			res.Operator[p.Provider]++
		}
	}
	for _, v := range report.Verdicts {
		if len(v.Findings) > 0 {
			res.Broken[v.ID] = len(v.Findings)
		}
	}
	return res
}

// Append adds the result to a file of results.
func (r *Result) Append(path string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(file).Encode(r); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

// save writes the cases into the bundle.
func (d *DirectedResult) save(bundle string) error {
	return saveLines(filepath.Join(bundle, "cases.jsonl"), len(d.Cases), func(i int) any { return d.Cases[i] })
}

// Unreached lists the cases in which no process came to the point at all.
func (d *DirectedResult) Unreached() []*Case {
	return slices.DeleteFunc(slices.Clone(d.Cases), func(c *Case) bool { return c.Deaths > 0 })
}

// Missed lists the points at which no process has died though one had to: what
// is not reached at all was not survived either. In the modes that speak of a
// second life the orders may have ended with the first; and of a rare point it
// is enough that the scene has led to it at one provider.
func (d *DirectedResult) Missed() []string {
	reached := map[string]bool{}
	for _, c := range d.Cases {
		if c.Deaths > 0 {
			reached[c.Point+string(c.Mode)] = true
		}
	}
	var all []string
	for _, c := range d.Unreached() {
		elsewhere := c.Mode != First && reached[c.Point+string(c.Mode)]
		elsewhere = elsewhere || c.setting != nil && c.setting.luck
		if c.Mode != Again && c.Mode != Doubt && !c.Short && !elsewhere {
			all = append(all, fmt.Sprintf("%s at %q (%s)", c.Point, c.Provider, c.Mode))
		}
	}
	return all
}

// Write shows the deaths at each point by provider and mode, and then what came
// of it all.
func (d *DirectedResult) Write(w io.Writer) {
	columns := append(Providers(), "")
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.AppendHeader(table.Row{"point", "mode", columns[0], columns[1], columns[2], columns[3], "dispatcher"})
	rows, order := map[string]table.Row{}, []string{}
	for _, c := range d.Cases {
		key := c.Point + " " + string(c.Mode)
		row := rows[key]
		if row == nil {
			row = table.Row{c.Point, string(c.Mode), "", "", "", "", ""}
			order = append(order, key)
		}
		row[2+slices.Index(columns, c.Provider)] = fmt.Sprintf("%d died; %s", c.Deaths, states(c.Ends))
		rows[key] = row
	}
	slices.Sort(order)
	for _, key := range order {
		t.AppendRow(rows[key])
	}
	t.Render()
	d.Result.Write(w)
}

// bound says what none in n independent trials shows.
func bound(found, n int) string {
	if found > 0 || n == 0 {
		return ""
	}
	return fmt.Sprintf("below %.1g of the deaths (3/%d)", 3/float64(n), n)
}

// Write shows the result as a table, with every invariant.
func (r *Result) Write(w io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	deaths := r.Deaths + r.ServerKills
	t.AppendRows([]table.Row{
		{"orders", r.Orders, states(r.States)},
		{"purchases by the shops' books", r.Purchases, fmt.Sprintf("%d events", r.Events)},
		{"killed processes", r.Deaths, fmt.Sprintf("and %s %d times", servers(r.Nodes), r.ServerKills)},
		{"paused, asked to end", r.Pauses, fmt.Sprintf("%d asked to end", r.Ends)},
		{"spoilt requests", r.Spoilt, fmt.Sprintf("%d callbacks, %d forged", r.Callbacks, r.Forged)},
		{"bought twice", r.BoughtTwice, bound(r.BoughtTwice, deaths)},
		{"lost", r.Lost, bound(r.Lost, deaths)},
		{"wrong amount or untrue", r.Wrong, bound(r.Wrong, deaths)},
		{"acknowledged and gone", r.Unkept, bound(r.Unkept, deaths)},
		{"the operator's", states(r.Operator), states(r.Why)},
		{"orders in hand at a death", r.Recovery.Orders, r.Recovery.String()},
		{"the same, more breaking meanwhile", r.Disturbed.Orders, r.Disturbed.String()},
		{"last order after the last fault", fmt.Sprintf("%ds", r.Healed), fmt.Sprintf("whole run %ds", r.Seconds)},
	})
	if r.Nodes > 1 {
		t.AppendRow(table.Row{"leaders killed", r.LeaderKills, fmt.Sprintf("%d stepped down; a node parted from the others %d times", r.StepDowns, r.Isolations)})
	}
	for _, v := range r.Report.Verdicts {
		verdict := "holds"
		if len(v.Findings) > 0 {
			verdict = fmt.Sprintf("BROKEN %d times", len(v.Findings))
		}
		t.AppendRow(table.Row{v.ID + " " + v.Title, verdict, fmt.Sprintf("looked at %d", v.Looked)})
	}
	t.Render()
}

func servers(nodes int) string {
	if nodes > 1 {
		return fmt.Sprintf("one of the %d NATS servers", nodes)
	}
	return "the NATS server"
}

func states(all map[string]int) string {
	var parts []string
	for name, n := range all {
		parts = append(parts, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
