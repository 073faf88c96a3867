package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/nats-io/nats.go"
)

// figures of one job.
type figures struct {
	rate     float64 // orders per second in the burst
	p50, p99 time.Duration
}

// publishers is how many submit at once in the burst, as upstream systems would.
const publishers = 32

// measure runs a short warm-up, the burst, and then the steady part.
func measure(ctx context.Context, j job, nc *nats.Conn, orders int, steady time.Duration) (figures, error) {
	if _, err := burst(ctx, j, nc, 0, 200); err != nil {
		return figures{}, err
	}
	took, err := burst(ctx, j, nc, 200, orders)
	if err != nil {
		return figures{}, err
	}
	f := figures{rate: float64(orders) / took.Seconds()}
	h, err := openLoop(ctx, j, nc, 200+orders, f.rate*0.3, steady)
	if err != nil {
		return figures{}, err
	}
	f.p50 = time.Duration(h.ValueAtQuantile(50)) * time.Microsecond
	f.p99 = time.Duration(h.ValueAtQuantile(99)) * time.Microsecond
	return f, nil
}

// burst submits n orders as fast as they are taken and waits for all results.
func burst(ctx context.Context, j job, nc *nats.Conn, from, n int) (time.Duration, error) {
	begun := time.Now()
	next := make(chan int)
	var group sync.WaitGroup
	var once sync.Once
	var failure error
	for range publishers {
		group.Go(func() {
			for i := range next {
				if err := j.submit(ctx, nc, i); err != nil {
					once.Do(func() { failure = err })
				}
			}
		})
	}
	go func() {
		defer close(next)
		for i := from; i < from+n; i++ {
			next <- i
		}
	}()
	if err := collect(ctx, j, n, func(int) {}); err != nil {
		return 0, err
	}
	group.Wait()
	return time.Since(begun), failure
}

// collect waits for n results.
func collect(ctx context.Context, j job, n int, each func(int)) error {
	quiet := time.NewTimer(30 * time.Second)
	defer quiet.Stop()
	for got := range n {
		select {
		case i := <-j.done():
			each(i)
			quiet.Reset(30 * time.Second)
		case <-quiet.C:
			return fmt.Errorf("no result for 30 s after %d of %d", got, n)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// openLoop submits at a fixed rate, whatever comes back, and measures each
// order from the moment it was due: a stall is then seen in all it delayed.
func openLoop(ctx context.Context, j job, nc *nats.Conn, from int, rate float64, d time.Duration) (*hdrhistogram.Histogram, error) {
	n := max(int(rate*d.Seconds()), 50)
	step := time.Duration(float64(time.Second) / rate)
	begun := time.Now()
	due := func(i int) time.Time { return begun.Add(time.Duration(i-from) * step) }
	failed := make(chan error, 1)
	go func() {
		var group sync.WaitGroup
		defer group.Wait()
		for i := from; i < from+n && ctx.Err() == nil; i++ {
			<-time.After(time.Until(due(i)))
			group.Go(func() {
				if err := j.submit(ctx, nc, i); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			})
		}
	}()
	h := hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 3)
	err := collect(ctx, j, n, func(i int) {
		if i >= from {
			_ = h.RecordValue(max(time.Since(due(i)).Microseconds(), 1))
		}
	})
	select {
	case err = <-failed:
	default:
	}
	return h, err
}

// median takes each figure's median over the rounds.
func median(all []figures) figures {
	pick := func(of func(figures) float64) float64 {
		values := make([]float64, len(all))
		for i, f := range all {
			values[i] = of(f)
		}
		slices.Sort(values)
		return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	}
	return figures{
		rate: pick(func(f figures) float64 { return f.rate }),
		p50:  time.Duration(pick(func(f figures) float64 { return float64(f.p50) })),
		p99:  time.Duration(pick(func(f figures) float64 { return float64(f.p99) })),
	}
}
