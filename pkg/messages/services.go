package messages

// Names of the NATS micro services.
const (
	ServiceOrders   = "orders"
	ServiceOperator = "operator"
)

// Service is the name of the provider's own micro service.
func (p Provider) Service() string { return "provider-" + string(p) }

// OrdersMethods lists the methods of the service orders.
func OrdersMethods() []string { return []string{"get", "history", "list"} }

// OperatorMethods lists the methods of the service operator.
func OperatorMethods() []string { return []string{"list", "get", "history", "resolve", "lane"} }

// ServiceMethods lists the methods of the provider's service.
func (p Provider) ServiceMethods() []string {
	switch p {
	case BalanceSteam:
		return []string{"balance", "check_login", "gift_card_price"}
	case SkinsBack:
		return []string{"deposit_status"}
	case GamesDrop:
		return []string{"balance", "balance_transactions", "find_offer", "order_status", "check_player", "telegram_user"}
	case Exchanger:
		return []string{
			"test", "direction_currencies", "directions", "direction", "calc", "exchanges", "bid_info",
			"partner_info", "partner_links", "partner_exchanges", "partner_payouts",
		}
	case NoProvider:
		return nil
	default:
		return nil
	}
}

// OpenToUpstream reports whether an upstream account may call the method of a
// provider's service: questions about goods are open, balances, lists and
// histories are the operator's.
func OpenToUpstream(method string) bool {
	switch method {
	case "gift_card_price", "check_login", "find_offer", "check_player", "telegram_user",
		"direction_currencies", "directions", "direction", "calc":
		return true
	default:
		return false
	}
}

// OrdersServiceSubject is where a method of the service orders is asked. The
// tenant is in the subject, where permissions can see it.
func OrdersServiceSubject(tenant, method string) string { return "svc.orders." + tenant + "." + method }

// OperatorServiceSubject is where a method of the service operator is asked.
func OperatorServiceSubject(method string) string { return "svc.operator." + method }

// ProviderServiceSubject is where a method of a provider's service is asked.
func ProviderServiceSubject(p Provider, method string) string {
	return "svc.providers." + string(p) + "." + method
}
