package ledger_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/pkg/messages"
)

// counted is the number of stored events by their labels: kind, provider, type.
func counted(t *testing.T, g prometheus.Gatherer) map[[3]string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[[3]string]float64{}
	for _, f := range families {
		if f.GetName() != "beltline_ledger_events_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			l := m.GetLabel() // in the order of their names
			all[[3]string{l[0].GetValue(), l[1].GetValue(), l[2].GetValue()}] = m.GetCounter().GetValue()
		}
	}
	return all
}

func TestMetrics_CountStoredEventsAndNoTextFromOutsideBecomesALabel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	reg := prometheus.NewRegistry()
	l := open(t, b.srv.Conn(t), ledger.Options{Registerer: reg})
	before := counted(t, reg)
	if n, there := before[[3]string{"offer", "gamesdrop", "late_evidence"}]; !there || n != 0 {
		t.Error("what has not happened yet is not told as 0: an alarm on its rate would miss the first one")
	}
	mustAppend(t, l, event("ord-1", 1, messages.Accepted, ""), 0)
	if _, err := l.Append(within(t), event("ord-1", 1, messages.Accepted, "b"), 0); err == nil {
		t.Fatal("a second first event was stored")
	}
	for i, provider := range []messages.Provider{"nobody-knows-this", messages.SkinsBack} {
		e := event([]string{"ord-2", "ord-3"}[i], 1, messages.Rejected, "")
		e.Provider, e.Kind = provider, "nor-this"
		mustAppend(t, l, e, 0)
	}
	after := counted(t, reg)
	for _, at := range [][3]string{{"offer", "gamesdrop", "accepted"}, {"none", "none", "rejected"}, {"none", "skinsback", "rejected"}} {
		if after[at] != 1 {
			t.Errorf("%v: counted %v, want 1", at, after[at])
		}
	}
	if len(after) != len(before)+2 {
		t.Errorf("%d series became %d", len(before), len(after))
	}
}
