package query_test

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/internal/query"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

func TestBalance_IsToldAsItWasLastSeenInOneCurrency(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	balances := []money.Money{money.Must("73519.26", "RUB"), money.Must("12.5", "USD")}
	s := &shop{answer: func(context.Context) (any, error) {
		next := balances[0]
		balances = balances[1:]
		return messages.SteamBalanceAnswer{Balance: next}, nil
	}}
	nc, _, clock := serve(t, s, func(o *query.Options) { o.Registerer = reg })
	for _, want := range []struct {
		currency string
		amount   float64
	}{{"RUB", 73519.26}, {"USD", 12.5}} {
		if code, p, err := ask(nc, "balance", ""); err != nil || code != "" {
			t.Fatalf("%s %+v %v", code, p, err)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				key := f.GetName()
				for _, l := range m.GetLabel() {
					key += " " + l.GetValue()
				}
				told[key] = m.GetGauge().GetValue()
			}
		}
		asked := float64(clock.Load() / 1e9)
		if len(told) != 2 || told["beltline_provider_balance "+want.currency+" balancesteam"] != want.amount ||
			told["beltline_provider_balance_asked_timestamp_seconds balancesteam"] != asked {
			t.Errorf("told: %v", told)
		}
	}
}
