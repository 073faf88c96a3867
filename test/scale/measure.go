package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/test/hold/beside"
)

func (r *rig) systems() []*beside.System { return []*beside.System{r.loaded, r.small} }

// measure takes all figures: while both systems are empty, with the orders that
// have ended, and with those on hold on top of them. What restarts take is
// measured at the end.
func (r *rig) measure(ctx context.Context) error {
	always := r.o.sync == "always"
	say("one order of each kind goes through the pipeline")
	ended, held, err := learnAll(ctx, r, r.loaded)
	if err != nil {
		return err
	}
	r.held = 1
	phase := "both empty"
	if err := errors.Join(r.throughput(ctx, phase), r.latency(ctx, phase)); err != nil {
		return err
	}
	phase = fmt.Sprintf("%d ended", r.o.ended)
	if err := r.load(ctx, phase, r.small, ended, "ended-", r.o.few, always); err != nil {
		return err
	}
	if err := r.load(ctx, phase, r.loaded, ended, "ended-", r.o.ended, always); err != nil {
		return err
	}
	if err := r.all(ctx, phase, r.o.ended-r.o.few); err != nil {
		return err
	}
	if r.o.held == 0 {
		return r.kill(ctx, phase)
	}
	phase = fmt.Sprintf("%d ended, %d on hold", r.o.ended, r.o.held)
	if err := r.load(ctx, phase, r.loaded, held, "held--", r.o.held, always); err != nil {
		return err
	}
	if err := r.again(ctx, r.small); err != nil {
		return err
	}
	if err := r.all(ctx, phase, r.o.ended+r.o.held-r.o.few); err != nil {
		return err
	}
	return r.kill(ctx, phase)
}

// load fills a system and counts what it has.
func (r *rig) load(ctx context.Context, phase string, s *beside.System, t *template, prefix string, n int, always bool) error {
	say("%s: writing %d orders", s.Name, n)
	w, err := fill(ctx, s, t, prefix, n, always)
	if err != nil {
		return err
	}
	if t.timer == nil {
		r.ended[s] += n
	} else {
		r.held += n
	}
	if s == r.loaded {
		r.note(figure{Phase: phase, What: "orders written a second", Unit: "1/s", Loaded: float64(n) / w.took.Seconds()})
		r.note(figure{Phase: phase, What: "the server computed for each", Unit: "µs", Loaded: float64(w.computed.Microseconds()) / float64(n)})
	}
	return sample(ctx, s, t, prefix, n)
}

// again stops the programs as a filled system's are, so that both start anew.
func (r *rig) again(ctx context.Context, s *beside.System) error {
	for _, p := range append(s.Workers(), s.Dispatcher) {
		if err := p.End(stopped); err != nil {
			return err
		}
	}
	return resync(ctx, s, r.o.sync == "always")
}

// sample reads some copies as all programs read orders.
func sample(ctx context.Context, s *beside.System, t *template, prefix string, n int) error {
	l, err := ledger.Open(ctx, s.NC, s.JS, ledger.Options{})
	if err != nil {
		return err
	}
	defer l.Close()
	for i := range 20 {
		id := fmt.Sprintf("%s%08d", prefix, rand.IntN(n))
		if i < 2 {
			id = fmt.Sprintf("%s%08d", prefix, i*(n-1)) // the first and the last
		}
		entries, err := l.History(ctx, beside.Tenant, id)
		if err != nil {
			return err
		}
		if len(entries) != len(t.events) {
			return fmt.Errorf("order %s has %d events, not %d", id, len(entries), len(t.events))
		}
		for k, e := range entries {
			if want := t.events[k]; e.Event.Type != want.typ || e.Event.N != want.n || e.Event.Provider != t.provider {
				return fmt.Errorf("order %s: event %d is %s", id, e.Event.N, e.Event.Type)
			}
		}
	}
	return nil
}

// all starts the programs of both systems and takes all figures.
func (r *rig) all(ctx context.Context, phase string, more int) error {
	if err := r.rise(ctx, phase); err != nil {
		return err
	}
	if err := r.counts(ctx); err != nil {
		return err
	}
	for _, take := range []func(context.Context, string) error{r.throughput, r.latency, r.askLists, r.watchOne} {
		if err := take(ctx, phase); err != nil {
			return err
		}
	}
	if err := r.idle(ctx, phase); err != nil {
		return err
	}
	return r.weigh(ctx, phase, more)
}

// idle measures what the programs compute while nobody asks anything of them.
func (r *rig) idle(ctx context.Context, phase string) error {
	profiled := r.loaded.Profile(ctx, r.profiles(r.loaded, phase), r.o.idle)
	i, err := beside.Idle(ctx, r.loaded, r.small, r.o.idle)
	if err := errors.Join(err, <-profiled); err != nil {
		return err
	}
	for _, p := range i.Programs {
		r.note(figure{Phase: phase, What: p.Program + " computes while nobody asks", Unit: "ms/s", Loaded: p.Loaded, Beside: p.Empty})
	}
	r.note(figure{Phase: phase, What: "orders that the sweeper looks up meanwhile", Unit: "1/s", Loaded: float64(i.Looks) / i.Seconds})
	return nil
}

