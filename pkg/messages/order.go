package messages

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
)

// Order is a decoded, valid order.
type Order struct {
	ID        string
	Provider  Provider
	Kind      Kind
	Params    Params
	MaxCost   *money.Money // nil when upstream set no limit
	ExpiresAt *time.Time   // not placed after it
	SealTo    string       // an xkey public key, or empty
	Metadata  map[string]string
	Raw       json.RawMessage // as submitted
}

// Params is one of the parameter types of this package, one for each kind.
type Params interface{ params() }

// TopupParams are the params of a BalanceSteam `topup`. The amount is in RUB.
type TopupParams struct {
	Login  string
	Amount money.Decimal
}

// GiftCardParams are the params of a BalanceSteam `gift_card`.
type GiftCardParams struct {
	ServiceID int64
	Email     string
}

// DepositParams are the params of a SkinsBack `deposit`. Amounts are in
// Currency; empty texts and nil amounts were not given.
type DepositParams struct {
	SteamID, TradeToken  string
	Currency             string
	MinAmount, MaxAmount *money.Decimal
	Game                 string
	Widget               bool
	SuccessURL, FailURL  string
	CustomMultiplier     *money.Decimal
	CustomCurrency       string
	CustomCurrencyRate   *money.Decimal
}

// OfferParams are the params of a GamesDrop `offer`.
type OfferParams struct {
	OfferID                         int64
	Email, GameUserID, GameServerID string
}

// TelegramStarsParams are the params of a GamesDrop `telegram_stars`.
// TelegramUser is a numeric id, "@name" or "name".
type TelegramStarsParams struct {
	Stars               int64
	TelegramUser, Email string
}

// ExchangeParams are the params of an exchanger `exchange`.
type ExchangeParams struct {
	DirectionID            string
	Amount                 money.Decimal
	AmountSide             string // give, get, give_with_fee or get_with_fee
	AccountFrom, AccountTo string
	Fields                 map[string]string
	PartnerID              string
	MinGet                 *money.Decimal
}

// PartnerPayoutParams are the params of an exchanger `partner_payout`.
type PartnerPayoutParams struct{ MethodID, Account string }

func (TopupParams) params()         {}
func (GiftCardParams) params()      {}
func (DepositParams) params()       {}
func (OfferParams) params()         {}
func (TelegramStarsParams) params() {}
func (ExchangeParams) params()      {}
func (PartnerPayoutParams) params() {}

// Fault is one thing wrong with a body. Pointer is a JSON pointer (RFC 6901)
// to the value, or to where a missing one should stand.
type Fault struct {
	Pointer string `json:"pointer"`
	Message string `json:"message"`
}

// InvalidError says why a body was refused. ID, Provider, Kind and Metadata hold
// what could be read with certainty, and are empty otherwise.
type InvalidError struct {
	ID       string
	Provider Provider
	Kind     Kind
	Metadata map[string]string
	Faults   []Fault // never empty
}

// Error lists every fault.
func (e *InvalidError) Error() string {
	texts := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		at := f.Pointer
		if at == "" {
			at = "body"
		}
		texts[i] = at + ": " + f.Message
	}
	return strings.Join(texts, "; ")
}
