package gamesdrop

import (
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/providers"
)

// Checking is the purpose in which nothing is a definite no.
const Checking = checking

// Purposes is the number of purposes.
const Purposes = checking + 1

// BareClient decodes and cannot send.
func BareClient(token string) *Client { return &Client{token: secret.New(token)} }

// Decode reads an answer.
func (c *Client) Decode(op string, p purpose, r *providerhttp.Response, into any) error {
	return c.decode(op, p, r, into)
}

// Judge is Place from the moment when the answer has arrived.
func Judge(o providers.Order, plan providers.Plan, r *providerhttp.Response) (providers.Answer, error) {
	p := &Provider{client: BareClient("")}
	g, err := goodsOf("gamesdrop.create_order", o)
	if err != nil {
		return providers.Answer{}, err
	}
	var order Order
	if err := p.client.decode("gamesdrop.create_order", creating, r, &order); err != nil {
		return providers.Answer{}, err
	}
	return p.placed(g, &order, g.gameUser, plan)
}
