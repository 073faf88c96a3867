package webhook

import (
	"net"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// limited is a listener with at most cap(slots) connections open. Others wait
// in the kernel's queue for their turn instead of being refused: a slot is free
// again within seconds, and a provider may call only once.
type limited struct {
	net.Listener
	slots chan struct{}
	open  prometheus.Gauge

	closing sync.Once
	closed  chan struct{}
}

func limit(l net.Listener, most int, open prometheus.Gauge) *limited {
	return &limited{Listener: l, slots: make(chan struct{}, most), open: open, closed: make(chan struct{})}
}

// Accept waits for a slot and then for a connection.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	l.open.Inc()
	return &counted{Conn: conn, release: sync.OnceFunc(func() {
		l.open.Dec()
		<-l.slots
	})}, nil
}

// Close ends Accept also while it waits for a slot.
func (l *limited) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// counted gives its slot back once, however often it is closed.
type counted struct {
	net.Conn
	release func()
}

// Close closes the connection and frees its slot.
func (c *counted) Close() error {
	defer c.release()
	return c.Conn.Close()
}
