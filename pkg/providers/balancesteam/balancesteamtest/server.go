package balancesteamtest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server is a [Shop] that listens.
type Server struct {
	*Shop
	listener net.Listener
	http     *http.Server
	done     chan error
}

// New returns a server that listens on a free port of 127.0.0.1, or where
// [WithAddress] says. It panics if it cannot, as httptest does.
func New(opts ...Option) *Server {
	shop := NewShop(opts...)
	listener, err := net.Listen("tcp", shop.address)
	if err != nil {
		panic(fmt.Sprintf("balancesteamtest: %v", err))
	}
	s := &Server{
		Shop: shop, listener: listener, done: make(chan error, 1),
		http: &http.Server{Handler: shop, ReadHeaderTimeout: 5 * time.Second},
	}
	go func() { s.done <- s.http.Serve(listener) }()
	return s
}

// URL is the base URL of all endpoints.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close closes the listener and all connections at once.
func (s *Server) Close() {
	s.door.Close()
	_ = s.http.Close()
	s.done <- <-s.done
}

// Wait waits until the server has been closed, and returns why it stopped
// where that was not on purpose: for a process that is nothing but the shop.
func (s *Server) Wait() error {
	err := <-s.done
	s.done <- err
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
