package skinsback

import "github.com/beltline-io/beltline/pkg/money"

// CreateRequest holds the parameters of method create. Zero values are not
// sent.
type CreateRequest struct {
	OrderID    string // ours, unique
	SteamID    string // the customer's account; they may change it while paying
	TradeToken string // 8 characters, of the trade URL
	Currency   string // required with MinAmount and MaxAmount
	ResultURL  string // where the webhook goes, instead of the project's own
	FailURL    string
	SuccessURL string
	MinAmount  *money.Decimal
	MaxAmount  *money.Decimal // above MinAmount
	Widget     bool           // asks for a URL to be shown in an iframe
	Game       string         // cs2, dota2, rust
	// CustomMultiplier is 0.5 to 2 and replaces the project's.
	CustomMultiplier *money.Decimal
	// CustomCurrency, of at most 4 characters, and CustomCurrencyRate, at least
	// 0.1, are given together.
	CustomCurrency     string
	CustomCurrencyRate *money.Decimal
}

// CreateResponse answers create.
type CreateResponse struct {
	URL           Text `json:"url"` // where the customer pays
	TransactionID ID   `json:"transaction_id"`
}

// OrderStatusRequest asks by one of the two.
type OrderStatusRequest struct{ TransactionID, OrderID string }

// The statuses of a deposit that the document names. In an answer to create,
// "success" means only that the request was taken.
const (
	StatusSuccess      Text = "success"
	StatusPending      Text = "pending"
	StatusFail         Text = "fail"
	StatusInHold       Text = "in_hold"
	StatusHoldApproved Text = "hold_approved"
	StatusHoldReturned Text = "hold_returned"
)

// The reasons of a fail that the document names.
const (
	ReasonTimeout       Text = "timeout"        // no skins were chosen in time
	ReasonTradeTimeout  Text = "trade_timeout"  // the trade was not accepted in time
	ReasonTradeCanceled Text = "trade_canceled" // the trade was canceled
)

// Deposit answers orderstatus, and is what a webhook tells. The sums are there
// only with success, in_hold and hold_approved.
type Deposit struct {
	Status                 Text    `json:"status"`
	TransactionID          ID      `json:"transaction_id"`
	OrderID                Text    `json:"order_id"`
	SteamID                Text    `json:"steam_id"`
	Date                   Unix    `json:"date"`
	Amount                 Amount  `json:"amount"` // what the customer gave
	AmountCurrency         Text    `json:"amount_currency"`
	AmountInCurrencies     Amounts `json:"amount_in_currencies"`
	UserAmount             Amount  `json:"user_amount"` // with the project's multiplier
	UserAmountInCurrencies Amounts `json:"user_amount_in_currencies"`
	OfferDate              Unix    `json:"offer_date"`
	InHoldUntil            Unix    `json:"in_hold_until"`
	TradeOfferID           Text    `json:"trade_offer_id"`
	SkinsSendDate          Unix    `json:"skins_send_date"`
	CustomCurrency         Text    `json:"custom_currency"`
	CustomCurrencyRate     Amount  `json:"custom_currency_rate"`
	CustomCurrencySum      Amount  `json:"custom_currency_sum"`
	Reason                 Text    `json:"reason"` // only with fail
}
