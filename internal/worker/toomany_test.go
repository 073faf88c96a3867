package worker_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// A provider that says "too many" and not for how long has counted one window.
func TestLane_TooManyWithoutAWordOnHowLongClosesItForOneWindow(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	lanes := b.lanes()
	s.next(step{err: &providers.Error{Op: "shop.create", Class: providers.Retryable, Code: "http_429", HTTPStatus: http.StatusTooManyRequests}})
	b.submit(offer("o1"))
	o := b.options(messages.GamesDrop, "w1")
	o.Window = 600 * time.Millisecond
	b.work(s, o)
	begun := time.Now()
	seen := b.lane(lanes, "closed", func(v laneValue) bool { return v.State == "closed" })
	if v := seen[len(seen)-1]; v.Reason != "http_429" || v.Until.Before(begun.Add(o.Window)) {
		t.Errorf("%+v", v)
	}
	b.ends("o1")
	if e := b.until("placed again", func(e *messages.Event) bool { return e.Type == messages.Placing && e.Attempt == 2 }); e.Time.Before(begun.Add(o.Window)) {
		t.Errorf("placed again %s too early", begun.Add(o.Window).Sub(e.Time))
	}
}

// Two orders are refused at once: the second answer, which says how long, comes
// when the lane is closed already.
func TestLane_ALongerWordOnHowLongCountsWhileItIsClosed(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	const longer = 1500 * time.Millisecond
	lanes := b.lanes()
	for _, after := range []time.Duration{0, longer} {
		s.next(step{err: &providers.Error{Op: "shop.create", Class: providers.Retryable, Code: fmt.Sprint("429 after ", after), HTTPStatus: http.StatusTooManyRequests, RetryAfter: after}})
	}
	o := b.options(messages.GamesDrop, "w1")
	o.Window = 600 * time.Millisecond
	b.submit(offer("o1"))
	b.submit(offer("o2"))
	begun := time.Now()
	b.work(s, o)
	b.lane(lanes, "closed for the longer time", func(v laneValue) bool {
		return v.State == "closed" && !v.Until.Before(begun.Add(longer))
	})
	b.ends("o1")
	b.ends("o2")
}

// Nobody orders any more, so nobody probes: what had to rest has rested.
func TestLane_TooManyEndsByItselfWhereNothingWaits(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	now := time.Now()
	lanes := b.lanes()
	_, _, err := lane.Shut(t.Context(), b.kv(), messages.GamesDrop, lane.State{Reason: "http_429", Until: now.Add(300 * time.Millisecond), Busy: true}, now)
	if err != nil {
		t.Fatal(err)
	}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.lane(lanes, "opened", func(v laneValue) bool { return v.State == "open" })
	if early := time.Until(now.Add(300 * time.Millisecond)); early > 0 {
		t.Errorf("opened %s too early", early)
	}
}
