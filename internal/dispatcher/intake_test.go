package dispatcher_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// failingQueue loses its first sends.
type failingQueue struct {
	dispatcher.Queue
	sends int32
	done  atomic.Int32
}

func (q *failingQueue) Send(ctx context.Context, p messages.Provider, v messages.Verb, c messages.Command) error {
	if q.done.Add(1) <= q.sends {
		return errors.New("the process died here")
	}
	return q.Queue.Send(ctx, p, v, c)
}

func (q *failingQueue) Waiting(ctx context.Context, p messages.Provider, tenant, id string, due messages.Verb) (bool, error) {
	if q.done.Add(1) <= q.sends {
		return false, errors.New("the process died here")
	}
	return q.Queue.Waiting(ctx, p, tenant, id, due)
}

// invalidLedger can write nothing.
type invalidLedger struct{ *ledger.Ledger }

func (invalidLedger) Append(context.Context, *messages.Event, uint64) (uint64, error) {
	return 0, fmt.Errorf("%w: too long", ledger.ErrInvalid)
}

// brokenLedger fails in a way of its own the first time.
type brokenLedger struct {
	*ledger.Ledger
	appends atomic.Int32
	first   func() error
}

func (l *brokenLedger) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	if l.appends.Add(1) == 1 {
		return 0, l.first()
	}
	return l.Ledger.Append(ctx, e, expected)
}

// metric sums a counter over its labels.
func metric(t *testing.T, g prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := g.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == name {
			sum := 0.0
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
			return sum
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestIntake_UnknownOutcomeOfAnAppendIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := &brokenLedger{Ledger: r.ledger, first: func() error { return ledger.ErrUnknown }}
	r.start(t, r.options(), l, r.queue)
	r.publish(t, "orders.acme.submit", offer("o1"))
	next(t, r.commands)
	r.settled(t)
	if got := l.appends.Load(); got != 2 {
		t.Errorf("%d appends, want 2", got)
	}
}

func TestIntake_PanicLeavesTheMessageAndTheProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, err := r.js.Consumer(t.Context(), messages.StreamOrders, topology.DispatcherConsumer)
	must(t, err)
	config := c.CachedInfo().Config
	config.AckWait = 300 * time.Millisecond
	_, err = r.js.UpdateConsumer(t.Context(), messages.StreamOrders, config)
	must(t, err)
	registry := prometheus.NewRegistry()
	o := r.options()
	o.Registerer = registry
	l := &brokenLedger{Ledger: r.ledger, first: func() error { panic("broken invariant") }}
	d := r.start(t, o, l, r.queue)
	r.publish(t, "orders.acme.submit", offer("o1"))
	next(t, r.commands) // of the redelivery
	r.settled(t)
	if !r.log.has(`"level":"error"`, "broken invariant", "orders.acme.submit") {
		t.Error("the panic was not logged as an error")
	}
	if err := d.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if got := metric(t, registry, "beltline_dispatcher_panics_total"); got != 1 {
		t.Errorf("%v panics counted", got)
	}
}

func TestIntake_StopsWhileTooManyOrdersWaitToBePlaced(t *testing.T) {
	t.Parallel()
	const limit, inFlight, orders = 10, 4, 60
	r := newRig(t)
	r.run(t, func(o *dispatcher.Options) { o.PlaceBacklogMax, o.MaxInFlight = limit, inFlight })
	for n := range orders {
		r.publish(t, "orders.acme.submit", offer(fmt.Sprintf("o%d", n)))
	}
	until(t, "the pause is logged", func() bool { return r.log.has(`"level":"warn"`, `"provider":"gamesdrop"`, "no more are taken") })
	// Take the commands away as a worker would; the rest follows, never in a flood.
	place, err := r.js.Consumer(t.Context(), messages.StreamCommands, messages.GamesDrop.PlaceConsumer())
	must(t, err)
	taken := 0
	for taken < orders {
		info, err := place.Info(t.Context())
		must(t, err)
		if waiting := info.NumPending + uint64(info.NumAckPending); waiting > limit+2*inFlight {
			t.Fatalf("%d commands wait, the limit is %d", waiting, limit)
		}
		batch, err := place.FetchNoWait(5)
		must(t, err)
		for m := range batch.Messages() {
			must(t, m.DoubleAck(t.Context()))
			taken++
		}
	}
	r.settled(t)
	if !r.log.has(`"level":"info"`, "they are taken again") {
		t.Error("the end of the pause was not logged")
	}
	if got := r.stored(t, messages.StreamEvents); got != orders {
		t.Errorf("%d events for %d orders", got, orders)
	}
}

func TestIntake_PauseForOneBacklogIsStillReady(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.run(t, func(o *dispatcher.Options) { o.PlaceBacklogMax = 1 })
	for n := range 5 {
		r.publish(t, "orders.acme.submit", offer(fmt.Sprintf("o%d", n)))
	}
	until(t, "the pause is logged", func() bool { return r.log.has("no more are taken") })
	if err := d.Ready(); err != nil {
		t.Errorf("not ready during a pause on purpose: %v", err)
	}
}

func TestRun_WithoutSetupSaysSo(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	d := dispatcher.New(srv.Conn(t), srv.JS(t), nil, nil, dispatcher.Options{})
	if err := d.Run(t.Context()); !errors.Is(err, topology.ErrNotSetUp) {
		t.Errorf("error %v", err)
	}
	if d.Ready() == nil {
		t.Error("ready without a stream")
	}
}

func TestRun_StopsWithoutLosingWhatItHas(t *testing.T) {
	t.Parallel()
	const orders = 200
	r := newRig(t)
	first := r.run(t)
	for n := range orders {
		r.publish(t, "orders.acme.submit", offer(fmt.Sprintf("o%d", n)))
	}
	first.stop()
	if first.Ready() == nil {
		t.Error("ready after the end")
	}
	r.run(t)
	r.settled(t)
	seen := make(map[string]bool)
	for len(seen) < orders {
		seen[next(t, r.commands).Subject] = true
	}
	if got := r.stored(t, messages.StreamEvents); got != orders {
		t.Errorf("%d events for %d orders", got, orders)
	}
	if diff := cmp.Diff([]messages.Type{messages.Accepted}, r.history(t, "acme", "o0")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
