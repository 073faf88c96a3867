package providertest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Listener serves a fake over loopback HTTP. Fakes embed it in their Server.
type Listener struct {
	door     *Door
	listener net.Listener
	http     *http.Server
	done     chan error
}

// Listen serves the shop behind door on address, "127.0.0.1:0" for a free
// port. It panics if it cannot, as httptest does.
func Listen(door *Door, shop http.Handler, address string) *Listener {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		panic(fmt.Sprintf("providertest: %v", err))
	}
	l := &Listener{
		door: door, listener: listener, done: make(chan error, 1),
		http: &http.Server{Handler: shop, ReadHeaderTimeout: 5 * time.Second},
	}
	go func() { l.done <- l.http.Serve(listener) }()
	return l
}

// URL is the base URL of the fake.
func (l *Listener) URL() string { return "http://" + l.listener.Addr().String() }

// Close closes the listener and all connections at once.
func (l *Listener) Close() {
	l.door.Close()
	_ = l.http.Close()
	l.done <- <-l.done
}

// Wait waits until the fake has been closed, and returns why it stopped where
// that was not on purpose: for a process that is nothing but the fake.
func (l *Listener) Wait() error {
	err := <-l.done
	l.done <- err
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
