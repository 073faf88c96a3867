package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

// names are the events as "order/n", in the order in which they came.
func names(events []client.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, fmt.Sprintf("%s/%d", e.OrderID, e.N))
	}
	return all
}

// write writes events of ten orders in turn, from the first number to the last.
func (r *rig) write(first, last int) (want []string) {
	r.t.Helper()
	for i := first; i <= last; i++ {
		id, n := fmt.Sprintf("o%d", i%10), uint64(i/10+1)
		r.event(id, n, messages.Processing)
		want = append(want, fmt.Sprintf("%s/%d", id, n))
	}
	return want
}

func watch(t *testing.T, c *client.Client, f client.Filter) func() (client.Event, error, bool) {
	t.Helper()
	next, stop := iter.Pull2(c.Watch(within(t), f))
	t.Cleanup(stop)
	return next
}

func TestWatch_TellsEveryEventInItsOrderAndWhatWaitsBehindIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	want := r.write(0, 29)
	r.publish("events.gamesdrop.other.o1.placing", []byte(`{"v":1}`))
	got := take(t, watch(t, r.connect(nil), client.Filter{}), 30)
	if !slices.Equal(names(got), want) || got[0].Pending != 29 || got[29].Pending != 0 || got[29].Seq != 30 {
		t.Errorf("%s; pending %d and %d, last %d", names(got), got[0].Pending, got[29].Pending, got[29].Seq)
	}
}

