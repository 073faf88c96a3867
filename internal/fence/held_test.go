package fence_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
)

// What waits in a ledger that was rolled back may have been bought by the part
// that is gone. These tests buy it there, and ask the shop's books what came of
// all that is done to the order afterwards.

const (
	price  = "560.10"
	dearer = "571"
)

// clear lets buying go on; what waits is held.
func (r *rig) clear() {
	r.t.Helper()
	if _, err := fence.Clear(r.within(), r.js, "ada", "restored from the copy of noon", true); err != nil {
		r.t.Fatal(err)
	}
}

// path lists the types of an order's events.
func (r *rig) path(id string) string {
	r.t.Helper()
	history, err := r.books.History(r.within(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	types := make([]string, len(history))
	for i, e := range history {
		types[i] = string(e.Event.Type)
	}
	return strings.Join(types, " ")
}

// follow appends what a change makes of the order's last event.
func (r *rig) follow(id string, c order.Change) (*messages.Event, uint64) {
	r.t.Helper()
	last, err := r.books.Last(r.within(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	if c.At.IsZero() {
		c.At = time.Now()
	}
	e, verdict := order.Apply(last.Event, c)
	if verdict != order.Write {
		r.t.Fatalf("%s of %s: %s", c.Input, id, verdict)
	}
	seq, err := r.books.Append(r.within(), e, last.Seq)
	if err != nil {
		r.t.Fatal(err)
	}
	return e, seq
}

func (r *rig) send(v messages.Verb, e *messages.Event, seq uint64) {
	r.t.Helper()
	if err := r.queue.Send(r.within(), e.Provider, v, messages.CommandFor(e, seq)); err != nil {
		r.t.Fatal(err)
	}
}

// operators waits until the order is an operator's, and asks the books.
func (r *rig) operators(id string, sold func() int) {
	r.t.Helper()
	r.eventually(id+" to be decided", func() bool { e := r.last(id); return e.Terminal() || e.NeedsOperator })
	if e := r.last(id); e.State != messages.Unresolved || !e.NeedsOperator {
		r.t.Errorf("%s (%s), needs_operator %v, and the shop has sold it", id, r.path(id), e.NeedsOperator)
	}
	if n := sold(); n != 1 {
		r.t.Errorf("%s (%s): the books hold %d purchases", id, r.path(id), n)
	}
}

// toppedUp is an order at the shop without a key that is bought, and accepted in
// a ledger that was rolled back.
func toppedUp(t *testing.T, o messages.Order, edits ...func(*worker.Options, *providers.Provider)) (*rig, *node) {
	t.Helper()
	r := newRig(t)
	r.submit(o)
	older := r.copied()
	w := r.fenced(messages.BalanceSteam, "w1", edits...)
	r.reach(messages.Succeeded, o)
	r.rollBack(older)
	r.tripped(fence.Older)
	return r, w
}

func TestFence_AnOrderThatExpiresWhileBuyingIsStoppedIsNotCalledExpired(t *testing.T) {
	t.Parallel()
	o, ahead := topup("x-1"), new(atomic.Int64)
	o.Raw = json.RawMessage(strings.TrimSuffix(string(o.Raw), "}") + `,"expires_at":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`)
	r, _ := toppedUp(t, o, withClock(ahead))
	ahead.Store(int64(2 * time.Hour))
	settled := func() uint64 {
		return r.consumer(messages.StreamCommands, messages.BalanceSteam.FollowConsumer()).AckFloor.Consumer
	}
	before := settled()
	r.check(o.ID) // as the timer of expires_at does
	r.eventually("the timer to be seen to", func() bool { return settled() > before })
	if e := r.last(o.ID); e.State != messages.Accepted {
		t.Errorf("%s while buying is stopped: %s", o.ID, r.path(o.ID))
	}
	r.clear()
	r.operators(o.ID, func() int { return len(r.steam.PurchasesOf(o.ID)) })
}

func (r *rig) consumer(stream, name string) *jetstream.ConsumerInfo {
	r.t.Helper()
	c, err := r.js.Consumer(r.within(), stream, name)
	if err != nil {
		r.t.Fatal(err)
	}
	return c.CachedInfo()
}

// withClock has a worker's clock run ahead.
func withClock(ahead *atomic.Int64) func(*worker.Options, *providers.Provider) {
	return func(o *worker.Options, _ *providers.Provider) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}
}

// check has a worker look at the order.
func (r *rig) check(id string) {
	r.t.Helper()
	last, err := r.books.Last(r.within(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	r.send(messages.Check, last.Event, last.Seq)
}

// dispatch runs a dispatcher with a fence.
func (r *rig) dispatch() *fence.Fence {
	r.t.Helper()
	nc := r.srv.Conn(r.t)
	js := jsOf(r.t, nc)
	l := openLedger(r.t, nc, js)
	f := fence.New(nc, js, fence.Options{Instance: "d1", Log: zerolog.Nop(), Every: 50 * time.Millisecond, Confirm: 300 * time.Millisecond, Hearing: 3 * time.Second})
	d := dispatcher.New(nc, js, f.Around(l), queue.New(js), dispatcher.Options{
		Instance: "d1", Log: zerolog.Nop(), Fence: f, Times: order.Times{PollFirst: 50 * time.Millisecond, PollMax: time.Second, BlockedMax: time.Minute},
	})
	ctx, cancel := context.WithCancel(r.t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	running.Go(func() { _ = d.Run(ctx) })
	r.t.Cleanup(func() { cancel(); running.Wait() })
	return f
}

// Neither while buying is stopped, nor afterwards as long as no worker has said
// what is to become of the order.
func TestFence_ACancelOfWhatMayHaveBeenBoughtWaitsForTheWorker(t *testing.T) {
	t.Parallel()
	o := topup("z-1")
	r, w1 := toppedUp(t, o)
	w1.stop()
	f := r.dispatch()
	if _, err := r.js.Publish(r.within(), messages.OrderSubject(tenant, messages.CancelRequest), []byte(`{"v":1,"id":"z-1"}`)); err != nil {
		t.Fatal(err)
	}
	delivered := func() uint64 { return r.consumer(messages.StreamOrders, "dispatcher").Delivered.Consumer }
	waits := func(when string) {
		t.Helper()
		seen := delivered()
		r.eventually("the request to be looked at", func() bool { return delivered() > seen })
		if e := r.last(o.ID); e.Type != messages.Accepted {
			t.Errorf("%s: %s, and the shop has sold it", when, r.path(o.ID))
		}
	}
	waits("while buying is stopped")
	r.clear()
	r.eventually("the dispatcher to know of it", func() bool { return f.Allows() == nil })
	waits("before a worker has seen the order")
	r.fenced(messages.BalanceSteam, "w2")
	r.operators(o.ID, func() int { return len(r.steam.PurchasesOf(o.ID)) })
	r.eventually("an answer to the cancel", func() bool { return strings.HasSuffix(r.path(o.ID), " cancel_refused") })
}

func TestFence_ARequestThatWasRefusedAfterTheClearingLeavesTheOrderHeld(t *testing.T) {
	t.Parallel()
	o := topup("y-1")
	r, w1 := toppedUp(t, o)
	w1.stop()
	commands, err := r.js.Stream(r.within(), messages.StreamCommands)
	if err != nil {
		t.Fatal(err)
	}
	if err := commands.Purge(r.within()); err != nil { // what comes next reads the last event
		t.Fatal(err)
	}
	r.clear()
	e, seq := r.follow(o.ID, order.Change{Input: order.ConfirmRequest, Origin: "ORDERS:7"})
	if e.Type != messages.ConfirmRefused || e.State != messages.Accepted {
		t.Fatalf("%s in %s", e.Type, e.State)
	}
	r.send(messages.Place, e, seq)
	r.fenced(messages.BalanceSteam, "w2")
	r.operators(o.ID, func() int { return len(r.steam.PurchasesOf(o.ID)) })

	// An order that came after the clearing is none of those.
	fresh := topup("y-2")
	r.accept(fresh)
	e, seq = r.follow(fresh.ID, order.Change{Input: order.ConfirmRequest, Origin: "ORDERS:8"})
	r.send(messages.Place, e, seq)
	r.reach(messages.Succeeded, fresh)
}

// clerk stands before the shop with a key: at its next request it does something
// first, once.
type clerk struct {
	providers.Provider
	first func()
	once  *sync.Once
}

func (c *clerk) Place(ctx context.Context, o providers.Order, p providers.Plan) (providers.Answer, error) {
	c.once.Do(c.first)
	return c.Provider.Place(ctx, o, p)
}

func atFirst(do func()) func(*worker.Options, *providers.Provider) {
	return func(_ *worker.Options, shop *providers.Provider) { *shop = &clerk{*shop, do, new(sync.Once)} }
}

// keyed is an order at the shop with a key that is bought, and accepted in a
// ledger that was rolled back. Price and balance are looked at before the key is.
func keyed(t *testing.T, edits ...func(*rig) func(*worker.Options, *providers.Provider)) *rig {
	t.Helper()
	r := newRig(t)
	r.drop.Close()
	r.drop = gamesdroptest.New(gamesdroptest.WithPriceCheckedFirst())
	t.Cleanup(r.drop.Close)
	r.submit(offer("k-1"))
	older := r.copied()
	var made []func(*worker.Options, *providers.Provider)
	for _, edit := range edits {
		made = append(made, edit(r))
	}
	r.fenced(messages.GamesDrop, "w1", made...)
	r.bought("k-1")
	r.rollBack(older)
	r.tripped(fence.Older, fence.Surprise)
	return r
}

// bought waits until the shop with a key has sold, and the ledger knows.
func (r *rig) bought(id string) {
	r.t.Helper()
	r.eventually(id+" to be bought", func() bool { return r.sold() == 1 && r.last(id).State != messages.Placing })
}

func (r *rig) sold() int { return len(r.drop.Purchases()) }

// A key shows only what was bought under it: the price of today may lead to
// another reference, and what is gone may have been bought under one.
func TestFence_AKeyDoesNotShowWhatWasBoughtUnderAnother(t *testing.T) {
	t.Parallel()
	pricier := func(r *rig) func(*worker.Options, *providers.Provider) {
		return atFirst(func() { r.drop.SetPrice("1001", dearer) })
	}
	t.Run("the price moves after the clearing", func(t *testing.T) {
		t.Parallel()
		var moves atomic.Bool
		r := keyed(t, func(r *rig) func(*worker.Options, *providers.Provider) {
			return func(_ *worker.Options, shop *providers.Provider) {
				*shop = &mover{Provider: *shop, moves: &moves, move: func() { r.drop.SetPrice("1001", dearer) }}
			}
		})
		moves.Store(true)
		r.clear()
		r.operators("k-1", r.sold)
	})
	t.Run("what is lost had gone on to the second", func(t *testing.T) {
		t.Parallel()
		r := keyed(t, pricier)
		r.clear()
		r.operators("k-1", r.sold)
	})
	t.Run("the shop refuses before the intent", func(t *testing.T) {
		t.Parallel()
		r := keyed(t)
		r.drop.SetPrice("1001", "2000000") // above max_cost
		r.clear()
		r.operators("k-1", r.sold)
	})
}

// mover moves the price between a quote and its request, from some time on.
type mover struct {
	providers.Provider
	moves *atomic.Bool
	move  func()
}

func (m *mover) Place(ctx context.Context, o providers.Order, p providers.Plan) (providers.Answer, error) {
	if m.moves.CompareAndSwap(true, false) {
		m.move()
	}
	return m.Provider.Place(ctx, o, p)
}

// The lost part holds the answer to the intent, a price that had moved, and the
// purchase under the second reference: to the first one the shop would sell again.
func TestFence_AnIntentOfBeforeTheClearingIsNotRepeated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	entered, hold, ahead := make(chan struct{}), make(chan struct{}), new(atomic.Int64)
	r.fenced(messages.GamesDrop, "w1", atFirst(func() { close(entered); <-hold }), withClock(ahead))
	r.submit(offer("p-1"))
	<-entered
	older := r.copied()
	r.drop.SetPrice("1001", dearer)
	close(hold)
	r.bought("p-1")
	r.rollBack(older)
	r.tripped(fence.Older, fence.Surprise)
	if e := r.last("p-1"); e.State != messages.Placing {
		t.Fatalf("rolled back to %s", e.State)
	}
	r.drop.SetPrice("1001", price)
	r.clear()
	ahead.Store(int64(time.Hour)) // the lease is over
	r.check("p-1")
	r.operators("p-1", r.sold)
}

// An operator has it placed again, and is wrong. That the shop knows it is what
// was to be feared, and no news of the ledger.
func TestFence_AShopThatKnowsWhatWasHeldAndIsPlacedAgainIsNoNewAlarm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.submit(offer("k-1"))
	older := r.copied()
	w := r.fenced(messages.GamesDrop, "w1")
	r.bought("k-1")
	r.rollBack(older)
	r.tripped(fence.Older, fence.Surprise)
	r.clear()
	r.operators("k-1", r.sold)
	e, seq := r.follow("k-1", order.Change{Input: order.DecidePlaceAgain, At: time.Now().Add(time.Hour), RetryAt: time.Now()})
	r.send(messages.Place, e, seq)
	r.eventually("the shop to be asked", func() bool { e := r.last("k-1"); return e.Attempt > 0 && e.State == messages.Unresolved })
	r.sound(w)
	if r.sold() != 1 {
		t.Errorf("%s: sold %d times", r.path("k-1"), r.sold())
	}
}

func TestHeld_ReadsNoHistoryWhereNothingWasCleared(t *testing.T) {
	t.Parallel()
	f := fence.New(nil, nil, fence.Options{})
	for _, typ := range messages.Types() {
		last := &ledger.Entry{Seq: 7, Event: &messages.Event{Type: typ, State: messages.Accepted}}
		held, err := f.Held(last, func() ([]ledger.Entry, error) { t.Errorf("%s: history was read", typ); return nil, nil })
		if held || err != nil {
			t.Errorf("%s: %t, %v", typ, held, err)
		}
	}
}
