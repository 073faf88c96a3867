package worker_test

import (
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// inDoubt writes an order whose first request got no answer, and has it
// worked on.
func (b *bench) inDoubt(id string) {
	b.t.Helper()
	b.accept(offer(id))
	b.follow(id, order.Change{Input: order.Claim, Intent: &order.Intent{
		Nonce: "n-" + id, Owner: "w0", Reference: messages.Reference(b.namespace, tenant, id, 1), ReferenceN: 1,
		LeaseUntil: time.Now(), Plan: []byte(`{}`),
	}})
	e, seq := b.follow(id, order.Change{
		Input: order.OwnUnknown, Nonce: "n-" + id, RetryAt: time.Now(), Error: &messages.Error{Class: "ambiguous", Code: "timeout"},
	})
	b.send(messages.Check, e, seq)
}

// Nothing is placed by a provider's last orders for today: if only place
// commands probed, an order in doubt would wait for ever behind a lane whose
// time has long been over.
func TestLane_ARepeatProbesItWhereNothingWaitsToBePlaced(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	b.setLane(laneValue{State: "closed", Until: time.Now().Add(100 * time.Millisecond)})
	lanes := b.lanes()
	b.inDoubt("o1")
	b.work(s, patiently(b.options(messages.GamesDrop, "w1")))
	if e := b.ends("o1"); e.State != messages.Succeeded || s.purchases("o1") != 1 || len(s.sent()) != 1 {
		t.Errorf("%s, bought %d by %d calls", b.path("o1"), s.purchases("o1"), len(s.sent()))
	}
	seen := b.lane(lanes, "open", func(v laneValue) bool { return v.State == "open" })
	if count(seen, "probing") != 1 {
		t.Errorf("opened without a probe: %+v", seen)
	}
}

func TestLane_OfManyOrdersInDoubtOneProbesIt(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	b.setLane(laneValue{State: "closed", Until: time.Now().Add(100 * time.Millisecond)})
	lanes := b.lanes()
	s.onLookup = func(int) (providers.Answer, error) { return providers.Answer{Status: providers.StatusSucceeded}, nil }
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{buy: true, hold: hold, entered: entered})
	for _, id := range []string{"o1", "o2", "o3", "o4", "o5", "o6"} {
		b.inDoubt(id)
	}
	for _, name := range []string{"w1", "w2"} {
		b.work(s, patiently(b.options(messages.GamesDrop, name)))
	}
	signal(t, entered)
	// A look at an order proves that the workers go on with other things.
	b.placed("other")
	b.until("a look", func(e *messages.Event) bool { return e.OrderID == "other" && e.State == messages.Succeeded })
	if sent := s.sent(); len(sent) != 1 {
		t.Errorf("%d calls while the lane is probed by one", len(sent))
	}
	close(hold)
	if seen := b.lane(lanes, "open", func(v laneValue) bool { return v.State == "open" }); count(seen, "probing") != 1 {
		t.Errorf("%+v", seen)
	}
}

// What the probe finds out about our account counts, whoever made it.
func TestLane_ARepeatThatMeetsABadAccountClosesItAgain(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	b.setLane(laneValue{State: "closed", Reason: "before", Until: time.Now().Add(100 * time.Millisecond)})
	lanes := b.lanes()
	s.next(step{err: errNoMoney})
	b.inDoubt("o1")
	b.work(s, patiently(b.options(messages.GamesDrop, "w1")))
	seen := b.lane(lanes, "closed by a lack of money", func(v laneValue) bool { return v.Reason == errNoMoney.Code })
	if count(seen, "open") != 0 {
		t.Errorf("opened by a probe that found no money: %+v", seen)
	}
	b.ends("o1")
	b.lane(lanes, "open", func(v laneValue) bool { return v.State == "open" })
	if s.purchases("o1") != 1 {
		t.Errorf("bought %d times", s.purchases("o1"))
	}
}
