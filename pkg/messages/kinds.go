package messages

import "github.com/beltline-io/beltline/pkg/money"

// kindSpec is all that the contract says of the orders of one kind.
type kindSpec struct {
	provider  Provider
	kind      Kind
	about     string
	params    []field
	needs     map[string]string // a param that stands only with another one
	limited   bool              // max_cost is required
	crossed   func(c *checker, at string, rec record)
	newParams func(record) Params
}

// kindSpecs is the one source of the decoder and of the JSON Schemas. It is
// made once, because its patterns cost more to compile than an order to read.
var kindSpecs = []kindSpec{
	topupSpec(), giftCardSpec(), depositSpec(), offerSpec(), telegramStarsSpec(), exchangeSpec(), partnerPayoutSpec(),
}

// Kinds lists the kinds of version 1.
func Kinds() []Kind {
	kinds := make([]Kind, len(kindSpecs))
	for i, s := range kindSpecs {
		kinds[i] = s.kind
	}
	return kinds
}

func kindsOf(p Provider) []Kind {
	var kinds []Kind
	for _, s := range kindSpecs {
		if s.provider == p {
			kinds = append(kinds, s.kind)
		}
	}
	return kinds
}

func topupSpec() kindSpec {
	return kindSpec{
		provider: BalanceSteam, kind: Topup, about: "Tops up a Steam wallet.",
		params: []field{
			need("login", text(maxText), "The Steam login, exactly as Steam has it."),
			need("amount", decimal(bounds{places: 2}), "What to ask for, in RUB."),
		},
		newParams: func(r record) Params {
			return TopupParams{Login: get[string](r, "login"), Amount: get[money.Decimal](r, "amount")}
		},
	}
}

func giftCardSpec() kindSpec {
	return kindSpec{
		provider: BalanceSteam, kind: GiftCard, about: "Buys a gift card, which the provider mails.", limited: true,
		params: []field{
			need("service_id", integer(), "The provider's number of the card."),
			need("email", email(), "Where the provider mails the card."),
		},
		newParams: func(r record) Params {
			return GiftCardParams{ServiceID: get[int64](r, "service_id"), Email: get[string](r, "email")}
		},
	}
}

func depositSpec() kindSpec {
	least, low, high := money.MustDecimal("0.1"), money.MustDecimal("0.5"), money.MustDecimal("2")
	return kindSpec{
		provider: SkinsBack, kind: Deposit, about: "Takes a deposit of skins from a customer.",
		params: []field{
			need("steam_id", form(`^[0-9]{1,20}$`, "a Steam id: digits", 20), "The customer's Steam id."),
			need("trade_token", form(`^[A-Za-z0-9_-]{8}$`, "8 characters, as in the trade URL", 8), "The token of the customer's trade URL."),
			may("currency", form(`^[A-Za-z0-9]{2,10}$`, "a currency code", 10), "Required with min_amount and max_amount."),
			may("min_amount", decimal(bounds{}), "In currency."),
			may("max_amount", decimal(bounds{}), "In currency; greater than min_amount."),
			may("game", oneOf("cs2", "dota2", "rust"), "The inventory that is shown first."),
			may("widget", boolean(), "Asks for a URL to be shown in an iframe."),
			may("success_url", webURL(), "Where the customer goes after success."),
			may("fail_url", webURL(), "Where the customer goes after failure."),
			may("custom_multiplier", decimal(bounds{least: &low, most: &high}), "0.5 to 2."),
			may("custom_currency", text(4), "The name of a currency of your own; with custom_currency_rate."),
			may("custom_currency_rate", decimal(bounds{least: &least}), "At least 0.1; with custom_currency."),
		},
		needs: map[string]string{
			"min_amount": "currency", "max_amount": "currency",
			"custom_currency": "custom_currency_rate", "custom_currency_rate": "custom_currency",
		},
		crossed:   maxAboveMin,
		newParams: newDeposit,
	}
}

func maxAboveMin(c *checker, at string, r record) {
	low, high := optional[money.Decimal](r, "min_amount"), optional[money.Decimal](r, "max_amount")
	if low != nil && high != nil && high.Cmp(*low) <= 0 {
		c.fault(child(at, "max_amount"), "must be greater than min_amount")
	}
}

