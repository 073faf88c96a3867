package sweep_test

import (
	"bytes"
	"net"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/dispatcher/sweep"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/queue"
)

// loser is a way to the server on which requests for events are lost without a
// word, while everything else gets through.
type loser struct {
	*natstest.Server
	left atomic.Int64 // how many are still to be lost
}

func (l *loser) InProcessConn() (net.Conn, error) {
	conn, err := l.Server.InProcessConn()
	return &losing{conn, l}, err
}

type losing struct {
	net.Conn
	*loser
}

const (
	asked = "$JS.API.CONSUMER.MSG.NEXT.EVENTS."
	// lost is a subject of the same length on which nobody answers.
	lost = "$XX.API.CONSUMER.MSG.NEXT.EVENTS."
)

func (c *losing) Write(b []byte) (int, error) {
	if c.left.Load() > 0 && bytes.Contains(b, []byte(asked)) {
		c.left.Add(-1)
		b = bytes.ReplaceAll(b, []byte(asked), []byte(lost))
	}
	return c.Conn.Write(b)
}

// The connection is alive all the time, so that no reconnect helps.
func TestRun_ARequestForEventsThatWasLostIsNoticed(t *testing.T) {
	t.Parallel()
	srv, js := setUp(t)
	_, err := js.Conn().Subscribe("$XX.>", func(*nats.Msg) {}) // or the server would say that nobody is there
	must(t, err)
	must(t, js.Conn().Flush())
	way := &loser{Server: srv}
	way.left.Store(1)
	write(t, js, "o1")
	a := launch(t, srv, "a", nil, nats.InProcessServer(way))
	until(t, "the request is lost", func() bool { return way.left.Load() == 0 })
	until(t, "o1 is driven", func() bool { return len(a.all()) > 0 })
	if n := a.nc.Stats().Reconnects; n != 0 {
		t.Errorf("%d reconnects", n)
	}
}

// Silence is not the end of the ledger: what is behind it would not be swept,
// and the index would be saved as if it knew all.
func TestFollow_SilenceIsNotTakenForTheEnd(t *testing.T) {
	t.Parallel()
	srv, js := setUp(t)
	_, err := js.Conn().Subscribe("$XX.>", func(*nats.Msg) {})
	must(t, err)
	must(t, js.Conn().Flush())
	write(t, js, "o1", "o2", "o3")
	way := &loser{Server: srv}
	nc := srv.Conn(t, nats.InProcessServer(way))
	silent, err := jetstream.New(nc)
	must(t, err)
	l, err := ledger.Open(t.Context(), nc, silent, ledger.Options{})
	must(t, err)
	t.Cleanup(l.Close)
	s := sweep.New(silent, l, queue.New(silent), nil, newWorld().options())
	way.left.Store(1)
	must(t, s.Rebuild(t.Context(), 3))
	if way.left.Load() != 0 {
		t.Error("no request was lost: the test has shown nothing")
	}
}
