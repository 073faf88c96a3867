package exchanger

import (
	"context"
	"regexp"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

var (
	_ providers.Provider = (*Provider)(nil)
	_ providers.Follower = (*Provider)(nil)
)

// The keys of provider_ref.
const (
	refAPIID    = "api_id"
	refID       = "id"
	refHash     = "hash"
	refPayoutID = "payout_id"
)

// Provider adapts an exchanger to the port. It is safe for concurrent use.
type Provider struct {
	client   *Client
	callback func(providers.Order) string
	now      func() time.Time
}

// New returns the adapter for kinds exchange and partner_payout.
func New(cfg Config) (*Provider, error) {
	client, err := NewClient(cfg)
	if err != nil {
		return nil, err
	}
	p := &Provider{client: client, callback: cfg.CallbackURL, now: time.Now}
	if p.callback == nil {
		p.callback = func(providers.Order) string { return "" }
	}
	return p, nil
}

// Client returns the client underneath, for questions that are no part of an order.
func (p *Provider) Client() *Client { return p.client }

// Prepare finds out whether the order can be placed, and what it would cost.
func (p *Provider) Prepare(ctx context.Context, o providers.Order) (providers.Plan, error) {
	const op = "exchanger.prepare"
	switch params := o.Params.(type) {
	case messages.ExchangeParams:
		if err := checkExchange(op, o, params); err != nil {
			return providers.Plan{}, err
		}
		return p.prepareExchange(ctx, params)
	case messages.PartnerPayoutParams:
		if err := checkPayout(op, o, params); err != nil {
			return providers.Plan{}, err
		}
		return p.preparePayout(ctx, params)
	default:
		return providers.Plan{}, invalid(op, "the order is for another provider or kind")
	}
}

// Place sends the one create_bid or add_partner_payout.
func (p *Provider) Place(ctx context.Context, o providers.Order, plan providers.Plan) (providers.Answer, error) {
	const op = "exchanger.place"
	switch params := o.Params.(type) {
	case messages.ExchangeParams:
		if err := checkExchange(op, o, params); err != nil {
			return providers.Answer{}, err
		}
		return p.placeExchange(ctx, o, params, plan)
	case messages.PartnerPayoutParams:
		if err := checkPayout(op, o, params); err != nil {
			return providers.Answer{}, err
		}
		return p.placePayout(ctx, params, plan)
	default:
		return providers.Answer{}, invalid(op, "the order is for another provider or kind")
	}
}

// Lookup asks what has become of a placed order, by the exchanger's id where
// it is known, else by what we know of the order ourselves.
func (p *Provider) Lookup(ctx context.Context, o providers.Order) (providers.Answer, error) {
	const op = "exchanger.lookup"
	switch params := o.Params.(type) {
	case messages.ExchangeParams:
		if err := checkExchange(op, o, params); err != nil {
			return providers.Answer{}, err
		}
		return p.lookupExchange(ctx, o, params)
	case messages.PartnerPayoutParams:
		if err := checkPayout(op, o, params); err != nil {
			return providers.Answer{}, err
		}
		return p.lookupPayout(ctx, o, params)
	default:
		return providers.Answer{}, invalid(op, "the order is for another provider or kind")
	}
}

var calcActions = map[string]CalcAction{
	"give": AmountGive, "get": AmountGet, "give_with_fee": AmountGiveWithFee, "get_with_fee": AmountGetWithFee,
}

// checkExchange reports an order that no dispatcher of ours lets through.
func checkExchange(op string, o providers.Order, params messages.ExchangeParams) error {
	_, known := calcActions[params.AmountSide]
	if o.Kind != messages.Exchange || params.DirectionID == "" || params.Amount.Sign() <= 0 || !known {
		return invalid(op, "an exchange needs a direction, a positive amount and its side")
	}
	return nil
}

func checkPayout(op string, o providers.Order, params messages.PartnerPayoutParams) error {
	if o.Kind != messages.PartnerPayout || params.MethodID == "" || params.Account == "" {
		return invalid(op, "a partner_payout needs a method and an account")
	}
	return nil
}

// Confirm says with pay_bid that the customer has paid.
func (p *Provider) Confirm(ctx context.Context, o providers.Order) error {
	const op = "exchanger.pay_bid"
	hash, err := bidHash(op, o)
	if err != nil {
		return err
	}
	status, err := p.client.PayBid(ctx, hash)
	if err != nil {
		return err
	}
	switch kindOf(status) {
	case bidWorking, bidMayStick, bidDone:
		return nil
	case bidWaiting, bidNeedsHelp, bidGone, bidUnborn:
	}
	return unreadable(op, "the bid is "+p.client.clean(string(status))+" after it was reported as paid")
}

// Cancel asks with cancel_bid that the bid be given up. Only the word cancel
// means that it was.
func (p *Provider) Cancel(ctx context.Context, o providers.Order) error {
	const op = "exchanger.cancel_bid"
	hash, err := bidHash(op, o)
	if err != nil {
		return err
	}
	status, err := p.client.CancelBid(ctx, hash)
	if err != nil {
		return err
	}
	if kindOf(status) != bidGone {
		return unreadable(op, "the bid is "+p.client.clean(string(status))+" after it was to be cancelled")
	}
	return nil
}

var hashForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// bidHash is what cancel_bid and pay_bid know a bid by.
func bidHash(op string, o providers.Order) (string, error) {
	if o.Kind != messages.Exchange {
		return "", refused(op, providers.CodeInvalidOrder, "only an exchange can be confirmed or cancelled")
	}
	hash := o.Ref[refHash]
	if !hashForm.MatchString(hash) {
		return "", refused(op, codeHashUnknown, "the bid's hash is not known")
	}
	return hash, nil
}
