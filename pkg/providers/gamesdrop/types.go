package gamesdrop

import (
	"bytes"
	"encoding/json"
)

// BalanceResponse answers GET /api/v1/balance.
type BalanceResponse struct {
	Balance      Amount          `json:"balance"`
	DraftBalance Amount          `json:"draftBalance"` // funds in processing
	Currency     BalanceCurrency `json:"currency"`
}

// BalanceCurrency is the currency of the balance. The code is always USD,
// whatever currency the offers are priced in.
type BalanceCurrency struct {
	ID   ID   `json:"id"`
	Code Text `json:"code"`
}

// TransactionsRequest asks for a page of the balance's history. Zero values
// leave the document's defaults: page 1, 20 entries.
type TransactionsRequest struct {
	Page, Limit int
}

// TransactionsResponse answers GET /api/v1/balance/transactions.
type TransactionsResponse struct {
	Transactions []Transaction `json:"transactions"`
	Total        Integer       `json:"total"`
}

// Transaction is one entry of the balance's history. It names no order and no
// transactionId of ours.
type Transaction struct {
	ID           ID        `json:"id"`
	Amount       Amount    `json:"amount"` // negative for debits
	Type         Text      `json:"type"`   // DEPOSIT, PURCHASE, REFUND
	Description  Text      `json:"description"`
	BalanceAfter Amount    `json:"balanceAfter"`
	CreatedAt    Timestamp `json:"createdAt"`
}

// FindOneRequest is the body of POST /api/v1/offers/find-one.
type FindOneRequest struct {
	OfferID OfferID `json:"offerId"`
}

// FindOneResponse answers find-one.
type FindOneResponse struct {
	OfferID                 OfferID `json:"offerId"`
	ProductName             Text    `json:"productName"`
	OfferName               Text    `json:"offerName"`
	Count                   Integer `json:"count"`
	Price                   Amount  `json:"price"`
	Currency                Text    `json:"currency"` // KZT, USD, EUR, RUB
	IsReturnDataForCustomer Flag    `json:"isReturnDataForCustomer"`
}

// CreateOrderRequest is the body of POST /api/v1/offers/create-order.
type CreateOrderRequest struct {
	OfferID       OfferID   `json:"offerId"`
	Price         Amount    `json:"price"`
	TransactionID string    `json:"transactionId"`
	Customer      *Customer `json:"customer,omitempty"`
}

// Customer is the optional part of a CreateOrderRequest. GameServerID is not
// in the document's table; see the package comment.
type Customer struct {
	Email        string `json:"email,omitempty"`
	GameUserID   string `json:"gameUserId,omitempty"`
	GameServerID string `json:"gameServerId,omitempty"`
}

// OrderStatusRequest is the body of POST /api/v1/offers/order-status.
type OrderStatusRequest struct {
	OrderID ID `json:"orderId"`
}

// The statuses of an order that the document names.
const (
	StatusSubmitted  Text = "SUBMITTED"
	StatusProcessing Text = "PROCESSING"
	StatusCompleted  Text = "COMPLETED"
	StatusCanceled   Text = "CANCELED"
	StatusRefund     Text = "REFUND"
)

// Order answers create-order and order-status. A canceled order of Stars has
// neither price nor offer.
type Order struct {
	OrderID                 ID               `json:"orderId"`
	Count                   Integer          `json:"count,omitzero"`
	Price                   Amount           `json:"price,omitzero"`
	Currency                Text             `json:"currency,omitzero"`
	OfferID                 OfferID          `json:"offerId,omitzero"`
	ProductName             Text             `json:"productName,omitzero"`
	OfferName               Text             `json:"offerName,omitzero"`
	Status                  Text             `json:"status"`
	IsReturnDataForCustomer Flag             `json:"isReturnDataForCustomer,omitzero"`
	Message                 Text             `json:"message,omitzero"` // with CANCELED
	Key                     Key              `json:"key,omitzero"`
	FulfillmentData         *FulfillmentData `json:"fulfillmentData,omitzero"` // Stars only
	CreatedAt               Timestamp        `json:"createdAt"`
}

// FulfillmentData says how the delivery of Stars went.
type FulfillmentData struct {
	TelegramUserID ID      `json:"telegram_user_id"`
	StarsAmount    Integer `json:"stars_amount"`
	TransactionID  Text    `json:"transaction_id,omitzero"`
	DeliveryStatus Text    `json:"delivery_status"` // completed, failed
	ErrorMessage   Text    `json:"error_message,omitzero"`
}

// UnmarshalJSON reads an object, and takes anything else for an empty one: the
// order around it still has to be readable.
func (d *FulfillmentData) UnmarshalJSON(b []byte) error {
	type plain FulfillmentData
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		*d = FulfillmentData{}
		return nil
	}
	return json.Unmarshal(b, (*plain)(d))
}

// CheckGameDataRequest is the body of POST /api/v1/offers/check-game-data.
type CheckGameDataRequest struct {
	OfferID      OfferID `json:"offerId"`
	GameUserID   string  `json:"gameUserId"`
	GameServerID string  `json:"gameServerId,omitempty"`
}

// The statuses of a player.
const (
	PlayerValid   Text = "VALID"
	PlayerInvalid Text = "INVALID"
)

// CheckGameDataResponse answers check-game-data.
type CheckGameDataResponse struct {
	Status        Text `json:"status"`
	GameUserLogin Text `json:"gameUserLogin,omitempty"`
}

// TelegramUserRequest is the body of the validation of Telegram users:
// "@name", "name" or a numeric id.
type TelegramUserRequest struct {
	Username string `json:"username"`
}

// TelegramUserResponse answers the validation of Telegram users. Valid speaks
// of the form of the name only; whether Stars can be sent is whether there is
// a UserInfo.ID.
type TelegramUserResponse struct {
	Valid    Flag             `json:"valid"`
	Username Text             `json:"username"` // without @
	UserInfo TelegramUserInfo `json:"userInfo"`
	Message  Text             `json:"message"`
}

// TelegramUserInfo is what is known of a Telegram user.
type TelegramUserInfo struct {
	ID        ID   `json:"id,omitzero"`
	FirstName Text `json:"first_name"`
	Username  Text `json:"username"`
	PhotoURL  Text `json:"photo_url,omitempty"`
}
