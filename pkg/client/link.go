package client

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go"
)

// errLost: the connection broke while something was under way on it.
var errLost = errors.New("the connection to NATS was lost")

// link knows when the connection is there. An answer that has not come when the
// connection breaks never comes: without that, everybody who waits for one
// would wait to the end of their time.
type link struct {
	nc     *nats.Conn
	status chan nats.Status

	mu    sync.Mutex
	life  context.Context //nolint:containedctx // that of one connection: it ends when the connection is lost
	end   context.CancelCauseFunc
	again chan struct{} // closed when the connection is there again
	done  bool          // the client is closed, though the connection may not be
}

func newLink(nc *nats.Conn) *link {
	l := &link{
		nc: nc, again: make(chan struct{}),
		status: nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED),
	}
	l.life, l.end = context.WithCancelCause(context.Background())
	go l.run()
	return l
}

func (l *link) run() {
	for s := range l.status {
		l.mu.Lock()
		if s != nats.CONNECTED { // what has begun since then is on the new connection
			l.end(errLost)
			l.life, l.end = context.WithCancelCause(context.Background())
		}
		if s == nats.CONNECTED || s == nats.CLOSED {
			close(l.again)
			l.again = make(chan struct{})
		}
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	l.end(nats.ErrConnectionClosed)
	close(l.again)
}

func (l *link) close() { l.nc.RemoveStatusListener(l.status) }

// here is a context that ends when the present connection is lost.
func (l *link) here() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.life
}

// wait returns when there is a connection.
func (l *link) wait(ctx context.Context) error {
	for {
		l.mu.Lock()
		again, done := l.again, l.done
		l.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case done, l.nc.IsClosed():
			return nats.ErrConnectionClosed
		case l.nc.IsConnected():
			return nil
		}
		select {
		case <-again:
		case <-ctx.Done():
		}
	}
}
