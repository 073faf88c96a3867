package sweep_test

import (
	"bytes"
	"net"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/natstest"
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
