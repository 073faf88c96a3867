package ratelimit_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/natstest"
)

// wires are the connections between clients and a server. They can be cut while
// questions and answers are on them.
type wires struct {
	listener net.Listener
	server   string

	mu   sync.Mutex
	open map[net.Conn]bool
}

func openWires(t *testing.T, url string) *wires {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wires{listener: l, server: strings.TrimPrefix(url, "nats://"), open: map[net.Conn]bool{}}
	var busy sync.WaitGroup
	busy.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			busy.Go(func() { w.join(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.cut()
		busy.Wait()
	})
	return w
}

// join carries both ways until one end closes or the wire is cut.
func (w *wires) join(client net.Conn) {
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		_ = client.Close()
		return
	}
	w.mu.Lock()
	w.open[client], w.open[server] = true, true
	w.mu.Unlock()
	done := make(chan struct{}, 2)
	carry := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		done <- struct{}{}
	}
	go carry(client, server)
	go carry(server, client)
	<-done
	w.mu.Lock()
	delete(w.open, client)
	delete(w.open, server)
	w.mu.Unlock()
	_, _ = client.Close(), server.Close()
	<-done
}

// cut closes all connections at once.
func (w *wires) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		_ = c.Close()
	}
}

func (w *wires) conn(t *testing.T) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("nats://"+w.listener.Addr().String(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond),
		nats.Timeout(natstest.Patience), nats.IgnoreDiscoveredServers(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}
