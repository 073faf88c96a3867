package skinsbacktest

import "github.com/beltline-io/beltline/pkg/providers/providertest"

// Server is a [Shop] that listens.
type Server struct {
	*Shop
	listener *providertest.Listener
}

// New returns a server that listens on a free port of 127.0.0.1, or where
// [WithAddress] says. It panics if it cannot, as httptest does.
func New(opts ...Option) *Server {
	shop := NewShop(opts...)
	return &Server{Shop: shop, listener: providertest.Listen(shop.door, shop, shop.address)}
}

// URL is the whole address of the API.
func (s *Server) URL() string { return s.listener.URL() + Path }

// Close closes the listener and all connections, and waits for webhooks that
// are under way.
func (s *Server) Close() {
	s.listener.Close()
	s.Shop.Close()
}

// Wait waits until the server has been closed, and returns why it stopped where
// that was not on purpose.
func (s *Server) Wait() error { return s.listener.Wait() }
