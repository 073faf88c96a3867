package orders_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/orders"
	"github.com/beltline-io/beltline/pkg/messages"
)

// gathered are the values of a family that are not 0, by their labels.
func gathered(t *testing.T, reg *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	must(t, err)
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			if v := m.GetGauge().GetValue(); f.GetName() == name && v != 0 {
				values[strings.Join(labels, " ")] = v
			}
		}
	}
	return values
}

func TestCount_TellsHowManyOrdersStandWhereAndWhoWaitsForAnOperator(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(t, "acme", "a1", messages.GamesDrop)
	r.put(t, "bravo", "a1", messages.GamesDrop)
	r.put(t, "acme", "a2", messages.GamesDrop, cancel)
	r.put(t, "acme", "a3", messages.BalanceSteam, stuck("n3")...)
	r.put(t, "acme", "a4", messages.GamesDrop, doubted("n4")...)
	// Late evidence of a purchase: an order that has ended needs an operator.
	r.put(t, "acme", "a5", messages.GamesDrop, claim("n5"), order.Change{Input: order.OwnRefused, Nonce: "n5", Error: &messages.Error{Class: "rejected"}},
		order.Change{Input: order.OwnSucceeded, Nonce: "n5", Ref: map[string]string{"order_id": "1"}})
	reader := orders.NewReader(r.nc, r.js, r.ledger, zerolog.Nop())
	go reader.Run(t.Context())
	until(t, "all orders are known", func() bool { return reader.Known() == 6 })
	reg := prometheus.NewRegistry()
	until(t, "the last event is known too", func() bool {
		reg = prometheus.NewRegistry()
		reader.CountOnce(t.Context(), reg)
		return gathered(t, reg, "beltline_orders_needing_operator")["gamesdrop"] == 1
	})
	for name, want := range map[string]map[string]float64{
		"beltline_orders_in_state":         {"gamesdrop accepted": 2, "gamesdrop canceled": 1, "balancesteam unresolved": 1, "gamesdrop unresolved": 1, "gamesdrop failed": 1},
		"beltline_orders_needing_operator": {"balancesteam": 1, "gamesdrop": 1},
	} {
		if diff := cmp.Diff(want, gathered(t, reg, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	ages := gathered(t, reg, "beltline_orders_oldest_unfinished_seconds")
	if len(ages) != 3 || ages["gamesdrop accepted"] <= 0 || ages["gamesdrop accepted"] < ages["gamesdrop unresolved"] {
		t.Errorf("ages: %s", fmt.Sprint(ages))
	}
}
