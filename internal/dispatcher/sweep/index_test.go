package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/dispatcher/sweep"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is a queue, a ledger and a clock in memory, for what needs thousands
// of orders; the real ones are behind the tests of the whole sweeper.
type world struct {
	mu      sync.Mutex
	now     time.Time
	events  map[string]*ledger.Entry
	waiting map[string]bool
	asked   map[string]int
	looks   int
	found   float64
	driven  []string
	erased  bool // the ledger knows no order
	mute    bool // the queue does not answer
	rests   []rest
}

// rest is a wait of the sweeper's.
type rest struct {
	since int // looks since the one before
	takes time.Duration
}

func (w *world) rest(_ context.Context, t time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	since := w.looks
	for _, r := range w.rests {
		since -= r.since
	}
	w.rests = append(w.rests, rest{since, t})
}

func newWorld() *world {
	return &world{now: start, events: make(map[string]*ledger.Entry), waiting: make(map[string]bool), asked: make(map[string]int)}
}

func (w *world) Last(_ context.Context, tenant, id string) (*ledger.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.events[tenant+"/"+id]
	if e == nil || w.erased {
		return nil, ledger.ErrNotFound
	}
	return e, nil
}

func (w *world) Waiting(_ context.Context, _ messages.Provider, tenant, id string, _ messages.Verb) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	w.asked[tenant+"/"+id]++
	if w.mute {
		return false, errors.New("no answer")
	}
	return w.waiting[tenant+"/"+id], nil
}

func (w *world) drive(_ context.Context, last *ledger.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.driven = append(w.driven, last.Event.Key())
	w.waiting[last.Event.Key()] = true
	return nil
}

func (w *world) options() sweep.Options {
	return sweep.Options{
		Instance: "test", Log: zerolog.Nop(), Grace: time.Minute, Every: time.Minute, LeaseFor: time.Second,
		Times:  order.Times{PollFirst: 2 * time.Second, PollMax: time.Hour, BlockedMax: time.Hour},
		Now:    func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
		Rest:   w.rest,
		Looked: func(float64) {}, Found: func(n float64) { w.found += n },
	}
}

func (w *world) sweeper() *sweep.Sweeper { return sweep.New(nil, w, w, w.drive, w.options()) }

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// add puts an accepted order into ledger, index and, if wanted, the queue.
func (w *world) add(t *testing.T, x sweep.Index, n int, waiting bool) *messages.Event {
	t.Helper()
	e := accepted(fmt.Sprintf("o%06d", n))
	seq := x.Position() + 1
	if err := x.Apply(seq, e); err != nil {
		t.Fatal(err)
	}
	w.events[e.Key()] = &ledger.Entry{Seq: seq, Event: e}
	w.waiting[e.Key()] = waiting
	return e
}

func accepted(id string) *messages.Event {
	e, _ := order.Apply(nil, order.Change{Input: order.Accept, At: start, New: &order.Submission{
		Tenant: "acme", OrderID: id, Provider: messages.GamesDrop, Kind: messages.Offer, Order: []byte(`{"v":1}`),
	}})
	return e
}

func TestIndex_OrderIsNoSuspectBeforeItsGraceIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld()
	x := sweep.NewIndex(w.options())
	w.add(t, x, 1, false)
	if got := x.Keys(start.Add(time.Minute - time.Second)); len(got) > 0 {
		t.Errorf("suspects %v too early", got)
	}
	if diff := cmp.Diff([]string{"acme/o000001"}, x.Keys(start.Add(time.Minute))); diff != "" {
		t.Errorf("suspects (-want +got):\n%s", diff)
	}
}

