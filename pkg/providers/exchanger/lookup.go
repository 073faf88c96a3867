package exchanger

import (
	"context"
	"errors"
	"time"

	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

const (
	// zones is how far the site's clock may be from ours, whatever its zone.
	zones = 14 * time.Hour
	// pageSize is how many bids are asked for at once. get_exchanges gives up to
	// 500, but rows are long on some sites, and answers are read to 256 KiB.
	pageSize = 200
	// leastPage is what it gives where a limit is not heeded. A shorter page is
	// the last one.
	leastPage = 100
	// maxPages bounds one lookup. What lies beyond is not concluded to be absent.
	maxPages = 50
)

func (p *Provider) lookupExchange(ctx context.Context, o providers.Order, params messages.ExchangeParams) (providers.Answer, error) {
	if o.Ref[refID] != "" || o.Ref[refHash] != "" {
		return p.lookupKnown(ctx, o, params)
	}
	return p.lookupLost(ctx, o, params)
}

// lookupKnown asks for a bid whose id or hash was told. "No bid exists" is no
// proof, so the key's own list has the last word, and its silence is none either.
func (p *Provider) lookupKnown(ctx context.Context, o providers.Order, params messages.ExchangeParams) (providers.Answer, error) {
	const op = "exchanger.bid_info"
	id, hash := ID(o.Ref[refID]), Text(o.Ref[refHash])
	if id != "" && !id.Valid() || hash != "" && !hashForm.MatchString(string(hash)) {
		return providers.Answer{}, unreadable(op, "the recorded id or hash of the bid cannot be one")
	}
	ask := BidInfoRequest{Hash: string(hash)}
	if hash == "" {
		ask = BidInfoRequest{ID: string(id)}
	}
	bid, err := p.client.BidInfo(ctx, ask)
	switch {
	case errors.Is(err, ErrNoBid), errors.Is(err, ErrMethodNotSupported):
		return p.lookupListed(ctx, o, params, err)
	case err != nil:
		return providers.Answer{}, err
	case id != "" && bid.ID != id, hash != "" && bid.Hash != "" && bid.Hash != hash:
		return providers.Answer{}, mismatch(op, "the answer is about another bid")
	}
	if err := checkCurrencies(op, o.Plan, bid.CurrencyCodeGive, bid.CurrencyCodeGet); err != nil {
		return providers.Answer{}, err
	}
	return p.answer(params, bid), nil
}

// lookupListed looks in the list for a bid that bid_info does not tell of.
func (p *Provider) lookupListed(ctx context.Context, o providers.Order, params messages.ExchangeParams, cause error) (providers.Answer, error) {
	id, api := ID(o.Ref[refID]), Text(apiID(o))
	found, err := p.scan(ctx, o, func(e *Exchange) bool {
		return id != "" && e.ID == id || id == "" && e.APIID != nil && *e.APIID == api
	})
	why := map[string]any{"bid_info": providers.AsError(cause).Message}
	switch {
	case errors.Is(err, ErrMethodNotSupported), err == nil && len(found.matches) != 1:
		return providers.Answer{Status: providers.StatusUnknown, Evidence: why}, nil
	case err != nil:
		return providers.Answer{}, err
	}
	return p.fromList(params, found.matches[0], why), nil
}

// lookupLost looks for the bid of a create_bid whose answer was lost: in the
// list of the time in question, by our api_id, compared here.
func (p *Provider) lookupLost(ctx context.Context, o providers.Order, params messages.ExchangeParams) (providers.Answer, error) {
	const op = "exchanger.get_exchanges"
	api := Text(apiID(o))
	if !providerhttp.PositiveInteger(string(api)) {
		return providers.Answer{}, invalid(op, "the reference is not a positive number")
	}
	found, err := p.scan(ctx, o, func(e *Exchange) bool { return e.APIID != nil && *e.APIID == api })
	switch {
	case errors.Is(err, ErrMethodNotSupported):
		return unknown("lookup", "get_exchanges is not enabled for the key: nobody but the exchanger can tell"), nil
	case err != nil:
		return providers.Answer{}, err
	case len(found.matches) == 0 && !found.complete:
		return unknown("lookup", "the list of bids could not be read to its end"), nil
	case len(found.matches) == 0:
		return providers.Answer{Status: providers.StatusAbsent}, nil
	case len(found.matches) > 1:
		return providers.Answer{}, mismatch(op, "more than one bid has our api_id")
	}
	item := found.matches[0]
	if !item.ID.Valid() {
		return providers.Answer{}, unreadable(op, "the bid with our api_id has no id")
	}
	if err := checkFound(op, o, params, item); err != nil {
		return providers.Answer{}, err
	}
	bid, err := p.client.BidInfo(ctx, BidInfoRequest{ID: string(item.ID)})
	var answer providers.Answer
	switch {
	case errors.Is(err, ErrNoBid), errors.Is(err, ErrMethodNotSupported):
		answer = p.fromList(params, item, map[string]any{"bid_info": providers.AsError(err).Message})
	case err != nil:
		return providers.Answer{}, err
	case bid.ID != item.ID:
		return providers.Answer{}, mismatch("exchanger.bid_info", "the answer is about another bid")
	default:
		answer = p.answer(params, bid)
		comparePrice(&answer, o, params, o.Plan, bid)
	}
	answer.Ref[refAPIID] = string(api)
	return answer, nil
}

// apiID is our reference as the bid was placed with it.
func apiID(o providers.Order) string {
	if placed := o.Ref[refAPIID]; placed != "" {
		return placed
	}
	return o.Reference
}

func unknown(key, why string) providers.Answer {
	return providers.Answer{Status: providers.StatusUnknown, Evidence: map[string]any{key: why}}
}

// fromList answers from a line of the list. It has no actions, so a bid that
// waits for the customer can only be shown as under way.
func (p *Provider) fromList(params messages.ExchangeParams, item Exchange, why map[string]any) providers.Answer {
	a := p.answer(params, &Bid{
		ID: item.ID, Hash: item.Hash, Status: item.Status, CurrencyCodeGive: item.CurrencyCodeGive, CurrencyCodeGet: item.CurrencyCodeGet,
		AmountGive: item.AmountGive, AmountGet: item.AmountGet,
	})
	if mutant.Is("M17") && item.ExchangeSuccess == "0" { // as the manual has it
		a.Status, a.Finality = providers.StatusSucceeded, messages.Final
	}
	if a.Status == providers.StatusActionRequired {
		a.Status, a.Action = providers.StatusProcessing, nil
		a.Evidence["operator_hint"] = "the bid waits for the customer, and bid_info does not tell how to pay"
	}
	for k, v := range why {
		a.Evidence[k] = v
	}
	return a
}

// checkFound holds a bid that was found by our api_id against the order. A key
// alone is not believed: what is not ours must not be reported as ours.
func checkFound(op string, o providers.Order, params messages.ExchangeParams, item Exchange) error {
	if err := checkCurrencies(op, o.Plan, item.CurrencyCodeGive, item.CurrencyCodeGet); err != nil {
		return err
	}
	told, planned, other, exact := item.AmountGive, o.Plan.Data[dataAmountGive], o.Plan.Data[dataSumGive], false
	switch calcActions[params.AmountSide] {
	case AmountGiveWithFee:
		exact = true
	case AmountGet:
		told, planned, other = item.AmountGet, o.Plan.Data[dataAmountGet], ""
	case AmountGetWithFee:
		told, planned, other, exact = item.AmountGet, o.Plan.Data[dataAmountGet], "", true
	case AmountGive:
	}
	// The side that the order fixed is the same in the quote and in the bid; the
	// other one follows the rate. With the fee it is what the order itself says.
	expected, err := money.ParseDecimal(planned)
	switch {
	case exact && planned == "":
		expected = params.Amount
	case err != nil:
		return nil
	}
	bound, err := money.ParseDecimal(other)
	if err != nil {
		bound = expected
	}
	if told.Valid && !between(bound, told.Value, expected) && !alike(bound, told.Value) && !alike(expected, told.Value) {
		return mismatch(op, "the bid with our api_id is of another amount")
	}
	return nil
}

// between reports whether told is one of two amounts or lies between them,
// whichever is greater: a fee may be a rebate.
func between(a, told, b money.Decimal) bool {
	return told.Cmp(a)*told.Cmp(b) <= 0
}

// alike reports whether one of two amounts is the other, or the other rounded.
func alike(a, b money.Decimal) bool { return rounded(a, b) || rounded(b, a) }

// listing is what a walk through get_exchanges found.
type listing struct {
	matches []Exchange
	// complete: every bid of the time was seen, and told its api_id.
	complete bool
}

// scan walks through the bids of the time since the intent, newest first, to
// the end of the page that holds a match.
func (p *Provider) scan(ctx context.Context, o providers.Order, match func(*Exchange) bool) (listing, error) {
	in := ExchangesRequest{EndTime: p.now().Add(zones).Unix(), Limit: pageSize}
	if !o.PlacedAt.IsZero() {
		in.StartTime = o.PlacedAt.Add(-zones).Unix()
	}
	out, seen := listing{complete: true}, map[ID]bool{}
	for range maxPages {
		page, err := p.client.Exchanges(ctx, in)
		if err != nil {
			return listing{}, err
		}
		before := len(seen)
		for i := range page {
			e := &page[i]
			if e.APIID == nil {
				out.complete = false // a site that does not tell api_ids proves nothing
			}
			if seen[e.ID] {
				continue // it moved while the pages were read
			}
			seen[e.ID] = true
			if match(e) {
				out.matches = append(out.matches, *e)
			}
		}
		switch {
		case len(out.matches) > 0, len(page) < leastPage:
			return out, nil
		case len(seen) == before:
			// The same page again: the offset was not heeded.
			out.complete = false
			return out, nil
		}
		in.Offset += len(page)
	}
	out.complete = false
	return out, nil
}