func newDeposit(r record) Params {
	return DepositParams{
		SteamID: get[string](r, "steam_id"), TradeToken: get[string](r, "trade_token"),
		Currency:  get[string](r, "currency"),
		MinAmount: optional[money.Decimal](r, "min_amount"), MaxAmount: optional[money.Decimal](r, "max_amount"),
		Game: get[string](r, "game"), Widget: get[bool](r, "widget"),
		SuccessURL: get[string](r, "success_url"), FailURL: get[string](r, "fail_url"),
		CustomMultiplier:   optional[money.Decimal](r, "custom_multiplier"),
		CustomCurrency:     get[string](r, "custom_currency"),
		CustomCurrencyRate: optional[money.Decimal](r, "custom_currency_rate"),
	}
}

func offerSpec() kindSpec {
	return kindSpec{
		provider: GamesDrop, kind: Offer, about: "Buys a game good or a gift card.", limited: true,
		params: []field{
			need("offer_id", integer(), "The provider's number of the offer."),
			may("email", email(), "The customer's e-mail address."),
			may("game_user_id", text(maxText), "The player's id, where the offer needs one."),
			may("game_server_id", text(maxText), "The player's server, where the offer needs one."),
		},
		newParams: func(r record) Params {
			return OfferParams{
				OfferID: get[int64](r, "offer_id"), Email: get[string](r, "email"),
				GameUserID: get[string](r, "game_user_id"), GameServerID: get[string](r, "game_server_id"),
			}
		},
	}
}

func telegramStarsSpec() kindSpec {
	return kindSpec{
		provider: GamesDrop, kind: TelegramStars, about: "Buys Telegram Stars.", limited: true,
		params: []field{
			need("stars", integer(50, 100, 500, 1000), "How many stars."),
			need("telegram_user", form(`^@?[A-Za-z0-9_]{1,64}$`, "a numeric id, @name or name", 65), "A numeric id is used as it is; a name is resolved."),
			may("email", email(), "The customer's e-mail address."),
		},
		newParams: func(r record) Params {
			return TelegramStarsParams{
				Stars: get[int64](r, "stars"), TelegramUser: get[string](r, "telegram_user"), Email: get[string](r, "email"),
			}
		},
	}
}

// The names of exchange fields are closed to the exchanger's own form: an open
// name could overwrite calc_amount, api_id or callback_url in the request.
const exchangeFieldName = `^cf(give|get)?[1-9][0-9]{0,2}$`

func exchangeSpec() kindSpec {
	return kindSpec{
		provider: Exchanger, kind: Exchange, about: "Opens an exchange that the customer pays.",
		params: []field{
			need("direction_id", text(maxText), "The exchanger's id of the direction."),
			need("amount", decimal(bounds{}), "In the currency of amount_side."),
			need("amount_side", oneOf("give", "get", "give_with_fee", "get_with_fee"), "What amount speaks of."),
			may("account_from", text(maxText), "The account the customer pays from."),
			may("account_to", text(maxText), "The account the customer is paid to."),
			may("fields", texts(exchangeFieldName, 8<<10), "Further fields of the direction: cf6, cfgive8 and so on."),
			may("partner_id", text(maxText), "The exchanger's id of a partner."),
			may("min_get", decimal(bounds{}), "The least the customer must get."),
		},
		newParams: func(r record) Params {
			return ExchangeParams{
				DirectionID: get[string](r, "direction_id"), Amount: get[money.Decimal](r, "amount"),
				AmountSide: get[string](r, "amount_side"), AccountFrom: get[string](r, "account_from"),
				AccountTo: get[string](r, "account_to"), Fields: get[map[string]string](r, "fields"),
				PartnerID: get[string](r, "partner_id"), MinGet: optional[money.Decimal](r, "min_get"),
			}
		},
	}
}

func partnerPayoutSpec() kindSpec {
	return kindSpec{
		provider: Exchanger, kind: PartnerPayout, about: "Pays out the partner's earnings.",
		params: []field{
			need("method_id", text(maxText), "The exchanger's id of the payout method."),
			need("account", text(maxText), "The account to pay to."),
		},
		newParams: func(r record) Params {
			return PartnerPayoutParams{MethodID: get[string](r, "method_id"), Account: get[string](r, "account")}
		},
	}
}
