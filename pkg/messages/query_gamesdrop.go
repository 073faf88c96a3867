package messages

import (
	"time"

	"github.com/beltline-io/beltline/pkg/money"
)

// The questions to GamesDrop.
type (
	// DropBalanceQuery asks for our balance.
	DropBalanceQuery struct{}
	// BalanceTransactionsQuery asks for a page of the balance's history.
	BalanceTransactionsQuery struct {
		Page  int64 `json:"page,omitempty"`
		Limit int64 `json:"limit,omitempty"`
	}
	// FindOfferQuery asks for an offer and its price, by one of the two.
	FindOfferQuery struct {
		OfferID int64 `json:"offer_id,omitempty"`
		Stars   int64 `json:"stars,omitempty"`
	}
	// OrderStatusQuery asks what has become of an order of theirs.
	OrderStatusQuery struct {
		OrderID string `json:"order_id"`
	}
	// CheckPlayerQuery asks whether a player exists.
	CheckPlayerQuery struct {
		OfferID      int64  `json:"offer_id"`
		GameUserID   string `json:"game_user_id"`
		GameServerID string `json:"game_server_id,omitempty"`
	}
	// TelegramUserQuery asks who a Telegram user is.
	TelegramUserQuery struct {
		TelegramUser string `json:"telegram_user"`
	}
)

// The answers of GamesDrop.
type (
	// DropBalanceAnswer is our balance.
	DropBalanceAnswer struct {
		Balance      money.Money  `json:"balance"`
		DraftBalance *money.Money `json:"draft_balance" about:"Funds in processing."`
	}
	// BalanceTransactionsAnswer is a page of the balance's history.
	BalanceTransactionsAnswer struct {
		Transactions []BalanceTransaction `json:"transactions"`
		Total        *int64               `json:"total"`
	}
	// BalanceTransaction is one entry of it. It names no order.
	BalanceTransaction struct {
		ID           string         `json:"id"`
		Amount       *money.Decimal `json:"amount" about:"Below zero where it was taken."`
		Type         string         `json:"type" about:"DEPOSIT, PURCHASE or REFUND."`
		Description  string         `json:"description"`
		BalanceAfter *money.Decimal `json:"balance_after"`
		CreatedAt    *time.Time     `json:"created_at"`
	}
	// FindOfferAnswer is an offer and its price.
	FindOfferAnswer struct {
		OfferID     string      `json:"offer_id"`
		ProductName string      `json:"product_name"`
		OfferName   string      `json:"offer_name"`
		Count       *int64      `json:"count"`
		Price       money.Money `json:"price" about:"The price of this moment."`
		ReturnsData *bool       `json:"is_return_data_for_customer" about:"Whether a goods code is given."`
	}
	// OrderStatusAnswer is an order of theirs. The goods code is not told: it
	// appears in the order's event and nowhere else.
	OrderStatusAnswer struct {
		OrderID         string       `json:"order_id"`
		Status          string       `json:"status" about:"SUBMITTED, PROCESSING, COMPLETED, CANCELED or REFUND."`
		OfferID         *string      `json:"offer_id"`
		ProductName     *string      `json:"product_name"`
		OfferName       *string      `json:"offer_name"`
		Count           *int64       `json:"count"`
		Price           *money.Money `json:"price"`
		Message         *string      `json:"message"`
		HasKey          bool         `json:"has_key" about:"Whether a goods code was given. It is told in the order's event and nowhere else."`
		FulfillmentData *Fulfillment `json:"fulfillment_data" about:"How the delivery of Telegram Stars went."`
		CreatedAt       *time.Time   `json:"created_at"`
	}
	// Fulfillment says how the delivery of Stars went.
	Fulfillment struct {
		TelegramUserID *string `json:"telegram_user_id"`
		StarsAmount    *int64  `json:"stars_amount"`
		TransactionID  *string `json:"transaction_id"`
		DeliveryStatus *string `json:"delivery_status"`
		ErrorMessage   *string `json:"error_message"`
	}
	// CheckPlayerAnswer says whether a player exists.
	CheckPlayerAnswer struct {
		Valid         bool    `json:"valid" about:"false also where the offer is not to be had."`
		GameUserLogin *string `json:"game_user_login"`
	}
	// TelegramUserAnswer says who a Telegram user is.
	TelegramUserAnswer struct {
		Found          bool    `json:"found" about:"Whether Stars can be sent: a numeric id was found."`
		TelegramUserID *string `json:"telegram_user_id"`
		Valid          bool    `json:"valid" about:"Whether the form of the name is right."`
		Username       *string `json:"username"`
		FirstName      *string `json:"first_name"`
		Message        *string `json:"message"`
	}
)

