package dispatcher_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	backlogMax = 5
	manyOrders = 300
)

func pressed(o *dispatcher.Options) { o.PlaceBacklogMax, o.MaxInFlight = backlogMax, 2 }

// press fills ORDERS until no more orders are taken.
func (r *rig) press(t *testing.T) {
	t.Helper()
	for n := range manyOrders {
		r.publish(t, "orders.acme.submit", offer(fmt.Sprintf("o%d", n)))
	}
	until(t, "the pause is logged", func() bool { return r.log.has("no more are taken") })
}

// requests counts what stands in ORDERS under a kind.
func (r *rig) requests(t *testing.T, kind messages.Request) (n uint64) {
	t.Helper()
	s, err := r.js.Stream(t.Context(), messages.StreamOrders)
	must(t, err)
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(messages.OrderSubject("*", kind)))
	must(t, err)
	for _, count := range info.State.Subjects {
		n += count
	}
	return n
}

func TestAside_CancelsAndConfirmationsGoOnBehindOrdersThatAreNotTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.seed(t, "acme", "early", lives()["accepted"])
	r.seed(t, "acme", "paying", lives()["action_required"])
	d := r.run(t, pressed)
	r.press(t)
	left := r.requests(t, messages.SubmitRequest)
	r.publish(t, "orders.acme.cancel", cancelOf("early"))
	r.publish(t, "orders.acme.confirm", confirmOf("paying"))
	r.publish(t, "orders.acme.cancel", "{")
	for _, kind := range []messages.Request{messages.CancelRequest, messages.ConfirmRequest} {
		until(t, string(kind)+" is done", func() bool { return r.requests(t, kind) == 0 })
	}
	want := []messages.Type{messages.Accepted, messages.Canceled}
	if diff := cmp.Diff(want, r.history(t, "acme", "early")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for next(t, r.commands).Subject != "commands.gamesdrop.confirm.acme.paying" { // behind the place commands
	}
	wantDead(t, next(t, r.dead), "dlq.orders.acme", messages.ReasonInvalidOrder, "{", "")
	// Those that were in hand when the pressure rose may have gone, no others.
	if now := r.requests(t, messages.SubmitRequest); left == 0 || now == 0 || left-now > 4 {
		t.Errorf("%d orders stood in the queue, %d are left: orders were taken", left, now)
	}
	if err := d.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
}

// Its order stands before it, not taken: that the ledger does not know the
// order is no reason to give the cancel up, however long it takes.
func TestAside_ACancelOfAnOrderThatIsNotTakenYetWaitsForIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	registry := prometheus.NewRegistry()
	first := r.run(t, pressed, func(o *dispatcher.Options) {
		o.Registerer, o.UnknownFor = registry, time.Nanosecond // only the number of looks counts
	})
	r.press(t)
	last := fmt.Sprintf("o%d", manyOrders-1)
	handled := func() float64 { return metric(t, registry, "beltline_dispatcher_messages_total") }
	before := handled()
	r.publish(t, "orders.acme.cancel", cancelOf(last))
	until(t, "it was looked at again and again", func() bool { return handled() >= before+5 })
	r.silent(t, r.dead)
	first.stop()
	if got := r.requests(t, messages.CancelRequest); got != 1 {
		t.Fatalf("%d cancels are left", got)
	}
	r.run(t) // without pressure
	r.settled(t)
	want := []messages.Type{messages.Accepted, messages.Canceled}
	if diff := cmp.Diff(want, r.history(t, "acme", last)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	r.silent(t, r.dead)
}

// closedLedger has no room for orders, and room for outcomes.
type closedLedger struct{ *ledger.Ledger }

func (l closedLedger) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	if e.Type == messages.Accepted {
		return 0, ledger.ErrNoRoom
	}
	return l.Ledger.Append(ctx, e, expected)
}

func TestAside_CancelsGoOnWhileTheLedgerHasNoRoomForOrders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.seed(t, "acme", "early", lives()["accepted"])
	o := r.options()
	o.MaxInFlight = 1
	r.start(t, o, closedLedger{r.ledger}, r.queue)
	for n := range manyOrders {
		r.publish(t, "orders.acme.submit", offer(fmt.Sprintf("o%d", n)))
	}
	r.publish(t, "orders.acme.cancel", cancelOf("early"))
	until(t, "the cancel is done", func() bool { return r.requests(t, messages.CancelRequest) == 0 })
	want := []messages.Type{messages.Accepted, messages.Canceled}
	if diff := cmp.Diff(want, r.history(t, "acme", "early")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if got := r.requests(t, messages.SubmitRequest); got != manyOrders {
		t.Errorf("%d orders are left of %d", got, manyOrders)
	}
}

// slowLedger keeps its first append until the gate opens.
type slowLedger struct {
	*ledger.Ledger
	gate    chan struct{}
	appends atomic.Int32
}

func (l *slowLedger) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	if l.appends.Add(1) == 1 {
		<-l.gate
	}
	return l.Ledger.Append(ctx, e, expected)
}

// The ack wait may be shorter than the handling: what is in hand is said to be.
func TestIntake_WhatIsHandledForLongIsSaidToBeInHand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, err := r.js.Consumer(t.Context(), messages.StreamOrders, topology.DispatcherConsumer)
	must(t, err)
	config := c.CachedInfo().Config
	config.AckWait = 600 * time.Millisecond
	_, err = r.js.UpdateConsumer(t.Context(), messages.StreamOrders, config)
	must(t, err)
	acks := r.listen(t, "$JS.ACK.ORDERS.>")
	l := &slowLedger{Ledger: r.ledger, gate: make(chan struct{})}
	r.start(t, r.options(), l, r.queue)
	r.publish(t, "orders.acme.submit", offer("o1"))
	for string(next(t, acks).Data) != "+WPI" {
	}
	close(l.gate)
	r.settled(t)
	if diff := cmp.Diff([]messages.Type{messages.Accepted}, r.history(t, "acme", "o1")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
