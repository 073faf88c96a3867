package observability_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

var update = flag.Bool("update", false, "write the table of docs/metrics.md anew")

const metricsDocument = "../../docs/metrics.md"

// metric is one line of the document.
type metric struct{ name, typ, labels, from, help string }

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", unit: "[^"]*", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// describe lists what a registry has registered, also what has no sample yet.
func describe(t *testing.T, r *prometheus.Registry) map[string]metric {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		r.Describe(descs)
	}()
	all := map[string]metric{}
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("unreadable: %s", d)
		}
		if !strings.HasPrefix(m[1], "beltline_") {
			continue // of the Go runtime and of the process
		}
		var labels []string
		for l := range strings.SplitSeq(m[3], ",") {
			if name, _, ok := strings.Cut(l, "="); ok {
				labels = append(labels, name)
			}
		}
		for l := range strings.SplitSeq(m[4], ",") {
			if l != "" {
				labels = append(labels, l)
			}
		}
		slices.Sort(labels)
		all[m[1]] = metric{name: m[1], labels: strings.Join(labels, ", "), help: strings.ReplaceAll(m[2], `\"`, `"`)}
	}
	return all
}

// registered joins what all programs have registered.
func (p *pipeline) registered() map[string]metric {
	p.t.Helper()
	all, from := map[string]metric{}, map[string][]string{}
	for program, registry := range p.registries {
		for name, m := range describe(p.t, registry) {
			if have, ok := all[name]; ok && (have.labels != m.labels || have.help != m.help) {
				p.t.Errorf("%s is not the same metric in all programs: %v, %v", name, have, m)
			}
			all[name] = m
			from[name] = append(from[name], program)
		}
	}
	for name, m := range all {
		m.from = tellers(from[name], len(p.registries))
		all[name] = m
	}
	return all
}

// tellers says in few words which programs tell a metric.
func tellers(programs []string, all int) string {
	slices.Sort(programs)
	workers := slices.DeleteFunc(slices.Clone(programs), func(p string) bool { return p == "dispatcher" })
	switch {
	case len(programs) == all:
		return "all"
	case len(workers) == all-1:
		return "workers"
	default:
		return strings.Join(programs, ", ")
	}
}

const tableHead = "| metric | type | labels | told by | meaning |\n|---|---|---|---|---|\n"

// documented reads the table of the document.
func documented(t *testing.T) map[string]metric {
	t.Helper()
	body, err := os.ReadFile(metricsDocument)
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(body), tableHead)
	if !ok {
		t.Fatal("docs/metrics.md has no table of metrics")
	}
	all := map[string]metric{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 5 {
			break
		}
		for i := range cells {
			cells[i] = strings.Trim(cells[i], " `")
		}
		all[cells[0]] = metric{cells[0], cells[1], strings.ReplaceAll(cells[2], "`", ""), cells[3], cells[4]}
	}
	if len(all) == 0 {
		t.Fatal("the table of metrics is empty")
	}
	return all
}

// rewrite puts the table into the document.
func rewrite(t *testing.T, all map[string]metric) {
	t.Helper()
	body, err := os.ReadFile(metricsDocument)
	if err != nil {
		t.Fatal(err)
	}
	before, table, ok := strings.Cut(string(body), tableHead)
	if !ok {
		t.Fatal("docs/metrics.md has no table of metrics")
	}
	rest := ""
	if at := strings.Index(table, "\n\n"); at >= 0 {
		rest = table[at+1:]
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m := all[name]
		labels := m.labels
		if labels != "" {
			labels = "`" + strings.ReplaceAll(labels, ", ", "`, `") + "`"
		}
		fmt.Fprintf(&lines, "| `%s` | %s | %s | %s | %s |\n", m.name, m.typ, labels, m.from, m.help)
	}
	if err := os.WriteFile(metricsDocument, []byte(before+tableHead+lines.String()+rest), 0o644); err != nil { //nolint:gosec // a document
		t.Fatal(err)
	}
}

// Everything is done once, so that each metric has a sample, and then looked at.
func TestMetrics_OfTheRealProgramsAreThoseThatAreDocumented(t *testing.T) {
	t.Parallel()
	p := start(t)
	registered := p.busy()
	gathered := p.gather()
	for name, m := range registered {
		m.typ = gathered[name].typ
		registered[name] = m
	}
	if *update {
		rewrite(t, registered)
	}
	if diff := cmp.Diff(registered, documented(t), cmp.AllowUnexported(metric{})); diff != "" {
		t.Errorf("docs/metrics.md is stale: go test ./test/observability -run TestMetrics_ -update\n(-told +documented):\n%s", diff)
	}
	p.keepsConventions(gathered)
	p.tellsWhatHappened(gathered)
	p.hasWhatIsLookedFor(gathered)
}

