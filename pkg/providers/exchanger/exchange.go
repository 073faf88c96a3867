package exchanger

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

// placeExchange sends the one create_bid, under the order's own api_id. The
// rate is not locked between the quote and the bid, so what the bid says may
// differ. No money has moved by then: the customer is asked to pay as always,
// and the evidence says what is wrong with the price, so that upstream can cancel
// instead.
func (p *Provider) placeExchange(ctx context.Context, o providers.Order, params messages.ExchangeParams, plan providers.Plan) (providers.Answer, error) {
	const op = "exchanger.create_bid"
	switch {
	case !providerhttp.PositiveInteger(o.Reference):
		// The exchanger does not compare any other api_id: a repeat would open a
		// second bid.
		return providers.Answer{}, invalid(op, "the reference is not a positive number")
	case plan.Quote == nil, plan.Data[dataDirection] != params.DirectionID:
		return providers.Answer{}, invalid(op, "the plan does not fit the order")
	}
	bid, err := p.client.CreateBid(ctx, CreateBidRequest{
		DirectionID: params.DirectionID, PartnerID: params.PartnerID, APIID: o.Reference,
		Amount: params.Amount, Action: calcActions[params.AmountSide], CallbackURL: p.callback(o),
		Account1: params.AccountFrom, Account2: params.AccountTo, Fields: params.Fields,
	})
	if err != nil {
		return providers.Answer{}, err
	}
	return p.placed(o, params, plan, bid)
}

// placed judges the answer to a create_bid.
func (p *Provider) placed(o providers.Order, params messages.ExchangeParams, plan providers.Plan, bid *Bid) (providers.Answer, error) {
	if err := checkCurrencies("exchanger.create_bid", plan, bid.CurrencyCodeGive, bid.CurrencyCodeGet); err != nil {
		return providers.Answer{}, err
	}
	answer := p.answer(params, bid)
	answer.Ref[refAPIID] = o.Reference
	comparePrice(&answer, o, params, plan, bid)
	return answer, nil
}

// checkCurrencies reports a bid in other currencies than those of the quote.
// What the plan or the answer does not tell is not compared.
func checkCurrencies(op string, plan providers.Plan, give, get Text) error {
	differ := func(told Text, planned string) bool {
		return told != "" && planned != "" && !strings.EqualFold(plain(string(told), 64), planned)
	}
	planned := ""
	if plan.Quote != nil {
		planned = string(plan.Quote.Currency)
	}
	if differ(give, planned) || differ(get, plan.Data[dataCurrencyGet]) {
		return mismatch(op, "the bid is in other currencies than the order")
	}
	return nil
}

// comparePrice puts into the evidence where a bid differs from its quote, or
// breaks what upstream allows.
func comparePrice(a *providers.Answer, o providers.Order, params messages.ExchangeParams, plan providers.Plan, bid *Bid) {
	if a.Cost != nil && plan.Quote != nil && !asQuoted(*a.Cost, plan) {
		a.Evidence["amount_changed"] = map[string]any{"quoted": plan.Quote.String(), "bid": a.Cost.String()}
	}
	if limit := o.MaxCost; limit != nil && a.Cost != nil {
		if cmp, err := a.Cost.Cmp(*limit); err != nil || cmp > 0 {
			a.Evidence["price_violation"] = map[string]any{"max_cost": *limit, "cost": *a.Cost}
		}
	}
	if least := params.MinGet; least != nil && bid.AmountGet.Valid && bid.AmountGet.Value.Cmp(*least) < 0 {
		a.Evidence["min_get_violation"] = map[string]any{"min_get": least.String(), "amount_get": bid.AmountGet.Value.String()}
	}
}

// asQuoted reports whether a bid's amount is the quote's, but for the fee of
// the payment system: the quote has it, and a bid does not tell it.
func asQuoted(cost money.Money, plan providers.Plan) bool {
	bound, err := money.ParseDecimal(plan.Data[dataSumGive])
	if err != nil || cost.Currency != plan.Quote.Currency {
		return cost.Equal(*plan.Quote)
	}
	return between(bound, cost.Amount, plan.Quote.Amount)
}

// answer translates a bid that is ours. Only success, cancel and delete end it.
func (p *Provider) answer(params messages.ExchangeParams, bid *Bid) providers.Answer {
	a := providers.Answer{
		Ref: map[string]string{refID: string(bid.ID)}, Evidence: map[string]any{"bid_status": p.client.clean(string(bid.Status))},
	}
	if hashForm.MatchString(string(bid.Hash)) {
		a.Ref[refHash] = string(bid.Hash)
	}
	if a.Cost = bid.AmountGive.money(bid.CurrencyCodeGive); a.Cost != nil {
		a.CostSource = messages.FromResponse
	}
	switch kindOf(bid.Status) {
	case bidUnborn:
		a.Status = providers.StatusUnknown
	case bidWaiting:
		a.Status, a.Action = providers.StatusActionRequired, p.action(bid)
	case bidWorking:
		a.Status = providers.StatusProcessing
	case bidMayStick:
		a.Status = providers.StatusProcessing
		a.Evidence["operator_hint"] = stickingHint
	case bidDone:
		a.Status, a.Finality = providers.StatusSucceeded, messages.Final
		a.Deliverable = delivered(bid, params)
	case bidGone:
		a.Status, a.Code = providers.StatusFailed, string(bid.Status)
		a.Message = "the bid was given up; whether a payment went back the exchanger does not say"
	case bidNeedsHelp:
		a.Status = providers.StatusProcessing
		a.Evidence["operator_hint"] = operatorHint
	}
	return a
}

// delivered is what the customer got.
func delivered(bid *Bid, params messages.ExchangeParams) json.RawMessage {
	var account *string
	if params.AccountTo != "" {
		account = &params.AccountTo
	}
	out, err := json.Marshal(struct {
		AmountGet *money.Money `json:"amount_get"`
		AccountTo *string      `json:"account_to"`
	}{bid.AmountGet.money(bid.CurrencyCodeGet), account})
	if err != nil {
		panic("exchanger: money and texts always marshal: " + err.Error())
	}
	return out
}

// Words of api_actions.
const (
	byAPI       = "api"
	defaultType = "default"
)

const (
	maxURL     = 2048
	maxAccount = 256
)

// action tells the customer what to do.
func (p *Provider) action(bid *Bid) *messages.Action {
	actions := bid.APIActions
	a := &messages.Action{
		Type: p.client.clean(string(actions.Type)), URL: link(actions.Pay),
		Instruction: shorten(p.client.redact(plain(string(actions.Instruction), maxInstruction)), maxInstruction),
		PayAmount:   actions.PayAmount.money(bid.CurrencyCodeGive),
		Address:     payTo(actions.Address), DestTag: payTo(actions.DestTag),
		// A bid that waits for its verification cannot be reported as paid, though
		// the site may say "api" of it, too.
		Confirm: actions.Pay == byAPI && payable[bid.Status], Cancel: actions.Cancel == byAPI,
	}
	if a.Type == "" {
		a.Type = defaultType
	}
	if a.URL == "" {
		a.URL = link(bid.URL)
	}
	return a
}

// link returns an address that a customer can be sent to, or "".
func link(text Text) string {
	u, err := url.Parse(string(text))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || len(text) > maxURL {
		return ""
	}
	return u.String()
}

// payTo returns where the customer is to pay to, or nothing: half an address
// is worse than none.
func payTo(text Text) string {
	whole := plain(string(text), maxScanned)
	if len(whole) > maxAccount || strings.ContainsRune(whole, '\n') {
		return ""
	}
	return whole
}