func TestIndex_ForgetsWhatHasEndedAndKeepsWhatIsWatched(t *testing.T) {
	t.Parallel()
	w := newWorld()
	x := sweep.NewIndex(w.options())
	for n, in := range []order.Input{order.CancelRequest, order.Refuse, order.Expire} {
		last := w.add(t, x, n, false)
		e, _ := order.Apply(last, order.Change{Input: in, At: start, Error: &messages.Error{Code: "x"}})
		if err := x.Apply(x.Position()+1, e); err != nil {
			t.Fatal(err)
		}
	}
	if x.Size() != 0 {
		t.Errorf("%d orders after all have ended", x.Size())
	}
	claimed, _ := order.Apply(w.add(t, x, 9, false), order.Change{Input: order.Claim, At: start, Intent: &order.Intent{Nonce: "n", ReferenceN: 1, LeaseUntil: start}})
	until := start.Add(24 * time.Hour)
	for _, watch := range []*time.Time{&until, nil} {
		e, _ := order.Apply(claimed, order.Change{Input: order.OwnSucceeded, Nonce: "n", At: start, WatchUntil: watch})
		if err := x.Apply(x.Position()+1, e); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 1, false: 0}[watch != nil]; x.Size() != want {
			t.Errorf("watched until %v: %d orders, want %d", watch, x.Size(), want)
		}
	}
}

func TestIndex_TakesNoEventTwiceAndSkipsUnreadableOnes(t *testing.T) {
	t.Parallel()
	w := newWorld()
	x := sweep.NewIndex(w.options())
	first := w.add(t, x, 1, false)
	canceled, _ := order.Apply(first, order.Change{Input: order.CancelRequest, At: start})
	if err := x.Apply(2, canceled); err != nil {
		t.Fatal(err)
	}
	if err := x.Apply(1, first); err != nil { // delivered again
		t.Fatal(err)
	}
	if x.Size() != 0 || x.Position() != 2 {
		t.Errorf("an old event brought the order back: %d orders at %d", x.Size(), x.Position())
	}
	if err := x.Spoil(3, messages.EventAddress{Tenant: "acme", OrderID: "o", Type: messages.Placing}); err == nil {
		t.Error("an unreadable event was not reported")
	}
	if x.Position() != 3 {
		t.Errorf("position %d after an unreadable event", x.Position())
	}
}

func TestSweep_OrderWithNothingInTheQueueIsDriven(t *testing.T) {
	t.Parallel()
	w := newWorld()
	x, s := sweep.NewIndex(w.options()), w.sweeper()
	w.add(t, x, 1, true)
	w.add(t, x, 2, false)
	w.pass(2 * time.Minute)
	s.Sweep(t.Context(), x)
	if diff := cmp.Diff([]string{"acme/o000002"}, w.driven); diff != "" {
		t.Errorf("driven (-want +got):\n%s", diff)
	}
	if w.found != 1 {
		t.Errorf("%v finds counted", w.found)
	}
	s.Sweep(t.Context(), x)
	if len(w.driven) != 1 {
		t.Errorf("driven %v: the command has had no time yet", w.driven)
	}
}

func TestSweep_WaitingOrderIsLookedAtLessAndLess(t *testing.T) {
	t.Parallel()
	w := newWorld()
	x, s := sweep.NewIndex(w.options()), w.sweeper()
	w.add(t, x, 1, true)
	const rounds = 24 * 60
	for range rounds {
		w.pass(time.Minute)
		s.Sweep(t.Context(), x)
	}
	// 1, 2, 4 … 16 minutes, and every half hour from then on.
	if got, limit := w.looks, 6+int(24*time.Hour/sweep.Farthest); got > limit || got < limit/2 {
		t.Errorf("%d looks in %d rounds, want about %d", got, rounds, limit)
	}
	w.waiting["acme/o000001"] = false
	for range 31 {
		w.pass(time.Minute)
		s.Sweep(t.Context(), x)
	}
	if len(w.driven) != 1 {
		t.Errorf("driven %v after its command was lost", w.driven)
	}
}

func TestSweep_BacklogCostsNoMoreThanItsBudget(t *testing.T) {
	t.Parallel()
	const backlog = 30_000
	w := newWorld()
	x, s := sweep.NewIndex(w.options()), w.sweeper()
	for n := range backlog {
		w.add(t, x, n, true)
	}
	w.pass(2 * time.Minute)
	for round := range 5 {
		before := w.looks
		s.Sweep(t.Context(), x)
		if got := w.looks - before; got > sweep.Budget+sweep.Chunk {
			t.Errorf("round %d: %d looks", round, got)
		}
		w.pass(time.Second)
	}
	for key, n := range w.asked {
		if n > 1 {
			t.Fatalf("%s was asked about %d times before the others had their turn", key, n)
		}
	}
}

