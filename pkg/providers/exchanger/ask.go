package exchanger

import (
	"context"
	"errors"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

var _ providers.Asker = (*Provider)(nil)

// Ask answers a question that is no part of an order.
func (p *Provider) Ask(ctx context.Context, q messages.Query) (any, error) {
	switch q := q.(type) {
	case messages.ExchangerTestQuery:
		return asked(p.tellTest)(p.client.Test(ctx))
	case messages.DirectionCurrenciesQuery:
		return asked(p.tellCurrencies)(p.client.DirectionCurrencies(ctx, filter(q.CurrencyFilter)))
	case messages.DirectionsQuery:
		return asked(p.tellDirections)(p.client.Directions(ctx, filter(q.CurrencyFilter)))
	case messages.DirectionQuery:
		return p.askDirection(ctx, q)
	case messages.CalcQuery:
		return asked(p.tellCalc)(p.client.Calc(ctx, calcRequest(q)))
	case messages.ExchangesQuery:
		start, end, limit := window(q.TimeWindow)
		return asked(p.tellExchanges)(p.client.Exchanges(ctx, ExchangesRequest{
			StartTime: start, EndTime: end, Limit: limit, IP: q.IP, ID: q.ID, APIID: q.APIID, StatusHistory: q.StatusHistory, Offset: int(q.Offset),
		}))
	case messages.BidInfoQuery:
		return p.askBid(ctx, q)
	case messages.PartnerInfoQuery:
		return asked(p.tellPartner)(p.client.PartnerInfo(ctx))
	case messages.PartnerLinksQuery:
		start, end, limit := window(q.TimeWindow)
		return asked(p.tellLinks)(p.client.PartnerLinks(ctx, PartnerLinksRequest{StartTime: start, EndTime: end, Limit: limit, IP: q.IP}))
	case messages.PartnerExchangesQuery:
		start, end, limit := window(q.TimeWindow)
		return asked(p.tellPartnerExchanges)(p.client.PartnerExchanges(ctx, PartnerExchangesRequest{
			StartTime: start, EndTime: end, Limit: limit, IP: q.IP, ID: q.ID, StatusHistory: q.StatusHistory,
		}))
	case messages.PartnerPayoutsQuery:
		start, end, limit := window(q.TimeWindow)
		return asked(p.tellPayouts)(p.client.PartnerPayouts(ctx, PartnerPayoutsRequest{StartTime: start, EndTime: end, Limit: limit, ID: q.ID}))
	default:
		return nil, invalid("exchanger.ask", "the question is for another provider")
	}
}

// Lasts is 0: rates move, and the document does not say how fast.
func (p *Provider) Lasts(messages.Query) time.Duration { return 0 }

// asked joins a method of the client with the words in which its answer is told.
func asked[In any, Out any](tell func(In) Out) func(In, error) (any, error) {
	return func(in In, err error) (any, error) {
		switch {
		case errors.Is(err, ErrDirectionNotFound), errors.Is(err, ErrNoBid):
			return nil, providers.NotFound(err)
		case err != nil:
			return nil, err
		}
		return tell(in), nil
	}
}

func (p *Provider) askDirection(ctx context.Context, q messages.DirectionQuery) (any, error) {
	d, err := p.client.Direction(ctx, q.DirectionID)
	if err == nil && d.ID != "" && string(d.ID) != q.DirectionID {
		err = mismatch("exchanger.get_direction", "the answer is about another direction")
	}
	return asked(func(d *Direction) messages.DirectionAnswer { return p.tellDirection(q.DirectionID, d) })(d, err)
}

func (p *Provider) askBid(ctx context.Context, q messages.BidInfoQuery) (any, error) {
	b, err := p.client.BidInfo(ctx, BidInfoRequest{ID: q.ID, Hash: q.Hash})
	if err == nil && (q.ID != "" && string(b.ID) != q.ID || q.Hash != "" && b.Hash != "" && string(b.Hash) != q.Hash) {
		err = mismatch("exchanger.bid_info", "the answer is about another bid")
	}
	return asked(p.tellBid)(b, err)
}

func filter(f messages.CurrencyFilter) CurrencyFilter {
	return CurrencyFilter{GiveID: f.GiveID, GetID: f.GetID}
}

func window(w messages.TimeWindow) (start, end int64, limit int) {
	if w.StartTime != nil {
		start = w.StartTime.Unix()
	}
	if w.EndTime != nil {
		end = w.EndTime.Unix()
	}
	return start, end, int(w.Limit)
}

func calcRequest(q messages.CalcQuery) CalcRequest {
	return CalcRequest{
		DirectionID: q.DirectionID, Amount: q.Amount, Action: calcActions[q.AmountSide],
		CD: given(messages.ExchangeParams{Fields: q.Fields, AccountFrom: q.AccountFrom, AccountTo: q.AccountTo}),
	}
}
