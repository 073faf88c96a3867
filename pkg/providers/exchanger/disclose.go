package exchanger

import (
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
)

// disclosure names the fields that the record of a request may show. Accounts
// and the fields of a direction (cf…) are cards and wallets of the customer, the
// address of a callback holds its token, and the hash opens the bid's page. Where
// data is no object it is the new status of a bid.
func disclosure(login, key secret.String) *providerhttp.Disclosure {
	return providerhttp.Disclose(
		[]string{
			"direction_id", "calc_amount", "calc_action", "api_id", "partner_id", "method_id", "id", "payout_id",
			"error", "error_text", "status", "status_title", "psys_give", "psys_get", "currency_code_give", "currency_code_get",
			"data", "amount_give", "course_give", "course_get", "sum_give", "sum_give_com", "changed", "type", "cancel", "pay", "pay_amount",
		},
		[]string{"amount_get", "sum_get", "sum_get_com"},
		login, key)
}

// single are the methods that speak of one order. Lists tell of other
// customers', and go into no record of this one.
var single = map[string]bool{
	"create_bid": true, "bid_info": true, "cancel_bid": true, "pay_bid": true, "add_partner_payout": true, "get_calc": true,
}

// disclose is what the record of a method's request may show; nil for nothing.
func (c *Client) disclose(method string) *providerhttp.Disclosure {
	if !single[method] {
		return nil
	}
	return c.shown
}
