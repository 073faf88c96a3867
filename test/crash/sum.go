package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/beltline-io/beltline/test/crash/rig"
)

// sums are runs of one form, added up.
type sums struct {
	rig.Result
	runs    int
	broken  []string // runs in which an invariant did not hold, and which
	seeds   map[uint64]int
	commits map[string]bool
}

func newSums() *sums {
	return &sums{Result: rig.Result{Operator: map[string]int{}, Why: map[string]int{}}, seeds: map[uint64]int{}, commits: map[string]bool{}}
}

// add adds a run.
func (s *sums) add(r *rig.Result) {
	s.runs++
	s.seeds[r.Seed]++
	s.commits[r.Commit] = true
	if len(r.Broken) > 0 || r.BoughtTwice+r.Lost+r.Wrong+r.Unkept > 0 {
		s.broken = append(s.broken, fmt.Sprintf("%s, seed %d of %s: %s", form(r), r.Seed, r.Commit, counts(r.Broken)))
	}
	s.Seconds += r.Seconds
	s.Orders += r.Orders
	s.Events += r.Events
	s.Purchases += r.Purchases
	s.Deaths += r.Deaths
	s.ServerKills += r.ServerKills
	s.LeaderKills += r.LeaderKills
	s.StepDowns += r.StepDowns
	s.Isolations += r.Isolations
	s.Spoilt += r.Spoilt
	s.BoughtTwice += r.BoughtTwice
	s.Lost += r.Lost
	s.Wrong += r.Wrong
	s.Unkept += r.Unkept
	for provider, n := range r.Operator {
		s.Operator[provider] += n
	}
	for why, n := range r.Why {
		s.Why[why] += n
	}
	if r.Recovery.AckWait > 0 { // else nobody counted
		s.Recovery.AckWait = r.Recovery.AckWait
		s.Recovery.Orders += r.Recovery.Orders
		s.Recovery.InTime += r.Recovery.InTime
	}
}

// kinds counts the operator's orders at a provider by kind, as far as it was told.
func (s *sums) kinds(provider string) map[string]int {
	all := map[string]int{}
	for why, n := range s.Why {
		if words := strings.Fields(why); len(words) > 2 && words[0] == provider {
			all[words[1]] += n
		}
	}
	return all
}

// counts shows findings by invariant.
func counts(broken map[string]int) string {
	var all []string
	for _, id := range slices.Sorted(maps.Keys(broken)) {
		all = append(all, fmt.Sprintf("%s %d times", id, broken[id]))
	}
	return strings.Join(all, ", ")
}

// again counts the runs whose seed another run of the same form had already.
func (s *sums) again() (n int) {
	for _, times := range s.seeds {
		n += times - 1
	}
	return n
}

// form names what a run was like.
func form(r *rig.Result) string {
	switch {
	case r.Form != "":
		return r.Form
	case r.Nodes > 1:
		return fmt.Sprintf("%d nodes", r.Nodes)
	default:
		return "1 node"
	}
}

// controls are the runs with the naive worker.
type controls struct{ runs, caught, twice int }

// addUp reads a file of results.
func addUp(from io.Reader) (map[string]*sums, controls, error) {
	all, naive := map[string]*sums{}, controls{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(strings.TrimSpace(lines.Text())) == 0 {
			continue
		}
		var r rig.Result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, naive, fmt.Errorf("line %d: %w", n, err)
		}
		if r.Naive != "" {
			naive.runs++
			naive.twice += r.BoughtTwice
			if r.BoughtTwice > 0 {
				naive.caught++
			}
			continue
		}
		key := form(&r)
		if all[key] == nil {
			all[key] = newSums()
		}
		all[key].add(&r)
	}
	return all, naive, lines.Err()
}

// share is how many orders were taken up in time.
func share(r rig.Recovery) string {
	if r.Orders == 0 {
		return "not counted"
	}
	return fmt.Sprintf("%.2f %% of %d", 100*float64(r.InTime)/float64(r.Orders), r.Orders)
}

// bound is what none in n independent trials shows of the rate, with 95 % confidence.
func bound(found, n int) string {
	if found > 0 || n == 0 {
		return fmt.Sprint(found)
	}
	return fmt.Sprintf("0 (below %.1g of the deaths)", 3/float64(n))
}

