package gamesdrop

import (
	"context"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

const (
	witnessPages    = 3
	witnessPageSize = 50
	witnessShown    = 20
	// witnessMargin allows for the provider's clock being behind ours.
	witnessMargin = 2 * time.Minute
)

// Witness gathers what the balance's history says of an order whose answer was
// lost: purchases since the intent, of the planned price where price and
// balance are in one currency. It decides nothing: an entry names no order, so
// one of the right size may be another order's, and the balance is in USD
// while most prices are not.
func (p *Provider) Witness(ctx context.Context, o providers.Order, plan providers.Plan) (map[string]any, error) {
	balance, err := p.client.Balance(ctx)
	if err != nil {
		return nil, err
	}
	price := ParseAmount(plan.Data[dataPrice])
	comparable := price.Valid && plan.Data[dataCurrency] == string(balance.Currency.Code)
	found, complete, err := p.purchases(ctx, o.PlacedAt.Add(-witnessMargin), func(amount money.Decimal) bool {
		return !comparable || amount.Equal(price.Value.Neg())
	})
	if err != nil {
		return nil, err
	}
	evidence := map[string]any{
		"balance":          balance.Balance.Value.String(),
		"balance_currency": p.client.clean(string(balance.Currency.Code)),
		"transactions":     found,
		"matched_by":       "time and amount",
		"complete":         complete,
	}
	if !comparable {
		evidence["matched_by"] = "time only: price and balance are in different currencies"
	}
	return evidence, nil
}

// purchases lists the purchases since a time that match, and whether the whole
// of that time was seen.
func (p *Provider) purchases(ctx context.Context, since time.Time, match func(money.Decimal) bool) (found []map[string]any, complete bool, err error) {
	found = []map[string]any{}
	for page := 1; page <= witnessPages; page++ {
		answer, err := p.client.Transactions(ctx, TransactionsRequest{Page: page, Limit: witnessPageSize})
		if err != nil {
			return nil, false, err
		}
		older := false
		for _, t := range answer.Transactions {
			// A time that cannot be read may be within.
			if at := t.CreatedAt.Time; !at.IsZero() && at.Before(since) {
				older = true
				continue
			}
			if t.Type != "PURCHASE" || !t.Amount.Valid || !match(t.Amount.Value) {
				continue
			}
			if len(found) == witnessShown {
				return found, false, nil
			}
			found = append(found, p.entry(t))
		}
		if older || len(answer.Transactions) < witnessPageSize {
			return found, true, nil
		}
	}
	return found, false, nil
}

func (p *Provider) entry(t Transaction) map[string]any {
	return map[string]any{
		"id": p.client.clean(string(t.ID)), "amount": t.Amount.Value.String(), "type": p.client.clean(string(t.Type)),
		"description": p.client.clean(string(t.Description)), "created_at": p.client.clean(t.CreatedAt.Text),
	}
}