// All at once they would be a second in which every new order waits.
func TestSweep_LooksAreSpreadOverARoundUnlessMuchIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	x, s := sweep.NewIndex(w.options()), w.sweeper()
	for n := range 2 * sweep.Budget {
		w.add(t, x, n, true)
	}
	w.pass(2 * time.Minute)
	s.Sweep(t.Context(), x)
	var sum time.Duration
	for _, r := range w.rests {
		if sum += r.takes; r.since > sweep.Portion {
			t.Fatalf("%d looks without a rest", r.since)
		}
	}
	if every := w.options().Every; w.looks != sweep.Budget || sum < every/4 || sum > every/2 {
		t.Errorf("%d looks in a round of %s with %s of rest", w.looks, every, sum)
	}
	clear(w.waiting)
	w.rests = nil
	w.pass(2 * time.Minute)
	x.Doubt(0, w.now)
	s.Sweep(t.Context(), x)
	if len(w.driven) != 2*sweep.Budget || len(w.rests) > 0 {
		t.Errorf("%d orders were driven with %d rests", len(w.driven), len(w.rests))
	}
}

func TestSweep_LostQueueIsMadeGoodInOneRound(t *testing.T) {
	t.Parallel()
	const lost = 3 * sweep.Budget
	w := newWorld()
	x, s := sweep.NewIndex(w.options()), w.sweeper()
	for n := range lost {
		w.add(t, x, n, true)
	}
	w.pass(2 * time.Minute)
	for range 4 {
		s.Sweep(t.Context(), x) // all were found waiting
	}
	clear(w.waiting)
	if x.Doubt(lost, w.now) {
		t.Error("a queue with a message for each order was doubted")
	}
	if !x.Doubt(0, w.now) {
		t.Error("an empty queue was not doubted")
	}
	s.Sweep(t.Context(), x)
	if len(w.driven) != lost {
		t.Errorf("%d of %d orders were driven", len(w.driven), lost)
	}
}

func TestSweep_OrderThatHasMovedOrEndedIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld()
	x, s := sweep.NewIndex(w.options()), w.sweeper()
	moved := w.add(t, x, 1, false)
	e, _ := order.Apply(moved, order.Change{Input: order.Claim, At: w.now, Intent: &order.Intent{Nonce: "n", ReferenceN: 1, LeaseUntil: w.now}})
	w.events[moved.Key()] = &ledger.Entry{Seq: 50, Event: e} // the index has not heard of it
	ended := w.add(t, x, 2, false)
	e, _ = order.Apply(ended, order.Change{Input: order.CancelRequest, At: w.now})
	w.events[ended.Key()].Event = e
	w.pass(2 * time.Minute)
	s.Sweep(t.Context(), x)
	if len(w.driven) != 0 {
		t.Errorf("driven %v", w.driven)
	}
	if x.Size() != 1 {
		t.Errorf("%d orders, want the one that moved", x.Size())
	}
}

func TestSweep_OneMissingAnswerProvesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	x, s := sweep.NewIndex(w.options()), w.sweeper()
	w.add(t, x, 1, false)
	w.mute = true
	w.pass(2 * time.Minute)
	s.Sweep(t.Context(), x)
	w.mute, w.erased = false, true
	for range sweep.Gone - 1 {
		w.pass(sweep.Farthest)
		s.Sweep(t.Context(), x)
	}
	w.erased = false
	w.pass(sweep.Farthest)
	s.Sweep(t.Context(), x)
	if len(w.driven) != 1 {
		t.Fatalf("driven %v: the order was forgotten because a server was closing", w.driven)
	}
	w.erased = true
	clear(w.waiting)
	for range sweep.Gone {
		w.pass(sweep.Farthest)
		s.Sweep(t.Context(), x)
	}
	if x.Size() != 0 {
		t.Error("an erased order is looked for for ever")
	}
}