// sumFile prints what all runs in a file come to. It fails where an invariant
// was broken in any of them.
func sumFile(w io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	all, naive, err := addUp(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return writeSums(w, all, naive)
}

func writeSums(w io.Writer, all map[string]*sums, naive controls) error {
	forms := slices.Sorted(maps.Keys(all))
	header, columns, total := table.Row{""}, []*sums{}, newSums()
	for _, f := range forms {
		header, columns = append(header, f), append(columns, all[f])
		for seed, n := range all[f].seeds {
			total.seeds[seed] += n
		}
		maps.Copy(total.commits, all[f].commits)
		runs, broken := total.runs, total.broken
		total.add(&all[f].Result)
		delete(total.commits, "") // of a sum
		total.runs, total.broken = runs+all[f].runs, append(broken, all[f].broken...)
	}
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.AppendHeader(append(header, "all"))
	columns = append(columns, total)
	row := func(name string, of func(s *sums) string) {
		cells := table.Row{name}
		for _, s := range columns {
			cells = append(cells, of(s))
		}
		t.AppendRow(cells)
	}
	count := func(name string, of func(s *sums) int) { row(name, func(s *sums) string { return fmt.Sprint(of(s)) }) }
	zero := func(name string, of func(s *sums) int) {
		row(name, func(s *sums) string { return bound(of(s), s.Deaths+s.ServerKills) })
	}
	count("runs", func(s *sums) int { return s.runs })
	count("commits", func(s *sums) int { return len(s.commits) })
	count("orders", func(s *sums) int { return s.Orders })
	count("purchases", func(s *sums) int { return s.Purchases })
	count("deaths of workers and dispatchers", func(s *sums) int { return s.Deaths })
	count("kills of NATS servers", func(s *sums) int { return s.ServerKills })
	count("of these, of leaders", func(s *sums) int { return s.LeaderKills })
	row("leaders moved, nodes parted", func(s *sums) string { return fmt.Sprintf("%d, %d", s.StepDowns, s.Isolations) })
	count("spoilt requests", func(s *sums) int { return s.Spoilt })
	zero("bought twice", func(s *sums) int { return s.BoughtTwice })
	zero("lost", func(s *sums) int { return s.Lost })
	zero("wrong amount or untrue", func(s *sums) int { return s.Wrong })
	zero("acknowledged and gone", func(s *sums) int { return s.Unkept })
	for _, provider := range rig.Providers() {
		count("the operator's, "+provider, func(s *sums) int { return s.Operator[provider] })
		for _, kind := range slices.Sorted(maps.Keys(total.kinds(provider))) {
			count("of these "+kind+", since it is told", func(s *sums) int { return s.kinds(provider)[kind] })
		}
	}
	row("next event within ACK_WAIT + 1 s of a death", func(s *sums) string { return share(s.Recovery) })
	count("runs in which any invariant broke", func(s *sums) int { return len(s.broken) })
	row("hours", func(s *sums) string { return fmt.Sprintf("%.1f", float64(s.Seconds)/3600) })
	t.Render()
	if naive.runs > 0 {
		fmt.Fprintf(w, "negative control: the naive worker was caught in %d of %d runs, with %d orders bought twice\n", naive.caught, naive.runs, naive.twice)
	}
	return judge(w, columns[:len(columns)-1], total, naive)
}

// judge says what the table does not show, and what was broken.
func judge(w io.Writer, forms []*sums, total *sums, naive controls) error {
	if n := again(forms); n > 0 {
		fmt.Fprintf(w, "%d runs had the seed of an earlier one of their form: the same orders, other moments\n", n)
	}
	for _, b := range total.broken {
		fmt.Fprintln(w, "broken:", b)
	}
	if n := len(total.broken); n > 0 {
		return fmt.Errorf("%d runs: %w", n, errBroken)
	}
	if naive.caught < naive.runs {
		return errors.New("a naive worker was not caught")
	}
	return nil
}

func again(all []*sums) (n int) {
	for _, s := range all {
		n += s.again()
	}
	return n
}
