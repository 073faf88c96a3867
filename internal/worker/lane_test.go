package worker_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// laneValue is the lane's key as everybody may read it.
type laneValue struct {
	V      int       `json:"v"`
	State  string    `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Until  time.Time `json:"until"`
	By     string    `json:"by,omitempty"`
	Times  int       `json:"times,omitempty"`
}

func (b *bench) kv() jetstream.KeyValue {
	b.t.Helper()
	kv, err := b.js.KeyValue(b.t.Context(), messages.Bucket)
	if err != nil {
		b.t.Fatal(err)
	}
	return kv
}

// lanes follows the lane's key.
func (b *bench) lanes() <-chan laneValue {
	b.t.Helper()
	watch, err := b.kv().Watch(b.t.Context(), messages.GamesDrop.LaneKey(), jetstream.UpdatesOnly())
	if err != nil {
		b.t.Fatal(err)
	}
	out := make(chan laneValue, 10_000)
	go func() {
		for entry := range watch.Updates() {
			var v laneValue
			if entry != nil && json.Unmarshal(entry.Value(), &v) == nil {
				out <- v
			}
		}
	}()
	return out
}

func (b *bench) lane(lanes <-chan laneValue, what string, fits func(laneValue) bool) (seen []laneValue) {
	b.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		select {
		case v := <-lanes:
			if seen = append(seen, v); fits(v) {
				return seen
			}
		case <-deadline.C:
			b.t.Fatalf("the lane never was %s: %+v", what, seen)
		}
	}
}

func count(vs []laneValue, state string) (n int) {
	for _, v := range vs {
		if v.State == state {
			n++
		}
	}
	return n
}

func (b *bench) setLane(v laneValue) {
	b.t.Helper()
	v.V = messages.Version
	text, err := json.Marshal(v)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.kv().Put(b.t.Context(), messages.GamesDrop.LaneKey(), text); err != nil {
		b.t.Fatal(err)
	}
}

func TestLane_NoMoneyClosesItForAllReplicasAndBurnsNoOrders(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.balance = 0
	const replicas, atOnce, n = 2, 4, 60
	lanes := b.lanes()
	for i := range n {
		b.submit(offer(fmt.Sprintf("o%d", i)))
	}
	for i := range replicas {
		o := b.options(messages.GamesDrop, fmt.Sprintf("w%d", i))
		o.MaxInFlight = atOnce
		b.work(s, o)
	}
	seen := b.lane(lanes, "closed for the fourth time", func(v laneValue) bool { return v.Times >= 3 })
	if got, most := len(s.sent()), replicas*atOnce+count(seen, "probing"); got > most {
		t.Errorf("%d calls for %d in flight and %d probes: orders are burnt one by one", got, replicas*atOnce, count(seen, "probing"))
	}
	s.refill()
	for i := range n {
		if e := b.ends(fmt.Sprintf("o%d", i)); e.State != messages.Succeeded || s.purchases(e.OrderID) != 1 {
			t.Errorf("%s: %s, bought %d", e.OrderID, b.path(e.OrderID), s.purchases(e.OrderID))
		}
	}
	b.lane(lanes, "open", func(v laneValue) bool { return v.State == "open" })
}

// placed writes an order that the provider has, and has it looked at.
func (b *bench) placed(id string) {
	b.t.Helper()
	b.accept(offer(id))
	b.follow(id, order.Change{Input: order.Claim, Intent: &order.Intent{
		Nonce: "n-" + id, Owner: "w0", Reference: messages.Reference(b.namespace, tenant, id, 1), ReferenceN: 1,
		LeaseUntil: time.Now().Add(time.Minute), Plan: []byte(`{}`),
	}})
	e, seq := b.follow(id, order.Change{Input: order.OwnProcessing, Nonce: "n-" + id})
	b.send(messages.Check, e, seq)
}

// What fired by the server's clock is due, though ours may be behind: nothing
// else would end the order.
func TestLane_AnOrderExpiresThoughOurClockIsBehind(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	b.setLane(laneValue{State: "closed"})
	o := b.options(messages.GamesDrop, "w1")
	o.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	b.work(s, o)
	b.submitUntil("o1", time.Now().Add(300*time.Millisecond))
	if e := b.ends("o1"); e.State != messages.Expired {
		t.Errorf("%s", b.path("o1"))
	}
}

func TestLane_TooManyRequestsClosesItForAsLongAsTheProviderSays(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	const pause = 700 * time.Millisecond
	lanes := b.lanes()
	s.next(step{err: &providers.Error{Op: "shop.create", Class: providers.Retryable, Code: "-7", RetryAfter: pause}})
	b.submit(offer("o1"))
	b.work(s, b.options(messages.GamesDrop, "w1"))
	begun := time.Now()
	seen := b.lane(lanes, "closed", func(v laneValue) bool { return v.State == "closed" })
	if v := seen[len(seen)-1]; v.Reason != "-7" || v.Until.Before(begun.Add(pause)) {
		t.Errorf("%+v", v)
	}
	e := b.becomes("o1", messages.Retrying)
	if e.Error.Class != "retryable" || e.Error.Code != "-7" || !e.Error.Retryable || e.RetryAt.Before(begun.Add(pause)) {
		t.Errorf("%+v retry_at %v", e.Error, e.RetryAt)
	}
	b.submit(offer("o2"))
	for _, id := range []string{"o1", "o2"} {
		b.ends(id)
		if e := b.until(id+" placed after the pause", func(e *messages.Event) bool {
			return e.OrderID == id && e.Type == messages.Placing && (id == "o2" || e.Attempt == 2)
		}); e.Time.Before(begun.Add(pause)) {
			t.Errorf("%s was placed %s too early", id, begun.Add(pause).Sub(e.Time))
		}
	}
}

func TestLane_AnOrderEndsInTimeThoughItStaysClosed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		expires, blockedMax time.Duration
		state               messages.Type
	}{
		"blocked for too long": {time.Hour, 700 * time.Millisecond, messages.Failed},
		"expired before that":  {700 * time.Millisecond, 5 * time.Minute, messages.Expired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			s.balance = 0
			lanes := b.lanes()
			id := offer("o1").ID
			b.submitUntil(id, time.Now().Add(want.expires))
			opts := b.options(messages.GamesDrop, "w1")
			opts.Times.BlockedMax = want.blockedMax
			b.work(s, opts)
			b.becomes(id, messages.Retrying)
			b.setLane(laneValue{State: "closed", Until: time.Now().Add(time.Hour)}) // no probe will tell
			e := b.ends(id)
			if e.State != want.state || e.Error == nil || e.Error.Class != "blocked" || e.Error.Code != "INSUFFICIENT_BALANCE" {
				t.Errorf("%s: %s %+v", b.path(id), e.State, e.Error)
			}
			for len(lanes) > 0 {
				if v := <-lanes; v.State == "open" {
					t.Error("the lane has opened")
				}
			}
		})
	}
}

// submitUntil submits an order with expires_at, as the dispatcher does.
func (b *bench) submitUntil(id string, at time.Time) {
	b.t.Helper()
	o := offer(id)
	o.Raw = json.RawMessage(string(o.Raw[:len(o.Raw)-1]) + `,"expires_at":"` + at.UTC().Format(time.RFC3339Nano) + `"}`)
	e, seq := b.accept(o)
	b.send(messages.Place, e, seq)
	if err := b.queue.ScheduleExpiry(b.t.Context(), e.Provider, messages.CommandFor(e, seq), at); err != nil {
		b.t.Fatal(err)
	}
}

func TestLane_AnOrderNeverTriedExpiresBehindAClosedLane(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	b.setLane(laneValue{State: "closed"}) // by an operator, until further notice
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submitUntil("o1", time.Now().Add(300*time.Millisecond))
	if e := b.ends("o1"); e.State != messages.Expired || len(s.sent()) != 0 {
		t.Errorf("%s, %d calls", b.path("o1"), len(s.sent()))
	}
	b.submit(offer("o2"))
	b.setLane(laneValue{State: "open"})
	if e := b.ends("o2"); e.State != messages.Succeeded {
		t.Errorf("%s", b.path("o2"))
	}
}

func TestLane_ChecksGoOnWhileItIsClosed(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	b.setLane(laneValue{State: "closed", Until: time.Now().Add(time.Hour)})
	s.onLookup = func(n int) (providers.Answer, error) {
		if n < 3 {
			return providers.Answer{Status: providers.StatusProcessing}, nil
		}
		return providers.Answer{Status: providers.StatusSucceeded}, nil
	}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.placed("o1")
	b.ends("o1")
}

// An order whose command was taken before the lane closed waits for its permit
// until after: it is not sent any more.
func TestLane_AnOrderThatWaitedForItsPermitWhileItClosedIsNotSent(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	lanes := b.lanes()
	acks, err := b.nc.SubscribeSync("$JS.ACK.>")
	if err != nil {
		t.Fatal(err)
	}
	waiting, closed := make(chan struct{}), make(chan struct{})
	fresh := func() ratelimit.Permit { return ratelimit.Permit{Granted: time.Now(), MaxAge: time.Minute} }
	l := &permits{first: []func() ratelimit.Permit{
		func() ratelimit.Permit { <-waiting; return fresh() },
		func() ratelimit.Permit { close(waiting); <-closed; return fresh() },
	}}
	s.next(step{err: &providers.Error{Op: "shop.create", Class: providers.Retryable, Code: "429", RetryAfter: time.Hour}})
	b.submit(offer("o1"))
	b.submit(offer("o2"))
	o := patiently(b.options(messages.GamesDrop, "w1"))
	// The key says so before the worker has heard that its write was stored: until
	// then the other order may still be sent.
	known := make(chan struct{})
	tell := sync.OnceFunc(func() { close(known) })
	o.Log = o.Log.Hook(zerolog.HookFunc(func(_ *zerolog.Event, _ zerolog.Level, text string) {
		if strings.HasPrefix(text, "lane closed") {
			tell()
		}
	}))
	b.workWith(s, o, l)
	b.lane(lanes, "closed", func(v laneValue) bool { return v.State == "closed" })
	b.until("put off", func(e *messages.Event) bool { return e.State == messages.Retrying })
	signal(t, known)
	close(closed)
	for {
		msg, err := acks.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(msg.Data), "-NAK") {
			break // the other was given back
		}
	}
	if len(s.sent()) != 1 {
		t.Errorf("%d calls", len(s.sent()))
	}
}
