package skinsback

import (
	"context"
	"errors"
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

var _ providers.Provider = (*Provider)(nil)

// refTransactionID is the key of provider_ref under which the provider's number
// of the deposit is known.
const refTransactionID = "transaction_id"

// Provider adapts SkinsBack to the port. It is safe for concurrent use.
type Provider struct {
	client    *Client
	resultURL func(providers.Order) string
}

// New returns the adapter for kind deposit.
func New(cfg Config) (*Provider, error) {
	client, err := NewClient(cfg)
	if err != nil {
		return nil, err
	}
	return &Provider{client: client, resultURL: cfg.ResultURL}, nil
}

// Client returns the client underneath, for questions that are no part of an order.
func (p *Provider) Client() *Client { return p.client }

// depositOf returns the params of an order that can be a deposit.
func depositOf(op string, o providers.Order) (messages.DepositParams, error) {
	params, ok := o.Params.(messages.DepositParams)
	switch {
	case !ok || o.Kind != messages.Deposit:
		return params, invalid(op, "the order is for another provider or kind")
	case params.SteamID == "" || params.TradeToken == "":
		return params, invalid(op, "a deposit needs a steam_id and a trade_token")
	case params.Currency == "" && (params.MinAmount != nil || params.MaxAmount != nil):
		return params, invalid(op, "min_amount and max_amount need a currency")
	case (params.CustomCurrency == "") != (params.CustomCurrencyRate == nil):
		return params, invalid(op, "custom_currency and custom_currency_rate need each other")
	}
	return params, nil
}

// Prepare has nothing to ask: no price is known, and the account is checked by
// create. Everything that is sent follows from the order, so the plan is empty.
func (p *Provider) Prepare(_ context.Context, o providers.Order) (providers.Plan, error) {
	_, err := depositOf("skinsback.prepare", o)
	return providers.Plan{}, err
}

// Place sends the one create. Its answer is where the customer pays; it is told
// nowhere else and never again.
func (p *Provider) Place(ctx context.Context, o providers.Order, _ providers.Plan) (providers.Answer, error) {
	const op = "skinsback.create"
	params, err := depositOf(op, o)
	if err != nil {
		return providers.Answer{}, err
	}
	if o.Reference == "" {
		return providers.Answer{}, invalid(op, "the order has no reference")
	}
	created, err := p.client.Create(ctx, p.request(o, params))
	if err != nil {
		return providers.Answer{}, err
	}
	return placed(created), nil
}

func placed(created *CreateResponse) providers.Answer {
	return providers.Answer{
		Status: providers.StatusActionRequired, Action: &messages.Action{URL: string(created.URL)},
		Ref: map[string]string{refTransactionID: string(created.TransactionID)},
	}
}

func (p *Provider) request(o providers.Order, params messages.DepositParams) CreateRequest {
	r := CreateRequest{
		OrderID: o.Reference, SteamID: params.SteamID, TradeToken: params.TradeToken,
		Currency:  strings.ToLower(params.Currency), // as both examples of the document write it
		MinAmount: params.MinAmount, MaxAmount: params.MaxAmount,
		Widget: params.Widget, Game: params.Game, SuccessURL: params.SuccessURL, FailURL: params.FailURL,
		CustomMultiplier: params.CustomMultiplier,
		CustomCurrency:   params.CustomCurrency, CustomCurrencyRate: params.CustomCurrencyRate,
	}
	if p.resultURL != nil {
		r.ResultURL = p.resultURL(o)
	}
	return r
}

// Lookup asks by our own reference, so it can be asked whatever was lost. That
// a deposit is pending is told without an action: orderstatus has no address to
// pay at, and the one from Place stays good.
func (p *Provider) Lookup(ctx context.Context, o providers.Order) (providers.Answer, error) {
	const op = "skinsback.order_status"
	params, err := depositOf(op, o)
	if err != nil {
		return providers.Answer{}, err
	}
	if o.Reference == "" {
		return providers.Answer{Status: providers.StatusUnknown}, nil
	}
	d, err := p.client.OrderStatus(ctx, OrderStatusRequest{OrderID: o.Reference})
	switch {
	case errors.Is(err, ErrNotFound):
		return providers.Answer{Status: providers.StatusAbsent}, nil
	case err != nil:
		return providers.Answer{}, err
	}
	return p.judged(op, o, params, d)
}

// judged checks whether a deposit is ours and translates it.
func (p *Provider) judged(op string, o providers.Order, params messages.DepositParams, d *Deposit) (providers.Answer, error) {
	if err := ours(op, o, params, d); err != nil {
		return providers.Answer{}, err
	}
	return p.answer(op, o, params, d)
}

// ours reports what keeps a deposit from being the order's. The account must be
// the one asked for, with one exception: the customer may change it on the
// provider's page, whose address only they have who got our answer to create.
// So where the provider's number is the one from that answer, the account is
// not compared.
func ours(op string, o providers.Order, params messages.DepositParams, d *Deposit) error {
	switch {
	case d.OrderID == "" || !d.TransactionID.Valid():
		return unreadable(op, "the answer does not say which deposit it is about")
	case string(d.OrderID) != o.Reference:
		return mismatch(op, "the answer is about another deposit")
	case string(d.SteamID) != params.SteamID && string(d.TransactionID) != o.Ref[refTransactionID]:
		return mismatch(op, "the answer is about another Steam account")
	}
	return nil
}
