package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

func TestLane_OnlyOneReplicaProbes(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop() // the probe must not be taken for dead
	b.setLane(laneValue{State: "closed", Until: time.Now().Add(100 * time.Millisecond)})
	lanes := b.lanes()
	s.onLookup = func(int) (providers.Answer, error) { return providers.Answer{Status: providers.StatusSucceeded}, nil }
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{buy: true, hold: hold, entered: entered})
	for i := range 20 {
		b.submit(offer(fmt.Sprintf("o%d", i)))
	}
	for i := range 3 {
		b.work(s, patiently(b.options(messages.GamesDrop, fmt.Sprintf("w%d", i))))
	}
	signal(t, entered)
	// A look at an order proves that the workers go on with other things.
	b.placed("other")
	b.until("a look", func(e *messages.Event) bool { return e.OrderID == "other" && e.State == messages.Succeeded })
	if sent := s.sent(); len(sent) != 1 {
		t.Errorf("%d calls while the lane is probed by one", len(sent))
	}
	close(hold)
	seen := b.lane(lanes, "open", func(v laneValue) bool { return v.State == "open" })
	if got := count(seen, "probing"); got != 1 {
		t.Errorf("%d probes", got)
	}
	for i := range 20 {
		b.ends(fmt.Sprintf("o%d", i))
	}
}

func TestLane_AProberThatDiesIsFollowedByTheNextWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	until := time.Now().Add(600 * time.Millisecond)
	b.setLane(laneValue{State: "probing", Until: until, By: "dead"})
	b.submit(offer("o1"))
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.ends("o1")
	if e := b.becomes("o1", messages.Placing); e.Time.Before(until.Truncate(time.Microsecond)) {
		t.Errorf("placed %s before the prober's time was over", until.Sub(e.Time))
	}
}

func TestLane_AProbeWalksPastTheLeftoversOfEndedOrders(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop() // a probe that takes its time on a slow machine is still one
	b.setLane(laneValue{State: "closed", Until: time.Now().Add(50 * time.Millisecond)})
	lanes := b.lanes()
	for i := range 40 {
		id := fmt.Sprintf("gone%d", i)
		e, seq := b.accept(offer(id))
		b.follow(id, order.Change{Input: order.CancelRequest, Origin: "ORDERS:1"})
		b.send(messages.Place, e, seq)
	}
	s.next(step{err: errNo}) // refused, which says nothing of our account
	b.submit(offer("refused"))
	b.submit(offer("o1"))
	o := patiently(b.options(messages.GamesDrop, "w1"))
	o.Times.PollFirst = time.Second // so long it waits for the next command
	b.work(s, o)
	b.ends("o1")
	seen := b.lane(lanes, "open", func(v laneValue) bool { return v.State == "open" })
	if got := count(seen, "probing"); got != 1 {
		t.Errorf("%d probes for one order that tells: %+v", got, seen)
	}
}

// A refusal of one order may come before the balance is looked at: it says
// nothing of our account, and opening would send a burst into the same wall.
func TestLane_ARefusedOrderDoesNotOpenIt(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	b.setLane(laneValue{State: "closed", Until: time.Now().Add(50 * time.Millisecond)})
	lanes := b.lanes()
	s.next(step{err: errNo}, step{err: errNoMoney})
	for i := range 5 {
		b.submit(offer(fmt.Sprintf("o%d", i)))
	}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	seen := b.lane(lanes, "closed by a lack of money", func(v laneValue) bool { return v.Reason == errNoMoney.Code })
	if count(seen, "open") != 0 || len(s.sent()) != 2 {
		t.Errorf("%+v, %d calls", seen, len(s.sent()))
	}
	b.lane(lanes, "open", func(v laneValue) bool { return v.State == "open" })
}