// busy lets each thing happen that is counted, and waits until each metric has a sample.
func (p *pipeline) busy() map[string]metric {
	p.t.Helper()
	p.steam.Door().Faults.Once("create_topup", providertest.Fault{Kind: providertest.ResetAfterCommit})
	p.submit(`{"v":1,"id":"t1","provider":"balancesteam","kind":"topup","params":{"login":"anna","amount":"100"}}`)
	p.submit(`{"v":1,"id":"o1","provider":"gamesdrop","kind":"offer","params":{"offer_id":1001},"max_cost":{"amount":"600","currency":"RUB"}}`)
	p.submit(`{"v":1,"id":"x1","provider":"moon","kind":"rock","params":{}}`)
	p.ask("svc.providers.balancesteam.balance", "")
	p.ask("svc.providers.gamesdrop.balance", "")
	p.ask("svc.providers.exchanger.test", "")
	p.ask("svc.operator.lane", `{"provider":"exchanger","action":"pause","by":"ann"}`)
	p.submit(`{"v":1,"id":"d1","provider":"skinsback","kind":"deposit","params":{"steam_id":"76561198000000001","trade_token":"abcdEFGH"}}`)
	registered := p.registered()
	var missing []string
	defer func() {
		if len(missing) > 0 {
			p.t.Logf("without a sample: %v", missing)
		}
	}()
	p.await("every metric has a sample", func() bool {
		registered = p.registered()
		gathered := p.gather()
		missing = slices.DeleteFunc(slices.Sorted(maps.Keys(registered)), func(name string) bool { return gathered[name] != nil })
		return len(missing) == 0 && len(registered) > 40
	})
	p.await("the doubt is counted", func() bool {
		return p.gather()["beltline_orders_needing_operator"].value("provider=balancesteam") == 1
	})
	return registered
}

// keepsConventions looks for names that Prometheus would not give.
func (p *pipeline) keepsConventions(gathered map[string]*family) {
	p.t.Helper()
	for program, registry := range p.registries {
		families, err := registry.Gather()
		if err != nil {
			p.t.Fatal(err)
		}
		ours := families[:0]
		for _, f := range families {
			if strings.HasPrefix(f.GetName(), "beltline_") {
				ours = append(ours, f)
			}
		}
		problems, err := promlint.NewWithMetricFamilies(ours).Lint()
		if err != nil {
			p.t.Fatal(err)
		}
		for _, problem := range problems {
			p.t.Errorf("%s: %s: %s", program, problem.Metric, problem.Text)
		}
	}
	for name, f := range gathered {
		if strings.HasPrefix(name, "beltline_") && len(f.samples) > 1000 {
			p.t.Errorf("%s has %d series after five orders", name, len(f.samples))
		}
	}
}

// tellsWhatHappened compares metrics with what was done to the pipeline.
func (p *pipeline) tellsWhatHappened(gathered map[string]*family) {
	p.t.Helper()
	for _, want := range []struct {
		name   string
		value  float64
		labels []string
	}{
		{"beltline_ledger_events_total", 1, []string{"provider=balancesteam", "kind=topup", "type=accepted"}},
		{"beltline_ledger_events_total", 1, []string{"provider=none", "kind=none", "type=rejected"}},
		{"beltline_ledger_events_total", 0, []string{"provider=gamesdrop", "kind=offer", "type=late_evidence"}},
		{"beltline_orders_in_state", 1, []string{"provider=balancesteam", "state=unresolved"}},
		{"beltline_worker_lane_state", 1, []string{"provider=exchanger", "state=paused"}},
		{"beltline_worker_lane_state", 0, []string{"provider=exchanger", "state=open"}},
		{"beltline_worker_lane_state", 1, []string{"provider=gamesdrop", "state=open"}},
		{"beltline_worker_answers_total", 1, []string{"provider=balancesteam", "step=place", "class=ambiguous"}},
		{"beltline_worker_answers_total", 1, []string{"provider=gamesdrop", "step=place", "class=ok"}},
		{"beltline_worker_creates_total", 1, []string{"provider=balancesteam"}},
		{"beltline_dispatcher_sweeping", 1, nil},
		{"beltline_ready", 1, []string{"provider=gamesdrop", "program=worker-gamesdrop"}},
		{"beltline_ready", 1, []string{"provider=none", "program=dispatcher"}},
		{"beltline_nats_connected", 1, nil},
		{"beltline_fence_stopped", 0, nil},
	} {
		if got := gathered[want.name].value(want.labels...); got != want.value {
			p.t.Errorf("%s%v is %v, want %v", want.name, want.labels, got, want.value)
		}
	}
}
