package skinsback

import (
	"context"
	"errors"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

var _ providers.Asker = (*Provider)(nil)

// Ask answers a question that is no part of an order.
func (p *Provider) Ask(ctx context.Context, q messages.Query) (any, error) {
	const op = "skinsback.order_status"
	asked, ok := q.(messages.DepositStatusQuery)
	if !ok {
		return nil, invalid("skinsback.ask", "the question is for another provider")
	}
	d, err := p.client.OrderStatus(ctx, OrderStatusRequest{OrderID: asked.OrderID, TransactionID: asked.TransactionID})
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, providers.NotFound(err)
	case err != nil:
		return nil, err
	case asked.OrderID != "" && string(d.OrderID) != asked.OrderID, asked.TransactionID != "" && string(d.TransactionID) != asked.TransactionID:
		return nil, mismatch(op, "the answer is about another deposit")
	}
	return p.told(d), nil
}

// told is a deposit in the words of the wire.
func (p *Provider) told(d *Deposit) messages.DepositStatusAnswer {
	text := func(t Text) *string {
		if t == "" {
			return nil
		}
		s := p.client.clean(string(t))
		return &s
	}
	return messages.DepositStatusAnswer{
		Status: p.client.clean(string(d.Status)), TransactionID: p.client.clean(string(d.TransactionID)), OrderID: p.client.clean(string(d.OrderID)),
		SteamID: p.client.clean(string(d.SteamID)), Date: d.Date.orNull(),
		Amount: d.Amount.in(d.AmountCurrency), UserAmount: d.UserAmount.in(d.AmountCurrency),
		AmountInCurrencies: d.AmountInCurrencies.byCode(), UserAmountInCurrencies: d.UserAmountInCurrencies.byCode(),
		OfferDate: d.OfferDate.orNull(), InHoldUntil: d.InHoldUntil.orNull(), TradeOfferID: text(d.TradeOfferID),
		SkinsSendDate: d.SkinsSendDate.orNull(), CustomCurrency: text(d.CustomCurrency),
		CustomCurrencyRate: d.CustomCurrencyRate.orNull(), CustomCurrencySum: d.CustomCurrencySum.orNull(), Reason: text(d.Reason),
	}
}

func (u Unix) orNull() *time.Time {
	if u.Time.IsZero() {
		return nil
	}
	return &u.Time
}

func (a Amount) orNull() *money.Decimal {
	if !a.Known {
		return nil
	}
	return &a.Value
}

// byCode is never nil: no sums are an empty object.
func (a Amounts) byCode() map[string]money.Decimal {
	out := make(map[string]money.Decimal, len(a))
	for code, sum := range a {
		out[string(code)] = sum
	}
	return out
}

// Lasts is 0: what becomes of a deposit is news each time.
func (p *Provider) Lasts(messages.Query) time.Duration { return 0 }
