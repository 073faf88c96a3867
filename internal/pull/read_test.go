package pull_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/pull"
)

const atOnce = 4

// counted acknowledges, and reports what was delivered more than once.
func (r *rig) counted(handled chan<- string) func(jetstream.Msg) {
	return func(msg jetstream.Msg) {
		meta, err := msg.Metadata()
		if err != nil || meta.NumDelivered != 1 {
			r.t.Errorf("%s: %+v, %v: it was delivered before, and lost here", msg.Subject(), meta, err)
		}
		if err := msg.DoubleAck(r.t.Context()); err != nil {
			r.t.Errorf("%s: %v", msg.Subject(), err)
		}
		handled <- msg.Subject()
	}
}

// The ack wait of these tests does not come round: whatever the reader had and
// dropped would stay away, and be seen in the consumer as pending.
func TestRead_WhateverHappensToTheConnectionNothingIsLeftToTheAckWait(t *testing.T) {
	t.Parallel()
	const n = 300
	for name, trouble := range map[string]func(r *rig, flood func()){
		"the server restarts": func(r *rig, flood func()) {
			r.srv.Restart(r.t)
			wait(r.t, "the reader is back", r.back)
			flood()
		},
		"the connection breaks and the server keeps the requests": func(r *rig, flood func()) {
			r.must(r.nc.ForceReconnect())
			wait(r.t, "the reader is back", r.back)
			flood()
		},
		"the server restarts and the reader comes late": func(r *rig, flood func()) {
			r.door.shut.Store(true)
			r.srv.Restart(r.t)
			flood()
			r.door.shut.Store(false)
			wait(r.t, "the reader is back", r.back)
		},
	} {
		for state, busy := range map[string]bool{"with its hands full": true, "idle": false} {
			t.Run(name+", "+state, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				gate, handled := make(chan struct{}), make(chan string, 10*n)
				count := r.counted(handled)
				rd := r.read(r.nc, atOnce, func(msg jetstream.Msg) { <-gate; count(msg) })
				sent := n
				if busy {
					r.publish(n)
					sent += n
					r.await("the hands are full", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 2*atOnce })
				} else {
					r.await("the reader waits", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting > 0 })
				}
				trouble(r, func() { r.publish(n) })
				close(gate)
				for range sent {
					wait(t, "everything is handled", handled)
				}
				if i := r.info(); i.NumAckPending != 0 || i.NumRedelivered != 0 || i.NumPending != 0 {
					t.Errorf("%d pending, %d redelivered, %d left", i.NumAckPending, i.NumRedelivered, i.NumPending)
				}
				rd.stop()
				if err := wait(t, "the end", rd.err); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestRead_WhatWasNotBegunIsGivenBackAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const n = 5 * atOnce
	gate, begun := make(chan struct{}), make(chan string, n)
	first := r.read(r.nc, atOnce, func(msg jetstream.Msg) {
		begun <- msg.Subject()
		<-gate
		_ = msg.Ack()
	})
	r.publish(n)
	r.await("the hands are full", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 2*atOnce })
	for range atOnce {
		wait(t, "one is begun", begun)
	}
	first.stop()
	if err := wait(t, "the end", first.err); err != nil {
		t.Error(err)
	}
	handled := make(chan string, n)
	r.read(r.srv.Conn(t), atOnce, func(msg jetstream.Msg) { _ = msg.Ack(); handled <- msg.Subject() })
	for range n - atOnce {
		wait(t, "the rest is handled by another", handled)
	}
	if len(begun) != 0 {
		t.Errorf("%d begun after the end", len(begun))
	}
	close(gate)
	first.Wait()
	r.await("nothing is left", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 0 && i.NumPending == 0 })
}

func TestRead_AsksForNoMoreThanThereIsRoomForAndSeldom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const n = 400
	asks := r.hears("$JS.API.CONSUMER.MSG.NEXT.>")
	gate, handled := make(chan struct{}), make(chan string, n)
	count := r.counted(handled)
	r.publish(n)
	rd := r.read(r.nc, atOnce, func(msg jetstream.Msg) { <-gate; count(msg) })
	r.await("the hands are full", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 2*atOnce })
	close(gate)
	for range n {
		wait(t, "everything is handled", handled)
	}
	rd.stop()
	wait(t, "the end", rd.err)
	requests, asked := 0, 0
	r.must(r.nc.Flush())
	for {
		msg, err := asks.NextMsg(time.Second)
		if errors.Is(err, nats.ErrTimeout) {
			break
		}
		r.must(err)
		var body struct{ Batch int }
		r.must(json.Unmarshal(msg.Data, &body))
		requests++
		asked += body.Batch
		if body.Batch > 2*atOnce {
			t.Errorf("%d asked for at once", body.Batch)
		}
	}
	if most := n/(atOnce/2) + 2; requests > most || requests == 0 {
		t.Errorf("%d requests for %d messages, at most %d are needed", requests, n, most)
	}
	if asked > n+2*atOnce {
		t.Errorf("%d asked for, %d came", asked, n)
	}
}

// Upstream may write any header: with the words of the server it could end the
// reading for all, again and again, were they taken for the server's.
func TestRead_AMessageThatSpeaksLikeTheServerIsAMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, status := range []string{"100", "404", "408", "409", "503"} {
		_, err := r.js.PublishMsg(t.Context(), &nats.Msg{Subject: "s.forged", Header: nats.Header{
			"Status": {status}, "Description": {"Consumer Deleted"}, "Nats-Pending-Messages": {"1000000"},
		}})
		r.must(err)
	}
	r.publish(20)
	handled := make(chan string, 100)
	r.read(r.nc, atOnce, r.counted(handled))
	for range 25 {
		wait(t, "everything is handled", handled)
	}
}

