package bench

import "slices"

// Figures are what one job has reached. Numbers are floats throughout: they are
// measured, and no amount is among them.
type Figures struct {
	Orders      float64 `json:"orders"`            // all that were bought for these figures
	Fsyncs      float64 `json:"fsyncs_per_second"` // of the raw disk, just before
	BurnDown    float64 `json:"burn_down_per_second"`
	Steady      float64 `json:"steady_per_second"`
	Own         Latency `json:"latency"`              // at 30 % of its own steady rate, or at the rate that was asked for
	Same        Latency `json:"latency_at_bare_rate"` // at 30 % of the bare loop's, the same load for both
	CPU         CPU     `json:"cpu_seconds_per_1000"` // during the steady part; upstream's own is left out
	Others      float64 `json:"cpus_of_others"`       // CPUs that everything else on the machine kept busy meanwhile
	Allocations float64 `json:"allocations,omitempty"`
	Requests    float64 `json:"requests"` // to the shop, for each order
	Bytes       float64 `json:"bytes"`    // on the disk of each node, for each order
	EventBytes  float64 `json:"event_bytes"`
}

// Latency is in milliseconds, from the moment at which an order was due to be
// submitted until its result was read.
type Latency struct {
	Rate float64 `json:"orders_per_second"`
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	Max  float64 `json:"max_ms"`
}

// CPU is in seconds for 1,000 orders; 0 where the system does not tell.
type CPU struct {
	All      float64 `json:"all"`
	NATS     float64 `json:"nats"`
	Programs float64 `json:"programs"`
	Shop     float64 `json:"shop"`
}

// each lists all figures, always in the same order.
func (f *Figures) each() []*float64 {
	return []*float64{
		&f.Orders, &f.Fsyncs, &f.BurnDown, &f.Steady,
		&f.Own.Rate, &f.Own.P50, &f.Own.P99, &f.Own.Max, &f.Same.Rate, &f.Same.P50, &f.Same.P99, &f.Same.Max,
		&f.CPU.All, &f.CPU.NATS, &f.CPU.Programs, &f.CPU.Shop,
		&f.Others, &f.Allocations, &f.Requests, &f.Bytes, &f.EventBytes,
	}
}

// median takes the median of each figure by itself.
func median(all []Figures) (m Figures) {
	for i, to := range m.each() {
		values := make([]float64, len(all))
		for j := range all {
			values[j] = *all[j].each()[i]
		}
		*to = middle(values)
	}
	return m
}

// middle is the median of some values, 0 of none.
func middle(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// of divides each figure by the same one of another job; 0 where that has none.
func (f Figures) of(base Figures) (ratio Figures) {
	to, above, below := ratio.each(), f.each(), base.each()
	for i := range to {
		if *below[i] != 0 {
			*to[i] = *above[i] / *below[i]
		}
	}
	return ratio
}

// ratios takes the median of the ratios of each round.
func ratios(rounds, base []Figures) Figures {
	all := make([]Figures, len(rounds))
	for i := range rounds {
		all[i] = rounds[i].of(base[i])
	}
	return median(all)
}
