package beside

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"time"
)

// warmUp is how many orders each system handles before any is measured.
const warmUp = 50

// Latency is the time of single new orders on two systems.
type Latency struct {
	Orders int     `json:"orders"` // on each system
	Loaded Spread  `json:"loaded"`
	Empty  Spread  `json:"empty"`
	P50    float64 `json:"p50_ratio"`
	P99    float64 `json:"p99_ratio"`
	// Mean is the ratio of the means, and MeanLow and MeanHigh hold it in 95 of
	// 100 runs, as far as one run can tell.
	Mean     float64 `json:"mean_ratio"`
	MeanLow  float64 `json:"mean_ratio_low"`
	MeanHigh float64 `json:"mean_ratio_high"`
}

// Spread describes many times, in seconds.
type Spread struct {
	Mean float64 `json:"mean_seconds"`
	P50  float64 `json:"p50_seconds"`
	P90  float64 `json:"p90_seconds"`
	P99  float64 `json:"p99_seconds"`
	Max  float64 `json:"max_seconds"`
}

// Probe hands in one order and returns how long it took until an upstream could
// read where its customer pays. Then the customer pays, so that the order ends
// at its first poll and waits for nothing while others are measured.
func (s *System) Probe(ctx context.Context, id string) (time.Duration, error) {
	waiting := make(chan opened, 1)
	s.mu.Lock()
	s.waiting[id] = waiting
	s.mu.Unlock()
	begun := time.Now()
	if err := s.Submit(ctx, id); err != nil {
		return 0, err
	}
	deadline := time.NewTimer(s.Worker.wait())
	defer deadline.Stop()
	select {
	case o := <-waiting:
		return o.at.Sub(begun), s.Shop.Pay(o.reference, "20.05")
	case <-deadline.C:
		return 0, fmt.Errorf("%s: nobody may pay for order %s\n%s", s.Name, id, s.Worker.Tail())
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Compare measures n orders on each system, one at a time, in pairs whose order
// is drawn by lot. gap is the rest between two orders.
func Compare(ctx context.Context, loaded, empty *System, n int, gap time.Duration, prefix string) (Latency, error) {
	times := map[*System][]float64{}
	begun := time.Now()
	for i := -warmUp; i < n; i++ {
		pair := []*System{loaded, empty}
		rand.Shuffle(2, func(a, b int) { pair[a], pair[b] = pair[b], pair[a] })
		for _, s := range pair {
			took, err := s.Probe(ctx, prefix+strconv.Itoa(i+warmUp))
			if err != nil {
				return Latency{}, err
			}
			if i >= 0 {
				times[s] = append(times[s], took.Seconds())
			}
			Pause(ctx, gap)
		}
		if time.Since(begun) > 10*time.Second {
			begun = time.Now()
			fmt.Fprintf(os.Stderr, "  %d of %d pairs of orders\n", i+1, n)
		}
	}
	l := Latency{Orders: n, Loaded: SpreadOf(times[loaded]), Empty: SpreadOf(times[empty])}
	l.P50, l.P99, l.Mean = l.Loaded.P50/l.Empty.P50, l.Loaded.P99/l.Empty.P99, l.Loaded.Mean/l.Empty.Mean
	l.MeanLow, l.MeanHigh = Interval(times[loaded], times[empty])
	return l, nil
}

// SpreadOf describes these times.
func SpreadOf(times []float64) Spread {
	sorted := slices.Sorted(slices.Values(times))
	at := func(q float64) float64 { return sorted[min(int(math.Ceil(q*float64(len(sorted)))), len(sorted))-1] }
	return Spread{Mean: mean(times), P50: at(.5), P90: at(.9), P99: at(.99), Max: sorted[len(sorted)-1]}
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// Interval draws the pairs anew many times and returns where the middle 95 of
// 100 ratios of the means lie.
func Interval(loaded, empty []float64) (low, high float64) {
	const draws = 1000
	ratios := make([]float64, draws)
	for d := range ratios {
		var a, b float64
		for range loaded {
			i := rand.IntN(len(loaded))
			a, b = a+loaded[i], b+empty[i]
		}
		ratios[d] = a / b
	}
	slices.Sort(ratios)
	return ratios[draws/40], ratios[draws-draws/40-1]
}