func TestRead_AConsumerThatIsGoneIsAnErrorAndGivesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rd := r.read(r.nc, atOnce, func(jetstream.Msg) {})
	r.await("the reader waits", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting > 0 })
	r.must(r.js.DeleteConsumer(t.Context(), stream, durable))
	if err := wait(t, "the loss is told", rd.err); err == nil {
		t.Error("no error")
	}
}

func TestRead_AClosedConnectionIsAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rd := r.read(r.nc, atOnce, func(jetstream.Msg) {})
	r.await("the reader waits", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting > 0 })
	r.nc.Close()
	if err := wait(t, "the loss is told", rd.err); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("error %v", err)
	}
}

func TestRead_EndsWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rd := r.read(r.nc, atOnce, func(jetstream.Msg) {})
	r.await("the reader waits", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting > 0 })
	r.srv.Stop()
	rd.stop()
	if err := wait(t, "the end", rd.err); err != nil {
		t.Errorf("error %v", err)
	}
}

// A server that has come back may know its consumers only a while later, and
// says that nobody is there. What is in hand then cannot be given back to it.
func TestRead_AServerWithoutItsStoreIsAskedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	gate, handled := make(chan struct{}), make(chan string, 100)
	count := r.counted(handled)
	r.publish(1)
	r.read(r.nc, atOnce, func(msg jetstream.Msg) { <-gate; count(msg) })
	r.await("one is in hand", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 1 })
	asks := r.hears("$JS.API.CONSUMER.MSG.NEXT.>")
	nc := r.srv.Conn(t)
	// Said to the reader's own inbox, as the server does.
	r.must(r.nc.ForceReconnect())
	said, err := asks.NextMsg(patience)
	r.must(err)
	r.must(nc.PublishMsg(&nats.Msg{Subject: said.Reply, Header: nats.Header{"Status": {"503"}}}))
	_, err = asks.NextMsg(patience)
	r.must(err)
	r.publish(20)
	close(gate)
	for range 21 {
		wait(t, "everything is handled", handled)
	}
}

func TestRead_AServerThatKeepsRefusingIsAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rd := r.read(r.nc, atOnce, func(jetstream.Msg) {})
	asks, nc := r.hears("$JS.API.CONSUMER.MSG.NEXT.>"), r.srv.Conn(t)
	r.must(r.nc.ForceReconnect())
	said, err := asks.NextMsg(patience)
	r.must(err)
	for range 2 * pull.MostRefusals {
		r.must(nc.PublishMsg(&nats.Msg{Subject: said.Reply, Header: nats.Header{"Status": {"503"}}}))
	}
	if err := wait(t, "the refusal is told", rd.err); err == nil {
		t.Error("no error")
	}
}

func TestHand_WhatWaitsForItsTurnIsSaidToBeInHand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	acks := r.hears("$JS.ACK.>")
	gate := make(chan struct{})
	rd := r.read(r.nc, 1, func(msg jetstream.Msg) { <-gate; _ = msg.Ack() })
	go rd.Beat(t.Context(), 20*time.Millisecond)
	r.publish(2)
	marked := map[string]bool{}
	for len(marked) < 2 { // the one that is handled, and the one that waits
		msg, err := acks.NextMsg(patience)
		r.must(err)
		if string(msg.Data) == "+WPI" {
			marked[msg.Subject] = true
		}
	}
	close(gate)
	r.await("nothing is left", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 0 && i.NumPending == 0 })
}

func TestRead_ASilentServerIsAskedAnew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		asked  int
		silent time.Duration
		want   int
	}{
		{8, pull.Heartbeat, 8},
		{8, 3 * pull.Heartbeat, 0},
		{0, 3 * pull.Heartbeat, 0},
	} {
		if got := pull.AskedAfter(c.asked, c.silent); got != c.want {
			t.Errorf("%d asked for and %s of silence: %d still expected, want %d", c.asked, c.silent, got, c.want)
		}
	}
}

// Whatever holds all slots, what may pass is handled.
func TestRead_WhatMayPassGoesBeforeThoseThatHoldAllSlots(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const atOnce, before = 2, 20
	r.publish(before)
	_, err := r.js.Publish(t.Context(), "s.urgent", nil)
	r.must(err)
	leave, urgent := make(chan struct{}), make(chan string, 1)
	ctx, cancel := context.WithCancel(t.Context())
	line := pull.NewLine(new(pull.Hand), atOnce).Express(func(subject string) bool { return subject == "s.urgent" }, before)
	c, err := r.js.Consumer(t.Context(), stream, durable)
	r.must(err)
	js, err := jetstream.New(r.nc)
	r.must(err)
	ended := make(chan error, 1)
	go func() {
		ended <- line.Read(ctx, js, c, func(msg jetstream.Msg) {
			if msg.Subject() == "s.urgent" {
				urgent <- msg.Subject()
			} else {
				<-leave
			}
			_ = msg.Ack()
		})
	}()
	wait(t, "the urgent message", urgent)
	close(leave)
	cancel()
	if err := wait(t, "the end", ended); err != nil {
		t.Error(err)
	}
}
