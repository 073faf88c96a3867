package gamesdrop

import (
	"context"
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

var (
	_ providers.Provider = (*Provider)(nil)
	_ providers.Witness  = (*Provider)(nil)
)

// The keys of a plan's data.
const (
	dataPrice        = "price" // the literal that find-one answered
	dataCurrency     = "currency"
	dataOfferID      = "offer_id"
	dataTelegramUser = "telegram_user_id"
	dataKeyless      = "keyless" // "true" where find-one said that no key is returned
)

// refOrderID is the key of provider_ref under which the provider's order is known.
const refOrderID = "order_id"

// Provider adapts GamesDrop to the port. It is safe for concurrent use.
type Provider struct{ client *Client }

// New returns the adapter for kinds offer and telegram_stars.
func New(cfg Config) (*Provider, error) {
	client, err := NewClient(cfg)
	if err != nil {
		return nil, err
	}
	return &Provider{client: client}, nil
}

// Client returns the client underneath, for questions that are no part of an order.
func (p *Provider) Client() *Client { return p.client }

// goods is what an order buys, whichever of the two kinds it is.
type goods struct {
	offer                       OfferID
	email, gameUser, gameServer string
	stars                       int64  // 0 for an offer
	telegramUser                string // as submitted
}

func goodsOf(op string, o providers.Order) (goods, error) {
	switch params := o.Params.(type) {
	case messages.OfferParams:
		if o.Kind == messages.Offer && params.OfferID > 0 {
			return goods{
				offer: NumberedOffer(params.OfferID), email: params.Email,
				gameUser: params.GameUserID, gameServer: params.GameServerID,
			}, nil
		}
	case messages.TelegramStarsParams:
		if o.Kind == messages.TelegramStars && params.Stars > 0 && params.TelegramUser != "" {
			return goods{
				offer: StarsOffer(params.Stars), email: params.Email,
				stars: params.Stars, telegramUser: params.TelegramUser,
			}, nil
		}
	}
	return goods{}, invalid(op, "the order is for another provider or kind")
}

// invalid is the error of a call that no order of ours should lead to. Nothing
// was sent.
func invalid(op, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Invalid, Code: providers.CodeUnprocessable, Message: why}
}

// Prepare finds the price and checks who is to receive the goods.
func (p *Provider) Prepare(ctx context.Context, o providers.Order) (providers.Plan, error) {
	g, err := goodsOf("gamesdrop.prepare", o)
	if err != nil {
		return providers.Plan{}, err
	}
	// For Stars the price goes last: it moves with every request.
	telegramID := ID("")
	if g.stars > 0 {
		if telegramID, err = p.telegramID(ctx, g.telegramUser); err != nil {
			return providers.Plan{}, err
		}
	}
	plan, err := p.quote(ctx, g)
	if err != nil {
		return providers.Plan{}, err
	}
	if telegramID != "" {
		plan.Data[dataTelegramUser] = string(telegramID)
	}
	// Only now: INVALID is also said where the offer is not available, and that
	// would be blamed on the player.
	if g.gameUser != "" {
		if err := p.checkPlayer(ctx, g, &plan); err != nil {
			return providers.Plan{}, err
		}
	}
	return plan, nil
}

func (p *Provider) quote(ctx context.Context, g goods) (providers.Plan, error) {
	const op = "gamesdrop.find_one"
	offer, err := p.client.FindOne(ctx, FindOneRequest{OfferID: g.offer})
	if err != nil {
		return providers.Plan{}, err
	}
	quote := offer.Price.money(offer.Currency)
	switch {
	case offer.OfferID != "" && offer.OfferID != g.offer:
		return providers.Plan{}, mismatch(op, "the answer is about another offer")
	case quote == nil || !offer.Price.Positive():
		return providers.Plan{}, unreadable(op, "the answer has no price")
	}
	data := map[string]string{dataPrice: offer.Price.Literal, dataCurrency: string(quote.Currency), dataOfferID: string(g.offer)}
	if returns := offer.IsReturnDataForCustomer; returns.Known && !returns.Value {
		data[dataKeyless] = "true"
	}
	return providers.Plan{
		Quote: quote, Data: data,
		Evidence: map[string]any{
			"product": p.client.clean(string(offer.ProductName)), "offer": p.client.clean(string(offer.OfferName)),
		},
	}, nil
}

