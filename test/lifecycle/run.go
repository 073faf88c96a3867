package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// plan is what a run is asked to do.
type plan struct {
	rate   int           // orders a second
	before int           // orders that are handed in before the first restart
	rounds int           // times that every program is restarted
	every  time.Duration // from the beginning of one restart to that of the next, at least
	log    io.Writer
}

// result is what a run has shown.
type result struct {
	orders, lost, twice, unbought int
	states                        map[string]int
	restarts, putOff              int
	all                           pair
	shops                         []pair
}

// pair is how long orders took before the restarts and meanwhile.
type pair struct {
	name           string
	before, during spread
}

// spread is how long orders took.
type spread struct {
	n               int
	p50, p99, worst time.Duration
}

// ratio is how much longer the slowest hundredth took while everything was
// restarted.
func (p pair) ratio() float64 {
	return float64(p.during.p99) / float64(max(p.before.p99, time.Millisecond))
}

// worst is how much longer the slowest hundredth took at the shop whose orders
// noticed the restarts most. All shops together would hide a fast one, whose
// orders could take many times as long and still be faster than a slow one's.
func (r result) worst() float64 {
	most := 0.0
	for _, s := range r.shops {
		most = max(most, s.ratio())
	}
	return most
}

// String tells it in lines.
func (r result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d orders, %d restarts: %d lost, %d bought twice, %d told of and not bought; %v, put off %d times\n",
		r.orders, r.restarts, r.lost, r.twice, r.unbought, r.states, r.putOff)
	for _, s := range append(r.shops, r.all) {
		for _, half := range []struct {
			when string
			spread
		}{{"before", s.before}, {"during", s.during}} {
			fmt.Fprintf(&b, "%-12s %s: %5d orders, p50 %s, p99 %s, worst %s\n", s.name, half.when, half.n,
				half.p50.Round(time.Millisecond), half.p99.Round(time.Millisecond), half.worst.Round(time.Millisecond))
		}
	}
	fmt.Fprintf(&b, "p99 during the restarts is %.2f times that before", r.all.ratio())
	for _, s := range r.shops {
		fmt.Fprintf(&b, "; %s %.2f", s.name, s.ratio())
	}
	return b.String()
}

// rollAll restarts everything under load and judges.
func rollAll(ctx context.Context, p plan) (result, error) {
	r, err := newRig(ctx)
	if err != nil {
		return result{}, err
	}
	defer r.close()
	l, stop, err := newLoad(ctx, r.server.URL(), p.rate, r.shops)
	if err != nil {
		return result{}, err
	}
	defer stop()
	loading, enough := context.WithCancel(ctx)
	defer enough()
	finished := make(chan struct{})
	go func() { defer close(finished); l.run(loading) }()

	// The first orders open connections and fill caches; they belong to neither.
	warm := p.rate
	if err := awaitTrue(ctx, "the load before", func() bool { return l.asked() >= warm+p.before }); err != nil {
		return result{}, err
	}
	first, restarts := l.asked(), 0
	pace := time.NewTicker(max(p.every, time.Millisecond))
	defer pace.Stop()
	for round := range p.rounds {
		for _, program := range r.procs {
			begin := time.Now()
			if err := program.restart(ctx); err != nil {
				return result{}, err
			}
			took := time.Since(begin)
			<-pace.C
			restarts++
			_, _ = fmt.Fprintf(p.log, "round %d: %s was ready again after %s\n", round+1, program.Name, took.Round(time.Millisecond))
		}
	}
	last := l.asked()
	enough()
	<-finished
	if l.fault != nil {
		return result{}, l.fault
	}
	l.settle() // what has not ended by then is judged as lost
	l.tellSlowest(p.log)
	return judge(r, l, warm, first, last, restarts), nil
}

// judge compares what upstream was told with the shops' books.
func judge(r *rig, l *load, warm, first, last, restarts int) result {
	l.mu.Lock()
	defer l.mu.Unlock()
	res := compare(l.orders, r.shops.books())
	res.restarts, res.putOff = restarts, l.putOff
	res.all = pair{"all", measure(l.orders[warm:first], every), measure(l.orders[first:last], every)}
	for shop, name := range shopNames {
		here := func(o order) bool { return o.shop == shop }
		res.shops = append(res.shops, pair{name, measure(l.orders[warm:first], here), measure(l.orders[first:last], here)})
	}
	return res
}

func every(order) bool { return true }

// compare holds what upstream was told of orders against the shops' books.
func compare(orders []order, b books) result {
	res := result{orders: len(orders), states: map[string]int{}}
	for i, o := range orders {
		res.states[o.state]++
		if o.state == "" {
			res.lost++
		}
		if b.made[account(i)] > 1 {
			res.twice++
		}
		if (o.state == "succeeded") != (b.sold[account(i)] > 0) {
			res.unbought++
		}
	}
	return res
}

func measure(orders []order, counts func(order) bool) spread {
	var took []time.Duration
	for _, o := range orders {
		if !o.done.IsZero() && counts(o) {
			took = append(took, o.done.Sub(o.asked))
		}
	}
	if len(took) == 0 {
		return spread{}
	}
	slices.Sort(took)
	at := func(share float64) time.Duration { return took[min(len(took)-1, int(share*float64(len(took))))] }
	return spread{n: len(took), p50: at(.5), p99: at(.99), worst: took[len(took)-1]}
}
