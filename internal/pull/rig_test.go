package pull_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/pull"
)

const (
	patience = 60 * time.Second // for what must happen; never a wait of fixed length
	stream   = "S"
	durable  = "c"
	// never is an ack wait that does not come round in a test.
	never = time.Hour
)

// rig is a work queue with one consumer, and a reader's own connection to it.
type rig struct {
	t    *testing.T
	srv  *natstest.Server
	js   jetstream.JetStream // of the test
	door *door
	nc   *nats.Conn // of the reader
	back chan struct{}
}

// door is the reader's way to the server, which a test may shut.
type door struct {
	*natstest.Server
	shut atomic.Bool
}

func (d *door) InProcessConn() (net.Conn, error) {
	if d.shut.Load() {
		return nil, natstest.ErrStopped
	}
	return d.Server.InProcessConn()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	srv := natstest.Start(t)
	r := &rig{t: t, srv: srv, js: srv.JS(t), door: &door{Server: srv}, back: make(chan struct{}, 100)}
	r.nc = srv.Conn(t, nats.InProcessServer(r.door), nats.ReconnectHandler(func(*nats.Conn) { r.back <- struct{}{} }))
	_, err := r.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: stream, Subjects: []string{"s.>"}, Retention: jetstream.WorkQueuePolicy,
	})
	r.must(err)
	_, err = r.js.CreateConsumer(t.Context(), stream, jetstream.ConsumerConfig{
		Durable: durable, AckPolicy: jetstream.AckExplicitPolicy, AckWait: never, MaxAckPending: 10_000,
	})
	r.must(err)
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// publish stores n messages. A server that has just come back is waited for.
func (r *rig) publish(n int) {
	r.t.Helper()
	r.await("the server is there", func(*jetstream.ConsumerInfo) bool { return true })
	for i := range n {
		_, err := r.js.Publish(r.t.Context(), fmt.Sprintf("s.%d", i), []byte("x"))
		r.must(err)
	}
}

func (r *rig) info() *jetstream.ConsumerInfo {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for {
		once, end := context.WithTimeout(ctx, time.Second)
		c, err := r.js.Consumer(once, stream, durable)
		end()
		if err == nil {
			return c.CachedInfo()
		}
		if ctx.Err() != nil {
			r.t.Fatal(err)
		}
	}
}

// await waits until the consumer is as the test wants it.
func (r *rig) await(what string, fits func(*jetstream.ConsumerInfo) bool) {
	r.t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for {
		info := r.info()
		if fits(info) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("never: %s; ack pending %d, redelivered %d, pending %d, waiting %d",
				what, info.NumAckPending, info.NumRedelivered, info.NumPending, info.NumWaiting)
		}
	}
}

// wait is one signal, in time.
func wait[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("never: %s", what)
		panic("unreachable")
	}
}

// reading is a line that is read until stop is called or the test ends.
type reading struct {
	*pull.Hand
	stop func()
	err  chan error
}

// read hands the consumer's messages to handle.
func (r *rig) read(nc *nats.Conn, atOnce int, handle func(jetstream.Msg)) *reading {
	r.t.Helper()
	js, err := jetstream.New(nc)
	r.must(err)
	c, err := js.Consumer(r.t.Context(), stream, durable)
	r.must(err)
	ctx, cancel := context.WithCancel(r.t.Context())
	rd := &reading{Hand: &pull.Hand{}, stop: cancel, err: make(chan error, 1)}
	line := pull.NewLine(rd.Hand, atOnce)
	go func() { rd.err <- line.Read(ctx, js, c, handle) }()
	r.t.Cleanup(cancel)
	return rd
}

// hears subscribes to what clients send to the server.
func (r *rig) hears(subject string) *nats.Subscription {
	r.t.Helper()
	nc := r.srv.Conn(r.t)
	sub, err := nc.SubscribeSync(subject)
	r.must(err)
	r.must(nc.Flush())
	return sub
}
