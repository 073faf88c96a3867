package messages

import (
	"time"

	"github.com/beltline-io/beltline/pkg/money"
)

// The questions to BalanceSteam.
type (
	// SteamBalanceQuery asks for our balance.
	SteamBalanceQuery struct{}
	// CheckLoginQuery asks whether a Steam login can be topped up.
	CheckLoginQuery struct {
		Login string `json:"login"`
	}
	// GiftCardPriceQuery asks what a gift card costs.
	GiftCardPriceQuery struct {
		ServiceID int64  `json:"service_id"`
		Email     string `json:"email,omitempty"`
	}
)

// The answers of BalanceSteam.
type (
	// SteamBalanceAnswer is our balance.
	SteamBalanceAnswer struct {
		Balance money.Money `json:"balance"`
	}
	// CheckLoginAnswer says whether a Steam login can be topped up.
	CheckLoginAnswer struct {
		Status bool `json:"status" about:"Whether the login can be topped up: false where it is wrong, or its region is not served."`
	}
	// GiftCardPriceAnswer is what a gift card costs us, commission included.
	GiftCardPriceAnswer struct {
		Price money.Money `json:"price" about:"What it costs us, commission included. It changes every ten minutes or so; a create takes no price."`
	}
)

var balanceSteamMethods = []method{
	{
		name: "balance", about: "Our balance at BalanceSteam.", answer: SteamBalanceAnswer{},
		made: func(record) any { return SteamBalanceQuery{} },
	},
	{
		name: "check_login", about: "Whether a Steam login can be topped up.", answer: CheckLoginAnswer{}, upstream: true,
		fields: []field{need("login", text(maxText), "The Steam login, exactly as Steam has it.")},
		made:   func(r record) any { return CheckLoginQuery{Login: get[string](r, "login")} },
	},
	{
		name: "gift_card_price", about: "Whether a gift card is to be had, and what it costs.", answer: GiftCardPriceAnswer{}, upstream: true,
		fields: []field{
			need("service_id", integer(), "The provider's number of the card."),
			may("email", email(), "Where the card would be mailed. The price is the same for any address."),
		},
		made: func(r record) any {
			return GiftCardPriceQuery{ServiceID: get[int64](r, "service_id"), Email: get[string](r, "email")}
		},
	},
}

// DepositStatusQuery asks what has become of a deposit, by one of the two.
type DepositStatusQuery struct {
	OrderID       string `json:"order_id,omitempty"`
	TransactionID string `json:"transaction_id,omitempty"`
}

// DepositStatusAnswer is a deposit as SkinsBack tells it.
type DepositStatusAnswer struct {
	Status                 string                   `json:"status" about:"pending, success, fail, in_hold, hold_approved or hold_returned."`
	TransactionID          string                   `json:"transaction_id"`
	OrderID                string                   `json:"order_id" about:"Our reference."`
	SteamID                string                   `json:"steam_id"`
	Date                   *time.Time               `json:"date"`
	Amount                 *money.Money             `json:"amount" about:"What the customer gave."`
	UserAmount             *money.Money             `json:"user_amount" about:"With the project's multiplier."`
	AmountInCurrencies     map[string]money.Decimal `json:"amount_in_currencies" about:"By currency code."`
	UserAmountInCurrencies map[string]money.Decimal `json:"user_amount_in_currencies" about:"By currency code."`
	OfferDate              *time.Time               `json:"offer_date"`
	InHoldUntil            *time.Time               `json:"in_hold_until"`
	TradeOfferID           *string                  `json:"trade_offer_id"`
	SkinsSendDate          *time.Time               `json:"skins_send_date"`
	CustomCurrency         *string                  `json:"custom_currency"`
	CustomCurrencyRate     *money.Decimal           `json:"custom_currency_rate"`
	CustomCurrencySum      *money.Decimal           `json:"custom_currency_sum"`
	Reason                 *string                  `json:"reason" about:"Why it failed: timeout, trade_timeout or trade_canceled."`
}

var skinsBackMethods = []method{
	{
		name: "deposit_status", about: "What has become of a deposit.", answer: DepositStatusAnswer{},
		fields: []field{
			may("order_id", text(maxText), "Our reference: provider_ref.reference of the order's events."),
			may("transaction_id", idText(), "SkinsBack's number: provider_ref.transaction_id."),
		},
		either: []string{"order_id", "transaction_id"},
		made: func(r record) any {
			return DepositStatusQuery{OrderID: get[string](r, "order_id"), TransactionID: get[string](r, "transaction_id")}
		},
	},
}

// Asks names the method.
func (SteamBalanceQuery) Asks() (Provider, string) { return BalanceSteam, "balance" }

// Asks names the method.
func (CheckLoginQuery) Asks() (Provider, string) { return BalanceSteam, "check_login" }

// Asks names the method.
func (GiftCardPriceQuery) Asks() (Provider, string) { return BalanceSteam, "gift_card_price" }

// Asks names the method.
func (DepositStatusQuery) Asks() (Provider, string) { return SkinsBack, "deposit_status" }
