package client

import (
	"context"

	"github.com/beltline-io/beltline/pkg/messages"
)

// CheckLogin asks BalanceSteam whether a Steam login can be topped up.
func (c *Client) CheckLogin(ctx context.Context, q messages.CheckLoginQuery) (Answer[messages.CheckLoginAnswer], error) {
	return Ask[messages.CheckLoginAnswer](ctx, c, q)
}

// GiftCardPrice asks BalanceSteam what a gift card costs.
func (c *Client) GiftCardPrice(ctx context.Context, q messages.GiftCardPriceQuery) (Answer[messages.GiftCardPriceAnswer], error) {
	return Ask[messages.GiftCardPriceAnswer](ctx, c, q)
}

// FindOffer asks GamesDrop for an offer, or for Telegram Stars, and the price of
// this moment.
func (c *Client) FindOffer(ctx context.Context, q messages.FindOfferQuery) (Answer[messages.FindOfferAnswer], error) {
	return Ask[messages.FindOfferAnswer](ctx, c, q)
}

// CheckPlayer asks GamesDrop whether a player exists.
func (c *Client) CheckPlayer(ctx context.Context, q messages.CheckPlayerQuery) (Answer[messages.CheckPlayerAnswer], error) {
	return Ask[messages.CheckPlayerAnswer](ctx, c, q)
}

// TelegramUser asks GamesDrop who a Telegram user is.
func (c *Client) TelegramUser(ctx context.Context, q messages.TelegramUserQuery) (Answer[messages.TelegramUserAnswer], error) {
	return Ask[messages.TelegramUserAnswer](ctx, c, q)
}

// DirectionCurrencies asks the exchanger which currencies it exchanges.
func (c *Client) DirectionCurrencies(ctx context.Context, q messages.DirectionCurrenciesQuery) (Answer[messages.DirectionCurrenciesAnswer], error) {
	return Ask[messages.DirectionCurrenciesAnswer](ctx, c, q)
}

// Directions asks the exchanger for its directions.
func (c *Client) Directions(ctx context.Context, q messages.DirectionsQuery) (Answer[messages.DirectionsAnswer], error) {
	return Ask[messages.DirectionsAnswer](ctx, c, q)
}

// Direction asks the exchanger for a direction: its rates, its bounds, and what
// an order must bring.
func (c *Client) Direction(ctx context.Context, q messages.DirectionQuery) (Answer[messages.DirectionAnswer], error) {
	return Ask[messages.DirectionAnswer](ctx, c, q)
}

// Calc asks the exchanger what an exchange would cost and bring.
func (c *Client) Calc(ctx context.Context, q messages.CalcQuery) (Answer[messages.CalcAnswer], error) {
	return Ask[messages.CalcAnswer](ctx, c, q)
}
