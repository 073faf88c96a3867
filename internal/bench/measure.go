package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// warmUp is how many orders go before everything else: connections, caches and
// the first blocks of streams are not what is measured.
const warmUp = 200

// share of the rate at which latency is measured: a third of what is possible
// is what a system is run at that must bear its peaks.
const share = 0.3

// measure takes all figures of one round. bareRate is what the bare loop has
// reached in it, 0 where this is the bare loop.
func (s *stage) measure(ctx context.Context, bareRate float64) (f Figures, err error) {
	if _, err := s.flood(ctx, "warming up", min(warmUp, s.o.Orders)); err != nil {
		return f, fmt.Errorf("warming up: %w", err)
	}
	took, err := s.burnDown(ctx, s.o.Orders)
	if err != nil {
		return f, fmt.Errorf("burn-down: %w", err)
	}
	f.BurnDown = perSecond(s.o.Orders, took)
	before, err := s.look(ctx)
	if err != nil {
		return f, err
	}
	if took, err = s.flood(ctx, "steady", s.o.Orders); err != nil {
		return f, fmt.Errorf("steady: %w", err)
	}
	f.Steady = perSecond(s.o.Orders, took)
	after, err := s.look(ctx)
	if err != nil {
		return f, err
	}
	f.spent(before, after, s.o.Orders)
	rate := f.Steady * share
	if s.o.Rate > 0 {
		rate = s.o.Rate
	}
	if f.Own, err = s.openLoop(ctx, rate); err != nil {
		return f, fmt.Errorf("latency: %w", err)
	}
	f.Same = f.Own
	if bareRate == 0 {
		bareRate = f.Steady
	}
	if same := bareRate * share; same != rate {
		if f.Same, err = s.openLoop(ctx, same); err != nil {
			return f, fmt.Errorf("latency: %w", err)
		}
	}
	return f, s.settle(ctx, &f)
}

// settle takes the figures that are of all orders, and reads the shop's books.
func (s *stage) settle(ctx context.Context, f *Figures) error {
	sold, err := readBooks(ctx, s.shop)
	if err != nil {
		return err
	}
	customers := make([]string, s.next)
	for i := range customers {
		customers[i] = s.customer(i)
	}
	if err := sold.judge(customers); err != nil {
		return fmt.Errorf("%s: %w", s.name(), err)
	}
	f.Orders, f.Requests = float64(s.next), float64(sold.Requests)/float64(s.next)
	all, events, err := disk(s.dir)
	if err != nil {
		return err
	}
	copies := float64(s.mode.nodes() * s.next)
	f.Bytes, f.EventBytes = float64(all)/copies, float64(events)/copies
	return nil
}

// flood submits n orders as fast as they are taken and waits for all results.
func (s *stage) flood(ctx context.Context, what string, n int) (time.Duration, error) {
	from, begun := s.take(n), time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	submitted := make(chan struct{})
	go func() {
		defer close(submitted)
		if err := s.submitAll(ctx, from, n); err != nil {
			cancel(err)
		}
	}()
	err := s.collect(ctx, what, from, n, func(result) {})
	took := time.Since(begun)
	cause := context.Cause(ctx) // before it is ended for the publishers
	if err != nil {
		cancel(err)
	}
	<-submitted
	if cause != nil {
		err = cause
	}
	return took, err
}

// burnDown stores n orders while nothing takes them, and measures how long all
// take from the moment something does.
func (s *stage) burnDown(ctx context.Context, n int) (time.Duration, error) {
	stream, consumer := s.taker()
	if _, err := s.js.PauseConsumer(ctx, stream, consumer, time.Now().Add(24*time.Hour)); err != nil {
		return 0, err
	}
	from := s.take(n)
	if err := s.submitAll(ctx, from, n); err != nil {
		return 0, err
	}
	begun, err := s.resume(ctx, stream, consumer)
	if err != nil {
		return 0, err
	}
	err = s.collect(ctx, "burn-down", from, n, func(result) {})
	return time.Since(begun), err
}

// resume lets a consumer go on at a moment to come, and returns that moment. A
// pause that is taken back leaves requests unanswered that were there before,
// for up to half a minute: the server looks at them at the end of a pause only.
func (s *stage) resume(ctx context.Context, stream, consumer string) (first time.Time, err error) {
	for ahead := time.Second; ; ahead *= 2 {
		end := time.Now().Add(ahead)
		if first.IsZero() {
			first = end // from then on orders may have been taken
		}
		if _, err := s.js.PauseConsumer(ctx, stream, consumer, end); err != nil {
			return first, err
		}
		if time.Until(end) > ahead/4 { // or the server may have heard of it too late
			return first, nil
		}
	}
}

// least is how many orders a latency is measured with, whatever the rate.
const least = 50

// openLoop submits at a fixed rate, whatever comes back, and measures each
// order from the moment it was due: a stall is then seen in all that it delayed.
func (s *stage) openLoop(ctx context.Context, rate float64) (Latency, error) {
	n := max(int(rate*s.o.Latency.Seconds()), least)
	from, step := s.take(n), time.Duration(float64(time.Second)/rate)
	begun := time.Now()
	due := func(i int) time.Time { return begun.Add(time.Duration(i-from) * step) }
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var submitting sync.WaitGroup
	submitting.Go(func() {
		wait := time.NewTimer(0)
		defer wait.Stop()
		for i := from; i < from+n; i++ {
			wait.Reset(time.Until(due(i)))
			select {
			case <-wait.C:
			case <-ctx.Done():
				return
			}
			submitting.Go(func() {
				if err := s.submit(ctx, i); err != nil {
					cancel(err)
				}
			})
		}
	})
	h := hdrhistogram.New(1, time.Hour.Microseconds(), 3)
	err := s.collect(ctx, "latency", from, n, func(r result) { _ = h.RecordValue(max(r.at.Sub(due(r.number)).Microseconds(), 1)) })
	cause := context.Cause(ctx)
	if err != nil {
		cancel(err)
	}
	submitting.Wait()
	if cause != nil {
		err = cause
	}
	return latencyOf(h, rate), err
}

func latencyOf(h *hdrhistogram.Histogram, rate float64) Latency {
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return Latency{Rate: rate, P50: at(50), P99: at(99), Max: float64(h.Max()) / 1000}
}

func perSecond(n int, took time.Duration) float64 { return float64(n) / took.Seconds() }
