package gamesdroptest

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

// TelegramURL is the whole address of the validation of Telegram users.
func (s *Server) TelegramURL() string { return s.URL() + TelegramPath }