var gamesDropMethods = []method{
	{
		name: "balance", about: "Our balance at GamesDrop.", answer: DropBalanceAnswer{},
		made: func(record) any { return DropBalanceQuery{} },
	},
	{
		name: "balance_transactions", about: "A page of the history of our balance.", answer: BalanceTransactionsAnswer{},
		fields: []field{may("page", count(1<<31-1), "From 1."), may("limit", count(100), "Entries of a page; theirs is 20.")},
		made: func(r record) any {
			return BalanceTransactionsQuery{Page: get[int64](r, "page"), Limit: get[int64](r, "limit")}
		},
	},
	{
		name: "find_offer", about: "An offer and its price at this moment.", answer: FindOfferAnswer{}, upstream: true,
		fields: []field{
			may("offer_id", integer(), "The provider's number of the offer."),
			may("stars", integer(50, 100, 500, 1000), "Instead of it: a number of Telegram Stars."),
		},
		either: []string{"offer_id", "stars"},
		made: func(r record) any {
			return FindOfferQuery{OfferID: get[int64](r, "offer_id"), Stars: get[int64](r, "stars")}
		},
	},
	{
		name: "order_status", about: "What has become of an order of theirs.", answer: OrderStatusAnswer{},
		fields: []field{need("order_id", idText(), "provider_ref.order_id of the order's events.")},
		made:   func(r record) any { return OrderStatusQuery{OrderID: get[string](r, "order_id")} },
	},
	{
		name: "check_player", about: "Whether a player exists.", answer: CheckPlayerAnswer{}, upstream: true,
		fields: []field{
			need("offer_id", integer(), "The provider's number of the offer."),
			need("game_user_id", text(maxText), "The player's id."),
			may("game_server_id", text(maxText), "The player's server, where the offer needs one."),
		},
		made: func(r record) any {
			return CheckPlayerQuery{
				OfferID: get[int64](r, "offer_id"), GameUserID: get[string](r, "game_user_id"), GameServerID: get[string](r, "game_server_id"),
			}
		},
	},
	{
		name: "telegram_user", about: "Who a Telegram user is, and whether Stars can be sent.", answer: TelegramUserAnswer{}, upstream: true,
		fields: []field{need("telegram_user", text(maxText), "A numeric id, @name or name.")},
		made:   func(r record) any { return TelegramUserQuery{TelegramUser: get[string](r, "telegram_user")} },
	},
}

// Asks names the method.
func (DropBalanceQuery) Asks() (Provider, string) { return GamesDrop, "balance" }

// Asks names the method.
func (BalanceTransactionsQuery) Asks() (Provider, string) { return GamesDrop, "balance_transactions" }

// Asks names the method.
func (FindOfferQuery) Asks() (Provider, string) { return GamesDrop, "find_offer" }

// Asks names the method.
func (OrderStatusQuery) Asks() (Provider, string) { return GamesDrop, "order_status" }

// Asks names the method.
func (CheckPlayerQuery) Asks() (Provider, string) { return GamesDrop, "check_player" }

// Asks names the method.
func (TelegramUserQuery) Asks() (Provider, string) { return GamesDrop, "telegram_user" }
