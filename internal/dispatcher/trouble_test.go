package dispatcher_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// racingLedger lets another writer get in before the first appends.
type racingLedger struct {
	*ledger.Ledger
	before func(n int32)
	calls  atomic.Int32
}

func (l *racingLedger) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	l.before(l.calls.Add(1))
	return l.Ledger.Append(ctx, e, expected)
}

func TestCancel_OrderThatMovesInBetweenIsReadAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	last := r.seed(t, "acme", "o1", lives()["accepted"])
	l := &racingLedger{Ledger: r.ledger, before: func(n int32) {
		if n > 1 {
			return
		}
		e, _ := order.Apply(last.Event, order.Change{Input: order.Expire, At: time.Now()})
		_, err := r.ledger.Append(t.Context(), e, last.Seq)
		must(t, err)
	}}
	r.start(t, r.options(), l, r.queue)
	r.publish(t, "orders.acme.cancel", cancelOf("o1"))
	r.settled(t)
	want := []messages.Type{messages.Accepted, messages.Expired, messages.CancelRefused}
	if diff := cmp.Diff(want, r.history(t, "acme", "o1")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestConfirm_ThatCannotBeHandedOverIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.seed(t, "acme", "o1", lives()["action_required"])
	r.start(t, r.options(), r.ledger, &failingQueue{Queue: r.queue, sends: 3})
	r.publish(t, "orders.acme.confirm", confirmOf("o1"))
	if got := next(t, r.commands).Subject; got != "commands.gamesdrop.confirm.acme.o1" {
		t.Errorf("command on %s", got)
	}
	r.settled(t)
}

// forgetfulLedger knows no order the first times it is asked, as a server does
// that is just closing its store.
type forgetfulLedger struct {
	*ledger.Ledger
	forget int32
	asked  atomic.Int32
}

func (l *forgetfulLedger) Last(ctx context.Context, tenant, id string) (*ledger.Entry, error) {
	if l.asked.Add(1) <= l.forget {
		return nil, ledger.ErrNotFound
	}
	return l.Ledger.Last(ctx, tenant, id)
}

func TestCancel_UnknownOrderIsLookedForOnceMoreBeforeItIsGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.seed(t, "acme", "o1", lives()["accepted"])
	o := r.options()
	o.UnknownFor = time.Nanosecond // only the number of looks counts
	r.start(t, o, &forgetfulLedger{Ledger: r.ledger, forget: 3}, r.queue)
	r.publish(t, "orders.acme.cancel", cancelOf("o1"))
	r.settled(t)
	r.silent(t, r.dead)
	if diff := cmp.Diff([]messages.Type{messages.Accepted, messages.Canceled}, r.history(t, "acme", "o1")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// tightLedger refuses events with many faults, as if they were too long.
type tightLedger struct{ *ledger.Ledger }

func (l tightLedger) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	if e.Error != nil && len(e.Error.Faults) > 30 {
		return 0, fmt.Errorf("%w: too long", ledger.ErrInvalid)
	}
	return l.Ledger.Append(ctx, e, expected)
}

func TestSubmit_FaultsThatDoNotFitAreCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(t, r.options(), tightLedger{r.ledger}, r.queue)
	var fields []string
	for i := range 50 {
		fields = append(fields, fmt.Sprintf(`"f%d":1`, i))
	}
	r.publish(t, "orders.acme.submit", offer("many", fields...))
	e := r.nextEvent(t)
	faults := e.Error.Faults
	if len(faults) != 21 || faults[20].Message != "has 30 more faults" {
		t.Errorf("%d faults, the last says %q", len(faults), faults[len(faults)-1].Message)
	}
	r.settled(t)
}

func TestBury_MessageIsKeptWhileThereIsNoRoomForDeadLetters(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *topology.Settings) { s.DLQMaxBytes = 1 << 20 })
	dlq, err := r.js.Stream(t.Context(), messages.StreamDLQ)
	must(t, err)
	full := dlq.CachedInfo().Config
	full.MaxBytes = 64
	_, err = r.js.UpdateStream(t.Context(), full)
	must(t, err)
	r.run(t)
	r.publish(t, "orders.acme.submit", "{")
	until(t, "the full stream is reported", func() bool { return r.log.has(`"level":"error"`, "dead letters have no room") })
	if r.stored(t, messages.StreamOrders) != 1 {
		t.Error("a message that was not buried was acknowledged")
	}
	full.MaxBytes = 1 << 20
	_, err = r.js.UpdateStream(t.Context(), full)
	must(t, err)
	r.settled(t)
	if got := r.stored(t, messages.StreamDLQ); got != 1 {
		t.Errorf("%d dead letters, want 1", got)
	}
}

func TestIntake_GoesOnWhenItsConsumerWasMadeAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	c, err := r.js.Consumer(t.Context(), messages.StreamOrders, topology.DispatcherConsumer)
	must(t, err)
	must(t, r.js.DeleteConsumer(t.Context(), messages.StreamOrders, topology.DispatcherConsumer))
	until(t, "the loss is logged", func() bool { return r.log.has(`"level":"warn"`, "reading orders was interrupted") })
	_, err = r.js.CreateConsumer(t.Context(), messages.StreamOrders, c.CachedInfo().Config)
	must(t, err)
	r.publish(t, "orders.acme.submit", offer("o1"))
	next(t, r.commands)
	r.settled(t)
}

func BenchmarkSubmit(b *testing.B) {
	r := newRig(b)
	d := dispatcher.New(r.nc, r.js, r.ledger, r.queue, r.options())
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := counter.Add(1)
			d.Decide(b.Context(), "orders.acme.submit", []byte(offer(fmt.Sprintf("o%d", n))), n)
		}
	})
}

var counter atomic.Uint64
