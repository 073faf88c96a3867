package query

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

const (
	// firstBalance is how long after the start our balance is asked for, and
	// balanceEvery the time between two questions. Each costs a permit.
	firstBalance = time.Minute
	balanceEvery = 5 * time.Minute
)

// balanceMethod is the question for our balance, at the providers that have one.
const balanceMethod = "balance"

// balances tells our balance at a provider, as of the last time that anybody asked.
type balances struct {
	amount *prometheus.GaugeVec
	asked  prometheus.Gauge
}

func newBalances(r prometheus.Registerer, p messages.Provider) *balances {
	labels := prometheus.Labels{"provider": string(p)}
	b := &balances{
		amount: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "beltline", Subsystem: "provider", Name: "balance",
			Help: "Our balance at the provider, when it was last asked for. A metric is a float: no amount is taken from here.", ConstLabels: labels,
		}, []string{"currency"}),
		asked: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "beltline", Subsystem: "provider", Name: "balance_asked_timestamp_seconds",
			Help: "When it was last asked for; 0 for never.", ConstLabels: labels,
		}),
	}
	if r != nil && slices.Contains(p.ServiceMethods(), balanceMethod) {
		r.MustRegister(b.amount, b.asked)
	}
	return b
}

// saw notes an answer, if it tells a balance.
func (b *balances) saw(answer any, at time.Time) {
	var m money.Money
	switch a := answer.(type) {
	case messages.SteamBalanceAnswer:
		m = a.Balance
	case messages.DropBalanceAnswer:
		m = a.Balance
	default:
		return
	}
	if v, err := strconv.ParseFloat(m.Amount.String(), 64); err == nil {
		b.amount.Reset() // one currency at a time: whatever a provider says, labels are bounded
		b.amount.WithLabelValues(string(m.Currency)).Set(v)
		b.asked.Set(float64(at.Unix()))
	}
}

// Watch asks for our balance now and then, for the metrics, until ctx ends. The
// question waits behind everything else for its permit, and goes without one
// where there is none.
func (s *Service) Watch(ctx context.Context) {
	if !slices.Contains(s.o.Provider.ServiceMethods(), balanceMethod) {
		return
	}
	for wait := firstBalance; ; wait = balanceEvery {
		// Not all replicas at once.
		timer := time.NewTimer(wait + rand.N(wait/2)) // #nosec G404 -- spreads load, guards nothing
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if _, err := s.answer(ctx, balanceMethod, nil); err != nil && ctx.Err() == nil {
			s.log.Debug().Err(err).Msg("our balance was not told")
		}
	}
}
