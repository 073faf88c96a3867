package balancesteam

import (
	"context"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

var _ providers.Asker = (*Provider)(nil)

const (
	// priceLasts: the document says that the price of a card changes about every
	// ten minutes. An order asks again before it buys.
	priceLasts = time.Minute
	// anyAddress stands in a question for a price that names no address: the
	// provider wants one, and takes any. It is never part of a purchase.
	anyAddress = "price@example.com"
)

// Ask answers a question that is no part of an order.
func (p *Provider) Ask(ctx context.Context, q messages.Query) (any, error) {
	switch q := q.(type) {
	case messages.SteamBalanceQuery:
		b, err := p.client.Balance(ctx)
		if err != nil {
			return nil, err
		}
		return messages.SteamBalanceAnswer{Balance: money.New(b.Balance, money.RUB)}, nil
	case messages.CheckLoginQuery:
		c, err := p.client.CheckSteam(ctx, q.Login)
		if err != nil {
			return nil, err
		}
		return messages.CheckLoginAnswer{Status: c.Status}, nil
	case messages.GiftCardPriceQuery:
		return p.price(ctx, q)
	default:
		return nil, invalid("balancesteam.ask", "the question is for another provider")
	}
}

func (p *Provider) price(ctx context.Context, q messages.GiftCardPriceQuery) (any, error) {
	if q.ServiceID == ServiceSteam {
		return nil, invalid("balancesteam.gift_card_price", "service 5955 is the top-up, not a gift card")
	}
	address := q.Email
	if address == "" {
		address = anyAddress
	}
	price, err := p.client.CheckGiftCard(ctx, q.ServiceID, address)
	switch {
	case err == nil:
		return messages.GiftCardPriceAnswer{Price: money.New(price.Price, money.RUB)}, nil
	case providers.ClassOf(err) == providers.Rejected: // the question is whether it is to be had
		return nil, providers.NotFound(err)
	default:
		return nil, err
	}
}

// Lasts is for how long an answer may be told again.
func (p *Provider) Lasts(q messages.Query) time.Duration {
	if _, ok := q.(messages.GiftCardPriceQuery); ok {
		return priceLasts
	}
	return 0
}
