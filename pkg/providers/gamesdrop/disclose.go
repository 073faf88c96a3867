package gamesdrop

import (
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
)

// disclosure names the fields that the record of a request may show. The key of
// a gift card is not among them, nor the customer's address; texts for people
// are not where the order is sealed, because they may quote what was sold.
func disclosure(token secret.String) *providerhttp.Disclosure {
	return providerhttp.Disclose(
		[]string{
			"offerId", "price", "currency", "count", "transactionId", "orderId", "gameUserId", "gameServerId", "username",
			"status", "createdAt", "code", "error", "statusCode", "valid", "delivery_status",
		},
		[]string{
			"productName", "offerName", "message", "gameUserLogin", "id",
			"telegram_user_id", "stars_amount", "transaction_id", "error_message",
		},
		token)
}