func TestWatch_IsNarrowedToAnOrderAndAType(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect(nil)
	r.event("a", 1, messages.Accepted)
	r.event("b", 1, messages.Accepted)
	r.event("b", 2, messages.Succeeded)
	r.event("a", 2, messages.Succeeded)
	for name, f := range map[string]struct {
		filter client.Filter
		want   []string
	}{
		"order": {client.Filter{ID: "a"}, []string{"a/1", "a/2"}},
		"type":  {client.Filter{Type: messages.Succeeded}, []string{"b/2", "a/2"}},
		"both":  {client.Filter{ID: "a", Type: messages.Succeeded}, []string{"a/2"}},
	} {
		if got := names(take(t, watch(t, c, f.filter), len(f.want))); !slices.Equal(got, f.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, f := range []client.Filter{{ID: "a.b"}, {ID: ">"}, {Type: "*"}} {
		for _, err := range c.Watch(within(t), f) {
			if err == nil {
				t.Errorf("%+v was watched", f)
			}
		}
	}
}

func TestWatch_LosesAndDoublesNothingWhileConnectionsAreCutAndTheServerRestarts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := newProxy(t, r.server.URL())
	interrupted := make(chan error, 1000)
	next := watch(t, connect(t, p.url(), nil), client.Filter{Interrupted: func(err error) {
		select {
		case interrupted <- err:
		default:
		}
	}})
	want := r.write(0, 19)
	got := take(t, next, 20)
	for round := range 6 {
		from := 20 + 30*round
		switch round % 3 {
		case 0: // in the middle of what is being delivered
			want = append(want, r.write(from, from+29)...)
			got = append(got, take(t, next, 5)...)
			p.cut()
		case 1:
			p.loseAnswer("events.gamesdrop.acme", 1)
			want = append(want, r.write(from, from+29)...)
		case 2:
			want = append(want, r.write(from, from+9)...)
			r.server.Restart(t)
			want = append(want, r.write(from+10, from+29)...)
		}
		got = append(got, take(t, next, len(want)-len(got))...)
	}
	if !slices.Equal(names(got), want) {
		t.Errorf("got  %s\nwant %s", names(got), want)
	}
	if len(interrupted) == 0 {
		t.Error("nobody was told of an interruption")
	}
}

func TestWatch_GoesOnInAnotherProcessWithoutLossOrRepeat(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var want, got []string
	place := uint64(0)
	for process := range 12 {
		want = append(want, r.write(20*process, 20*process+19)...)
		c := r.connect(nil)
		left := 7 + process%5 // it dies in the middle, with events asked for ahead
		for e, err := range c.Watch(within(t), client.Filter{After: place}) {
			if err != nil {
				t.Fatal(err)
			}
			got, place = append(got, fmt.Sprintf("%s/%d", e.OrderID, e.N)), e.Seq
			if left--; left == 0 {
				break
			}
		}
		c.Close()
	}
	got = append(got, names(take(t, watch(t, r.connect(nil), client.Filter{After: place}), len(want)-len(got)))...)
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWatch_ASlowReaderLosesNothingAndTheServerKeepsWhatItHasNotAskedFor(t *testing.T) {
	t.Parallel()
	const many = 2000
	r := newRig(t)
	next := watch(t, r.connect(nil), client.Filter{})
	want := r.write(0, 0)
	got := take(t, next, 1)
	want = append(want, r.write(1, many-1)...) // meanwhile the reader reads nothing
	stream, err := r.js.Stream(within(t), messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	var waiting uint64
	for info := range stream.ListConsumers(within(t)).Info() {
		waiting = max(waiting, info.NumPending)
	}
	if waiting < many-200 {
		t.Errorf("only %d of %d wait at the server: the rest stands in the memory of a reader that does not read", waiting, many)
	}
	if got = append(got, take(t, next, many-1)...); !slices.Equal(names(got), want) {
		t.Error("the events are not those that were written")
	}
}

func TestWatch_AnEventThatStandsTwiceIsToldOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, n := range []uint64{1, 2, 2, 1, 3} {
		r.event("a", n, messages.Processing)
		r.event("b", n, messages.Processing)
	}
	want := []string{"a/1", "b/1", "a/2", "b/2", "a/3", "b/3"}
	if got := names(take(t, watch(t, r.connect(nil), client.Filter{}), 6)); !slices.Equal(got, want) {
		t.Errorf("%s", got)
	}
}

func TestWatch_AnEventThatCannotBeReadIsAnErrorWithItsPlaceAndTheWatchGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.event("a", 1, messages.Accepted)
	r.publish("events.gamesdrop.acme.a.placing", []byte(`{"v":1,`))
	r.publish("events.gamesdrop.acme.a.placing", []byte(`{"v":2}`))
	r.event("a", 2, messages.Succeeded)
	next := watch(t, r.connect(nil), client.Filter{})
	take(t, next, 1)
	if e, err, ok := next(); !ok || !errors.Is(err, messages.ErrMalformed) || e.Seq != 2 {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err, ok := next(); !ok || !errors.Is(err, messages.ErrVersion) || e.Seq != 3 {
		t.Errorf("%+v, %v", e, err)
	}
	if got := take(t, next, 1); got[0].N != 2 {
		t.Errorf("%+v", got)
	}
	e, err := r.connect(nil).Wait(within(t), "a")
	if err != nil || e.N != 2 {
		t.Errorf("waiting: %+v, %v", e, err)
	}
}

func TestWatch_AStreamThatEndsBeforeThePlaceIsAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write(0, 2)
	c := r.connect(func(o *client.Options) { o.AnswerWithin = time.Second })
	for e, err := range c.Watch(within(t), client.Filter{After: 1000}) {
		if !errors.Is(err, client.ErrRewound) {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	// At its very end is where everybody stands who has seen everything.
	next := watch(t, c, client.Filter{After: 3})
	r.event("a", 1, messages.Accepted)
	if got := take(t, next, 1); got[0].OrderID != "a" {
		t.Errorf("%+v", got)
	}
}

func TestWatch_AConsumerThatTheServerForgotIsMadeAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	next := watch(t, r.connect(nil), client.Filter{})
	want := r.write(0, 4)
	got := take(t, next, 5)
	stream, err := r.js.Stream(within(t), messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	for name := range stream.ListConsumers(within(t)).Info() {
		if err := stream.DeleteConsumer(within(t), name.Name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			t.Fatal(err)
		}
	}
	want = append(want, r.write(5, 9)...)
	if got = append(got, take(t, next, 5)...); !slices.Equal(names(got), want) {
		t.Errorf("%s", names(got))
	}
}

func TestWatch_EndsWithItsContextAndSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	next, stop := iter.Pull2(r.connect(nil).Watch(ctx, client.Filter{}))
	defer stop()
	r.write(0, 0)
	take(t, next, 1)
	cancel()
	if _, err, ok := next(); !ok || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, _, ok := next(); ok {
		t.Error("it went on")
	}
}

func TestWatch_WhereNothingIsSetUpSaysSo(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	c := connect(t, s.URL(), func(o *client.Options) { o.AnswerWithin = 100 * time.Millisecond })
	count := 0
	for _, err := range c.Watch(within(t), client.Filter{}) {
		if count++; !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("%v", err)
		}
	}
	if count != 1 {
		t.Errorf("%d errors", count)
	}
}

func TestNow_IsThePlaceBehindEverythingSoFar(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect(nil)
	if place, err := c.Now(within(t)); err != nil || place != 0 {
		t.Errorf("of an empty stream: %d, %v", place, err)
	}
	r.write(0, 9)
	r.publish("events.gamesdrop.other.o1.placing", []byte(`{"v":1}`))
	place, err := c.Now(within(t))
	if err != nil || place < 10 {
		t.Fatalf("%d, %v", place, err)
	}
	next := watch(t, c, client.Filter{After: place})
	r.event("new", 1, messages.Accepted)
	if got := take(t, next, 1); got[0].OrderID != "new" {
		t.Errorf("%+v", got)
	}
}

func TestDeadLetters_NameTheRequestAndTheReason(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bury := func(origin string) {
		h := map[string][]string{
			messages.HeaderOrigin: {origin}, messages.HeaderReason: {"order_conflict"}, messages.HeaderError: {"because"}, messages.HeaderOrderID: {"a"},
		}
		if _, err := r.js.PublishMsg(within(t), header(messages.DeadOrders("acme"), h, "{}")); err != nil {
			t.Fatal(err)
		}
	}
	bury("ORDERS:16:orders.acme.submit")
	c := r.connect(nil)
	place, err := c.NowDead(within(t))
	if err != nil {
		t.Fatal(err)
	}
	origins := []string{"ORDERS:17:orders.acme.submit", "COMMANDS:18:commands.x", "ORDERS:x:orders.acme.submit", "", "ORDERS:19:orders.acme.cancel"}
	for _, o := range origins {
		bury(o)
	}
	want := []uint64{17, 0, 0, 0, 19}
	for d, err := range c.DeadLetters(within(t), place) {
		if err != nil {
			t.Fatal(err)
		}
		if d.Request != want[0] || d.Reason != messages.ReasonOrderConflict || d.OrderID != "a" || d.Error != "because" || string(d.Body) != "{}" {
			t.Errorf("%+v, want the request %d", d, want[0])
		}
		if want = want[1:]; len(want) == 0 {
			break
		}
	}
}

func TestWait_ReturnsTheLastEventOfAnOrderThatHasEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect(nil)
	type result struct {
		e   client.Event
		err error
	}
	done := make(chan result, 1)
	go func() {
		e, err := c.Wait(within(t), "a")
		done <- result{e, err}
	}()
	r.event("a", 1, messages.Accepted)
	r.event("b", 1, messages.Failed)
	r.event("a", 2, messages.Succeeded)
	if got := <-done; got.err != nil || got.e.N != 2 {
		t.Errorf("%+v", got)
	}
	r.event("a", 3, messages.Reversed)
	if e, err := c.Wait(within(t), "a"); err != nil || e.State != messages.Reversed {
		t.Errorf("what came later counts as well: %+v, %v", e, err)
	}
	e, err := c.WaitFor(within(t), "a", func(e client.Event) bool { return e.N > 0 })
	if err != nil || e.N != 3 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestWait_TellsAtTheEndOfItsTimeWhatIsKnown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect(nil)
	r.event("a", 1, messages.Unresolved)
	ctx, cancel := context.WithCancel(t.Context())
	seen := false
	e, err := c.WaitFor(ctx, "a", func(client.Event) bool {
		if !seen {
			cancel()
		}
		seen = true
		return false
	})
	if !errors.Is(err, context.Canceled) || e.State != messages.Unresolved {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := c.Wait(ctx, "nobody"); !errors.Is(err, context.Canceled) || e.N != 0 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := c.Wait(t.Context(), ""); err == nil {
		t.Error("waited for every order")
	}
}

// A wait may not remove its consumer, so the server has to forget it, and soon:
// a shop waits for many orders.
func TestWait_LeavesNothingBehindAtTheServer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.event("a", 1, messages.Succeeded)
	c := r.connect(nil)
	for range 20 {
		if _, err := c.Wait(within(t), "a"); err != nil {
			t.Fatal(err)
		}
	}
	s, err := r.js.Stream(within(t), messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	limit := within(t)
	for {
		info, err := s.Info(limit)
		if err != nil {
			t.Fatalf("consumers are left: %v", err)
		}
		if info.State.Consumers == 0 {
			return
		}
		<-tick.C
	}
}
