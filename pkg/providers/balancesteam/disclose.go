package balancesteam

import (
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
)

// disclosure names the fields that the record of a request may show. The key
// stands in every form, and our balance is nobody's business who only orders.
func disclosure(key secret.String) *providerhttp.Disclosure {
	return providerhttp.Disclose(
		[]string{"steam_login", "login_or_email", "service_id", "amount", "error", "status", "id", "price"},
		[]string{"message"},
		key)
}
