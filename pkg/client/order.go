package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

// Order is what is to be bought. ID and Params are required; the type of Params
// says the provider and the kind:
//
//	messages.TopupParams          a Steam wallet            balancesteam topup
//	messages.GiftCardParams       a gift card by e-mail     balancesteam gift_card
//	messages.DepositParams        a deposit of skins        skinsback deposit
//	messages.OfferParams          a game good or a code     gamesdrop offer
//	messages.TelegramStarsParams  Telegram Stars            gamesdrop telegram_stars
//	messages.ExchangeParams       an exchange               exchanger exchange
//	messages.PartnerPayoutParams  a payout of earnings      exchanger partner_payout
//
// The same Order is always written as the same bytes, so that it can be
// submitted again whenever it is not known whether it was stored.
type Order struct {
	// ID is the order, together with the tenant, for ever: 1 to 64 letters,
	// digits, - and _. Take one that your own books already know.
	ID string
	// Params say what to buy.
	Params messages.Params
	// MaxCost is the most that it may cost. Gift cards, offers and stars require
	// it; the zero value is no limit.
	MaxCost money.Money
	// ExpiresAt: not placed after it; the zero value is never.
	ExpiresAt time.Time
	// SealTo is an xkey public key that the goods are sealed to; empty: not sealed.
	SealTo string
	// Metadata comes back in every event: at most 4 KB.
	Metadata map[string]string
}

type wireOrder struct {
	V         int               `json:"v"`
	ID        string            `json:"id"`
	Provider  messages.Provider `json:"provider"`
	Kind      messages.Kind     `json:"kind"`
	Params    any               `json:"params"`
	MaxCost   *money.Money      `json:"max_cost,omitempty"`
	ExpiresAt *time.Time        `json:"expires_at,omitempty"`
	SealTo    string            `json:"seal_to,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

// Encode checks the order and writes it as it is published. The error is a
// [*messages.InvalidError] with every fault and its JSON pointer.
func (o Order) Encode() ([]byte, error) {
	w := wireOrder{V: messages.Version, ID: o.ID, SealTo: o.SealTo, Metadata: o.Metadata}
	w.Provider, w.Kind, w.Params = wireParams(o.Params)
	if w.Params == nil {
		return nil, &messages.InvalidError{ID: o.ID, Faults: []messages.Fault{{Pointer: "/params", Message: "is required"}}}
	}
	if o.MaxCost.Currency != "" || o.MaxCost.Amount.Sign() != 0 {
		w.MaxCost = &o.MaxCost
	}
	if !o.ExpiresAt.IsZero() {
		at := messages.Stamp(o.ExpiresAt)
		w.ExpiresAt = &at
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // six bytes for one could make an order too long
	if err := enc.Encode(w); err != nil {
		return nil, fmt.Errorf("order %s cannot be written: %w", o.ID, err)
	}
	body := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if _, err := messages.DecodeOrder(body); err != nil {
		return nil, err
	}
	return body, nil
}

// The params as they are written. Names and order are the contract's.
type (
	wireTopup struct {
		Login  string        `json:"login"`
		Amount money.Decimal `json:"amount"`
	}
	wireGiftCard struct {
		ServiceID int64  `json:"service_id"`
		Email     string `json:"email"`
	}
	wireDeposit struct {
		SteamID            string         `json:"steam_id"`
		TradeToken         string         `json:"trade_token"`
		Currency           string         `json:"currency,omitempty"`
		MinAmount          *money.Decimal `json:"min_amount,omitempty"`
		MaxAmount          *money.Decimal `json:"max_amount,omitempty"`
		Game               string         `json:"game,omitempty"`
		Widget             bool           `json:"widget,omitempty"`
		SuccessURL         string         `json:"success_url,omitempty"`
		FailURL            string         `json:"fail_url,omitempty"`
		CustomMultiplier   *money.Decimal `json:"custom_multiplier,omitempty"`
		CustomCurrency     string         `json:"custom_currency,omitempty"`
		CustomCurrencyRate *money.Decimal `json:"custom_currency_rate,omitempty"`
	}
	wireOffer struct {
		OfferID      int64  `json:"offer_id"`
		Email        string `json:"email,omitempty"`
		GameUserID   string `json:"game_user_id,omitempty"`
		GameServerID string `json:"game_server_id,omitempty"`
	}
	wireStars struct {
		Stars        int64  `json:"stars"`
		TelegramUser string `json:"telegram_user"`
		Email        string `json:"email,omitempty"`
	}
	wireExchange struct {
		DirectionID string            `json:"direction_id"`
		Amount      money.Decimal     `json:"amount"`
		AmountSide  string            `json:"amount_side"`
		AccountFrom string            `json:"account_from,omitempty"`
		AccountTo   string            `json:"account_to,omitempty"`
		Fields      map[string]string `json:"fields,omitempty"`
		PartnerID   string            `json:"partner_id,omitempty"`
		MinGet      *money.Decimal    `json:"min_get,omitempty"`
	}
	wirePayout struct {
		MethodID string `json:"method_id"`
		Account  string `json:"account"`
	}
)

// wireParams says what the type of the params stands for, and how they are
// written; nil for none, and for a type of a later version.
func wireParams(p messages.Params) (messages.Provider, messages.Kind, any) {
	switch p := p.(type) {
	case messages.TopupParams:
		return messages.BalanceSteam, messages.Topup, wireTopup(p)
	case messages.GiftCardParams:
		return messages.BalanceSteam, messages.GiftCard, wireGiftCard(p)
	case messages.DepositParams:
		return messages.SkinsBack, messages.Deposit, wireDeposit(p)
	case messages.OfferParams:
		return messages.GamesDrop, messages.Offer, wireOffer(p)
	case messages.TelegramStarsParams:
		return messages.GamesDrop, messages.TelegramStars, wireStars(p)
	case messages.ExchangeParams:
		return messages.Exchanger, messages.Exchange, wireExchange(p)
	case messages.PartnerPayoutParams:
		return messages.Exchanger, messages.PartnerPayout, wirePayout(p)
	default:
		return "", "", nil
	}
}
