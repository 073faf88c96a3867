package balancesteam

import (
	"context"
	"encoding/json"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

var (
	_ providers.Provider = (*Provider)(nil)
	_ providers.Witness  = (*Provider)(nil)
)

// refID is the key of provider_ref under which the payment is known.
const refID = "id"

// Provider adapts BalanceSteam to the port. It is safe for concurrent use.
type Provider struct {
	client  *Client
	witness *witness // nil when no evidence is to be gathered
}

// New returns the adapter for kinds topup and gift_card.
func New(cfg Config) (*Provider, error) {
	client, err := NewClient(cfg)
	if err != nil {
		return nil, err
	}
	p := &Provider{client: client}
	if cfg.Witness {
		p.witness = newWitness(client)
	}
	return p, nil
}

// Client returns the client underneath, for questions that are no part of an order.
func (p *Provider) Client() *Client { return p.client }

// Prepare asks whether the login can be topped up, or what the gift card
// costs. The quote is the last thing it learns, because the price moves. A
// witness that is missing does not stop the order.
func (p *Provider) Prepare(ctx context.Context, o providers.Order) (providers.Plan, error) {
	const op = "balancesteam.prepare"
	switch params := o.Params.(type) {
	case messages.TopupParams:
		if params.Login == "" || params.Amount.Sign() <= 0 {
			return providers.Plan{}, invalid(op, "a topup needs a login and a positive amount")
		}
		plan := p.witness.before(ctx)
		plan.Evidence["requested"] = requested(params)
		check, err := p.client.CheckSteam(ctx, params.Login)
		if err != nil {
			return providers.Plan{}, err
		}
		if !check.Status {
			return providers.Plan{}, &providers.Error{
				Op: op, Class: providers.Rejected, Code: providers.CodeAccountRefused,
				Message: "the login is wrong, or it cannot be topped up in its region",
			}
		}
		return plan, nil
	case messages.GiftCardParams:
		if err := validCard(op, params); err != nil {
			return providers.Plan{}, err
		}
		plan := p.witness.before(ctx)
		price, err := p.client.CheckGiftCard(ctx, params.ServiceID, params.Email)
		if err != nil {
			return providers.Plan{}, err
		}
		quote := money.New(price.Price, money.RUB)
		plan.Quote = &quote
		return plan, nil
	default:
		return providers.Plan{}, invalid(op, "the order is for another provider or kind")
	}
}

// validCard refuses the service of top-ups as a card: its create without an
// amount is not documented, and nobody knows what it would do.
func validCard(op string, params messages.GiftCardParams) error {
	if params.ServiceID == ServiceSteam {
		return &providers.Error{
			Op: op, Class: providers.Rejected, Code: providers.CodeInvalidOrder, Message: "service 5955 is the top-up, not a gift card",
		}
	}
	if params.ServiceID <= 0 || params.Email == "" {
		return invalid(op, "a gift_card needs a service_id and an email")
	}
	return nil
}

func requested(params messages.TopupParams) money.Money {
	return money.New(params.Amount, money.RUB)
}

// Place sends the one create. Success is error:false with an id, and as far as
// this provider goes it is the end: it says accepted, never delivered.
func (p *Provider) Place(ctx context.Context, o providers.Order, plan providers.Plan) (providers.Answer, error) {
	const op = "balancesteam.place"
	switch params := o.Params.(type) {
	case messages.TopupParams:
		if params.Login == "" || params.Amount.Sign() <= 0 {
			return providers.Answer{}, invalid(op, "a topup needs a login and a positive amount")
		}
		payment, err := p.create(func() (Payment, error) {
			return p.client.CreateSteam(ctx, params.Login, params.Amount)
		})
		if err != nil {
			return providers.Answer{}, err
		}
		answer := accepted(payment)
		answer.Evidence = map[string]any{"requested": requested(params)}
		return answer, nil
	case messages.GiftCardParams:
		if err := validCard(op, params); err != nil {
			return providers.Answer{}, err
		}
		payment, err := p.create(func() (Payment, error) {
			return p.client.CreateGiftCard(ctx, params.ServiceID, params.Email)
		})
		if err != nil {
			return providers.Answer{}, err
		}
		answer := accepted(payment)
		if plan.Quote != nil {
			answer.Cost, answer.CostSource = plan.Quote, messages.FromQuote
		}
		return answer, nil
	default:
		return providers.Answer{}, invalid(op, "the order is for another provider or kind")
	}
}

func accepted(payment Payment) providers.Answer {
	return providers.Answer{
		Status: providers.StatusSucceeded, Finality: messages.ProviderAccepted,
		Ref: map[string]string{refID: payment.ID}, Deliverable: json.RawMessage(`{}`),
	}
}

// create counts a create for the witness while it runs.
func (p *Provider) create(send func() (Payment, error)) (Payment, error) {
	defer p.witness.begin()()
	return send()
}

// Lookup learns nothing: the provider has no way to ask.
func (p *Provider) Lookup(context.Context, providers.Order) (providers.Answer, error) {
	return providers.Answer{Status: providers.StatusUnknown}, nil
}

// Witness reads the balance again and puts it beside what was noted before the
// intent. It decides nothing: see the words of the evidence itself.
func (p *Provider) Witness(ctx context.Context, _ providers.Order, plan providers.Plan) (map[string]any, error) {
	return p.witness.after(ctx, plan)
}