// A newer dispatcher goes on from an index that an older one has saved, which
// skips what a newer program wrote: nobody would ever tell it of that event.
func TestSweep_AnOrderWhoseLastEventTheIndexSkippedIsDriven(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s, x := w.sweeper(), sweep.NewIndex(w.options())
	first := w.add(t, x, 1, false)
	later, _ := order.Apply(first, order.Change{Input: order.Postpone, At: start.Add(time.Hour), RetryAt: start.Add(2 * time.Hour)})
	a := messages.EventAddress{Provider: later.Provider, Tenant: later.Tenant, OrderID: later.OrderID, Type: later.Type}
	if err := x.Spoil(2, a); err == nil {
		t.Fatal("the event was read")
	}
	w.events[later.Key()] = &ledger.Entry{Seq: 2, Event: later}
	w.pass(time.Hour)
	s.Sweep(t.Context(), x)
	if len(w.driven) != 0 || x.Size() != 1 {
		t.Errorf("driven %v before it is due, %d orders in the index", w.driven, x.Size())
	}
	w.pass(2 * time.Hour)
	s.Sweep(t.Context(), x)
	if len(w.driven) != 1 {
		t.Errorf("driven %v: nobody drives it", w.driven)
	}
}

// What was lost with the queue at the end of a watch may be its last look. No
// event tells one that was made from one that was not, so one more is asked for.
func TestSweep_AfterTheEndOfAWatchOneLookIsAskedForAndNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s, x := w.sweeper(), sweep.NewIndex(w.options())
	until := start.Add(time.Hour)
	e := *w.add(t, x, 1, true)
	e.N, e.Type, e.State, e.WatchUntil = 2, messages.Succeeded, messages.Succeeded, &until
	if err := x.Apply(2, &e); err != nil {
		t.Fatal(err)
	}
	w.events[e.Key()] = &ledger.Entry{Seq: 2, Event: &e}
	w.pass(time.Hour + time.Minute)
	s.Sweep(t.Context(), x)
	if len(w.driven) != 0 || x.Size() != 1 {
		t.Fatalf("driven %v, %d orders: the provider has not answered yet, and the look waits in the queue", w.driven, x.Size())
	}
	for range 2 {
		clear(w.waiting)
		w.pass(sweep.Farthest)
		s.Sweep(t.Context(), x)
	}
	if len(w.driven) != 1 || x.Size() != 0 || w.found != 0 {
		t.Errorf("driven %v, %v of them found missing; %d orders", w.driven, w.found, x.Size())
	}
}

// What an operator holds and what has ended is left alone, but for deposits that
// stand at the provider: their timer may vanish as any other.
func TestIndex_DepositsThatStandAreSweptAlsoWhereTheOrderHasEndedOrIsHeld(t *testing.T) {
	t.Parallel()
	until := start.Add(order.DepositWatch)
	for name, c := range map[string]struct {
		state messages.Type
		kind  messages.Kind
		held  bool
		watch *time.Time
		size  int
	}{
		"held deposit":      {messages.Unresolved, messages.Deposit, true, nil, 1},
		"held exchange":     {messages.Unresolved, messages.Exchange, true, nil, 0},
		"canceled, watched": {messages.Canceled, messages.Deposit, false, &until, 1},
		"expired, watched":  {messages.Expired, messages.Deposit, false, &until, 1},
		"failed, watched":   {messages.Failed, messages.Deposit, false, &until, 1},
		"failed":            {messages.Failed, messages.Deposit, false, nil, 0},
		"canceled":          {messages.Canceled, messages.Deposit, false, nil, 0},
		"reversed, watched": {messages.Reversed, messages.Deposit, false, &until, 0},
	} {
		w := newWorld()
		x := sweep.NewIndex(w.options())
		e := w.add(t, x, 1, false)
		next := *e
		next.N, next.Type, next.State, next.Kind, next.NeedsOperator, next.WatchUntil = 2, c.state, c.state, c.kind, c.held, c.watch
		if err := x.Apply(x.Position()+1, &next); err != nil {
			t.Fatal(err)
		}
		if x.Size() != c.size {
			t.Errorf("%s: %d orders in the index, want %d", name, x.Size(), c.size)
		}
	}
}