// counts waits until the dispatchers of both systems count the orders that were
// written and no others.
func (r *rig) counts(ctx context.Context) error {
	for _, s := range r.systems() {
		series := map[string]int{`beltline_orders_in_state{provider="balancesteam",state="succeeded"}`: r.ended[s]}
		if s == r.loaded {
			series[`beltline_orders_in_state{provider="skinsback",state="on_hold"}`] = r.held
		}
		for name, want := range series {
			if err := countsTo(ctx, s.Dispatcher, name, want); err != nil {
				return err
			}
		}
	}
	return nil
}

func countsTo(ctx context.Context, p *beside.Process, series string, want int) error {
	for deadline := time.Now().Add(20 * time.Minute); ; beside.Pause(ctx, 200*time.Millisecond) {
		got, err := p.Metric(ctx, series)
		switch {
		case err == nil && int(got) == want:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("%s counts %v orders and not %d: %s (%v)", p.Name, got, want, series, err)
		}
	}
}

// throughput lets both systems take bursts of new orders in turn.
func (r *rig) throughput(ctx context.Context, phase string) error {
	rates := map[*beside.System][]float64{}
	for round := -1; round < r.o.rounds; round++ { // the first is to warm up
		pair := r.systems()
		rand.Shuffle(2, func(a, b int) { pair[a], pair[b] = pair[b], pair[a] })
		for _, s := range pair {
			r.bursts++
			ids := make([]string, r.o.burst)
			for i := range ids {
				ids[i] = s.Name + "-" + strconv.Itoa(r.bursts) + "-" + strconv.Itoa(i)
			}
			took, err := r.burst(ctx, s, ids)
			if err != nil {
				return err
			}
			rate := float64(len(ids)) / took.Seconds()
			say("  %s: burst %d of %d on %s: %.0f orders/s", phase, round+1, r.o.rounds, s.Name, rate)
			if round >= 0 {
				rates[s] = append(rates[s], rate)
			}
		}
	}
	loaded, small := beside.SpreadOf(rates[r.loaded]), beside.SpreadOf(rates[r.small])
	low, high := beside.Interval(rates[r.loaded], rates[r.small])
	r.note(figure{
		Phase: phase, What: fmt.Sprintf("burst of %d new orders, mean of %d", r.o.burst, r.o.rounds), Unit: "1/s",
		Loaded: loaded.Mean, Beside: small.Mean, Low: low, High: high,
	})
	return nil
}

// latency measures single new orders.
func (r *rig) latency(ctx context.Context, phase string) error {
	prefix := strings.ReplaceAll(strings.ReplaceAll(phase, " ", "-"), ",", "") + "-"
	l, err := beside.Compare(ctx, r.loaded, r.small, r.o.probes, r.o.gap, prefix)
	if err != nil {
		return err
	}
	r.note(figure{Phase: phase, What: "new order, mean", Unit: "ms", Loaded: 1000 * l.Loaded.Mean, Beside: 1000 * l.Empty.Mean, Low: l.MeanLow, High: l.MeanHigh})
	r.note(figure{Phase: phase, What: "new order, p50", Unit: "ms", Loaded: 1000 * l.Loaded.P50, Beside: 1000 * l.Empty.P50})
	r.note(figure{Phase: phase, What: "new order, p99", Unit: "ms", Loaded: 1000 * l.Loaded.P99, Beside: 1000 * l.Empty.P99})
	return nil
}

// weigh reads memory and files; more is how many orders the loaded system has
// more than the other.
func (r *rig) weigh(ctx context.Context, phase string, more int) error {
	weights, err := beside.Weigh(ctx, r.loaded, r.small, "")
	if err != nil {
		return err
	}
	for _, w := range weights {
		r.note(figure{Phase: phase, What: w.Program + ", RSS", Unit: "MiB", Loaded: mib(w.Loaded.RSS), Beside: mib(w.Empty.RSS), Each: each(w.Loaded.RSS-w.Empty.RSS, more)})
		r.note(figure{Phase: phase, What: w.Program + ", Go heap", Unit: "MiB", Loaded: mib(w.Loaded.Heap), Beside: mib(w.Empty.Heap), Each: each(w.Loaded.Heap-w.Empty.Heap, more)})
	}
	if dir := r.profiles(r.loaded, phase); dir != "" {
		if err := r.loaded.Dispatcher.HeapTo(ctx, filepath.Join(dir, "dispatcher.settled.heap.pprof")); err != nil {
			return err
		}
	}
	stored, err := beside.Size(r.loaded, r.small)
	if err != nil {
		return err
	}
	for _, s := range stored {
		if s.Stream == messages.StreamEvents || s.Stream == messages.StreamCommands || s.Stream == "all" {
			r.note(figure{Phase: phase, What: "files of " + s.Stream, Unit: "MiB", Loaded: mib(s.Loaded), Beside: mib(s.Empty), Each: each(s.Loaded-s.Empty, more)})
		}
	}
	return nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func each(bytes int64, orders int) float64 { return float64(bytes) / float64(max(orders, 1)) }
