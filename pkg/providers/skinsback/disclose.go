package skinsback

import (
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
)

// disclosure names the fields that the record of a request may show. The trade
// token is the customer's secret; the addresses hold the token of a callback or
// lead to where the customer pays.
func disclosure(clientSecret secret.String) *providerhttp.Disclosure {
	return providerhttp.Disclose(
		[]string{
			"method", "order_id", "transaction_id", "steam_id", "currency", "min_amount", "max_amount", "game", "widget",
			"custom_multiplier", "custom_currency", "custom_currency_rate",
			"status", "reason", "error_code", "error_message", "date", "offer_date", "in_hold_until", "skins_send_date", "trade_offer_id",
		},
		[]string{"amount", "amount_currency", "user_amount", "custom_currency_sum"},
		clientSecret)
}
