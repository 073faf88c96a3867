package exchangertest

import "github.com/beltline-io/beltline/pkg/providers/providertest"

// Server is a [Shop] that listens.
type Server struct {
	*Shop
	*providertest.Listener
}

// New returns a server that listens on a free port of 127.0.0.1, or where
// [WithAddress] says. It panics if it cannot, as httptest does.
func New(opts ...Option) *Server {
	shop := NewShop(opts...)
	return &Server{Shop: shop, Listener: providertest.Listen(shop.door, shop, shop.address)}
}

// APIURL is the address of the API, as a client is configured with it.
func (s *Server) APIURL() string { return s.URL() + Path }

// Close closes the listener, and ends the callbacks that are under way.
func (s *Server) Close() {
	s.Shop.stop()
	s.Listener.Close()
}