// Without its key the lane is open, and a replica that knows better from an
// older revision must not be caught in it.
func TestLane_AKeyThatVanishedIsNoTrap(t *testing.T) {
	t.Parallel()
	vanish := map[string]func(*bench) error{
		"deleted": func(b *bench) error { return b.kv().Delete(b.t.Context(), messages.GamesDrop.LaneKey()) },
		"purged from its stream": func(b *bench) error {
			stream, err := b.js.Stream(b.t.Context(), "KV_"+messages.Bucket)
			if err != nil {
				return err
			}
			return stream.Purge(b.t.Context(), jetstream.WithPurgeSubject("$KV."+messages.Bucket+"."+messages.GamesDrop.LaneKey()))
		},
		"gone with its bucket": func(b *bench) error {
			err := b.js.DeleteKeyValue(b.t.Context(), messages.Bucket)
			_, again := b.js.CreateKeyValue(b.t.Context(), topology.Default().Bucket())
			return errors.Join(err, again)
		},
	}
	for name, gone := range vanish {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			for range 5 { // revisions that a new bucket has not reached
				b.setLane(laneValue{State: "open"})
			}
			b.setLane(laneValue{State: "closed", Until: time.Now().Add(400 * time.Millisecond)})
			s.onLookup = func(int) (providers.Answer, error) { return providers.Answer{Status: providers.StatusSucceeded}, nil }
			b.work(s, b.options(messages.GamesDrop, "w1"))
			b.placed("ready")
			b.becomes("ready", messages.Succeeded) // the worker has read the lane
			if err := gone(b); err != nil {
				t.Fatal(err)
			}
			b.submit(offer("o1"))
			if e := b.ends("o1"); e.State != messages.Succeeded {
				t.Errorf("%s", b.path("o1"))
			}
			b.laneBecomes("open", func(v laneValue) bool { return v.State == "open" })
			s.next(step{err: errNoMoney})
			b.submit(offer("o2"))
			b.laneBecomes("closed", func(v laneValue) bool { return v.Reason == errNoMoney.Code })
			b.ends("o2")
		})
	}
}

// laneBecomes waits until the key, or its absence, says what fits.
func (b *bench) laneBecomes(what string, fits func(laneValue) bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	for {
		v := laneValue{State: "open"}
		entry, err := b.kv().Get(ctx, messages.GamesDrop.LaneKey())
		if ctx.Err() != nil {
			b.t.Fatalf("the lane did not become %s: %v", what, err)
		}
		if err == nil {
			err = json.Unmarshal(entry.Value(), &v)
		}
		if (err == nil || errors.Is(err, jetstream.ErrKeyNotFound)) && fits(v) {
			return
		}
	}
}

// A lane that an operator pauses stays closed for the order of a probe as well,
// up to its intent.
func TestLane_PausedWhileItIsProbedNothingIsSent(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	lanes := b.lanes()
	acks, err := b.nc.SubscribeSync("$JS.ACK.>")
	if err != nil {
		t.Fatal(err)
	}
	waiting, paused := make(chan struct{}), make(chan struct{})
	l := &permits{first: []func() ratelimit.Permit{func() ratelimit.Permit {
		close(waiting)
		<-paused
		return ratelimit.Permit{Granted: time.Now(), MaxAge: time.Minute}
	}}}
	b.setLane(laneValue{State: "closed", Until: time.Now()})
	b.submit(offer("o1"))
	o := patiently(b.options(messages.GamesDrop, "w1"))
	known := make(chan struct{})
	tell := sync.OnceFunc(func() { close(known) })
	o.Log = zerolog.New(logLines(func(line string) {
		if strings.Contains(line, `"lane":"closed"`) && strings.Contains(line, `"reason":"paused"`) {
			tell()
		}
	}))
	b.workWith(s, o, l)
	signal(t, waiting)
	if _, changed, err := lane.Pause(t.Context(), b.kv(), messages.GamesDrop, "ann", "", time.Now()); err != nil || !changed {
		t.Fatalf("the lane was not paused: %v", err)
	}
	signal(t, known)
	close(paused)
	for given := false; !given; {
		msg, err := acks.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		given = strings.HasPrefix(string(msg.Data), "-NAK")
	}
	if len(s.sent()) != 0 {
		t.Errorf("%d calls after the pause", len(s.sent()))
	}
	if _, _, err := lane.Resume(t.Context(), b.kv(), messages.GamesDrop, "ann", time.Now()); err != nil {
		t.Fatal(err)
	}
	b.lane(lanes, "open", func(v laneValue) bool { return v.State == "open" })
	b.ends("o1")
	if len(s.sent()) != 1 {
		t.Errorf("%d calls after it was resumed", len(s.sent()))
	}
}

// logLines hears each line of a log.
type logLines func(string)

func (l logLines) Write(line []byte) (int, error) { l(string(line)); return len(line), nil }