func (p *Provider) checkPlayer(ctx context.Context, g goods, plan *providers.Plan) error {
	const op = "gamesdrop.check_game_data"
	player, err := p.client.CheckGameData(ctx, CheckGameDataRequest{
		OfferID: g.offer, GameUserID: g.gameUser, GameServerID: g.gameServer,
	})
	if err != nil {
		return err
	}
	switch player.Status {
	case PlayerValid:
		plan.Evidence["player"] = p.client.clean(string(player.GameUserLogin))
		return nil
	case PlayerInvalid:
		return refused(op, "the player is not valid")
	default:
		return unreadable(op, "the answer says neither VALID nor INVALID")
	}
}

// telegramID resolves a Telegram user: a number as it is, a name by asking.
func (p *Provider) telegramID(ctx context.Context, user string) (ID, error) {
	const op = "gamesdrop.telegram_user"
	if id := ID(user); id.Valid() {
		return id, nil
	}
	found, err := p.client.TelegramUser(ctx, TelegramUserRequest{Username: user})
	if err != nil {
		return "", err
	}
	name := strings.TrimPrefix(user, "@")
	for _, answered := range []Text{found.Username, found.UserInfo.Username} {
		// Stars sent to somebody else's account do not come back.
		if answered != "" && !strings.EqualFold(strings.TrimPrefix(string(answered), "@"), name) {
			return "", mismatch(op, "the answer is about another user")
		}
	}
	switch id := found.UserInfo.ID; {
	case !found.Valid.Value, id == "":
		return "", refused(op, p.client.clean(string(found.Message)))
	case !id.Valid():
		return "", unreadable(op, "the user's id is not a number")
	default:
		return id, nil
	}
}

// refused is the error of an account that cannot receive the goods.
func refused(op, message string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Rejected, Code: providers.CodeAccountRefused, Message: message}
}

// Place sends the one create-order, with the price that Prepare found, to the
// letter, and the order's reference as transactionId.
func (p *Provider) Place(ctx context.Context, o providers.Order, plan providers.Plan) (providers.Answer, error) {
	const op = "gamesdrop.create_order"
	g, err := goodsOf(op, o)
	if err != nil {
		return providers.Answer{}, err
	}
	price, offer := ParseAmount(plan.Data[dataPrice]), OfferID(plan.Data[dataOfferID])
	recipient := g.gameUser
	if g.stars > 0 {
		recipient = plan.Data[dataTelegramUser]
	}
	switch {
	case o.Reference == "":
		return providers.Answer{}, invalid(op, "the order has no reference")
	case !price.Positive(), offer != g.offer, g.stars > 0 && !ID(recipient).Valid():
		return providers.Answer{}, invalid(op, "the plan does not fit the order")
	}
	request := CreateOrderRequest{OfferID: offer, Price: price, TransactionID: o.Reference}
	if customer := (Customer{Email: g.email, GameUserID: recipient, GameServerID: g.gameServer}); customer != (Customer{}) {
		request.Customer = &customer
	}
	order, err := p.client.CreateOrder(ctx, request)
	if err != nil {
		return providers.Answer{}, err
	}
	return p.placed(g, order, recipient, plan)
}

// placed judges the answer to a create-order.
func (p *Provider) placed(g goods, order *Order, recipient string, plan providers.Plan) (providers.Answer, error) {
	if err := g.check("gamesdrop.create_order", order, recipient); err != nil {
		return providers.Answer{}, err
	}
	answer := p.answer(g, order, plan)
	settleCost(&answer, plan)
	if answer.Status == providers.StatusReversed {
		// Nothing was ever given that could be taken back.
		answer.Status = providers.StatusFailed
	}
	return answer, nil
}

// Lookup asks for the status of a placed order. Without the provider's order
// id there is nothing to ask by: it knows no lookup by transactionId.
//
// REFUND is answered as StatusReversed, since the order may have succeeded
// before; the state machine makes it a failure where it had not.
func (p *Provider) Lookup(ctx context.Context, o providers.Order) (providers.Answer, error) {
	const op = "gamesdrop.order_status"
	g, err := goodsOf(op, o)
	if err != nil {
		return providers.Answer{}, err
	}
	id := ID(o.Ref[refOrderID])
	switch {
	case id == "":
		return providers.Answer{Status: providers.StatusUnknown}, nil
	case !id.Valid():
		return providers.Answer{}, unreadable(op, "the recorded order id is not a number")
	}
	order, err := p.client.OrderStatus(ctx, OrderStatusRequest{OrderID: id})
	if err != nil {
		return providers.Answer{}, err
	}
	if order.OrderID.Valid() && order.OrderID != id {
		return providers.Answer{}, mismatch(op, "the answer is about another order")
	}
	recipient := g.gameUser
	if g.stars > 0 {
		recipient = g.telegramUser // compared only where it is a number
	}
	if err := g.check(op, order, recipient); err != nil {
		return providers.Answer{}, err
	}
	return p.answer(g, order, o.Plan), nil
}
