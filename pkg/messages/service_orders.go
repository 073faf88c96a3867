package messages

import (
	"encoding/json"
	"time"
)

// Limits of a page of orders.
const (
	DefaultPage = 50
	MaxPage     = 200
)

// OrderAsked names an order in a question about it.
type OrderAsked struct {
	Tenant string `json:"tenant,omitempty"` // of the service operator; elsewhere it is in the subject
	ID     string `json:"id"`
}

// OrdersAsked narrows a list of orders. Zero values do not narrow it.
type OrdersAsked struct {
	Tenant        string
	Provider      Provider
	State         Type
	NeedsOperator *bool
	// OlderThan keeps the orders whose last event is at least so old.
	OlderThan time.Duration
	Limit     int
	Cursor    string
}

// MarshalJSON writes the request that [DecodeOrdersList] and
// [DecodeOperatorList] read.
func (o OrdersAsked) MarshalJSON() ([]byte, error) {
	older := ""
	if o.OlderThan > 0 {
		older = o.OlderThan.String()
	}
	return json.Marshal(struct {
		Tenant        string   `json:"tenant,omitempty"`
		Provider      Provider `json:"provider,omitempty"`
		State         Type     `json:"state,omitempty"`
		NeedsOperator *bool    `json:"needs_operator,omitempty"`
		OlderThan     string   `json:"older_than,omitempty"`
		Limit         int      `json:"limit,omitempty"`
		Cursor        string   `json:"cursor,omitempty"`
	}{o.Tenant, o.Provider, o.State, o.NeedsOperator, older, o.Limit, o.Cursor})
}

// OrderPage is a page of orders, those that were accepted last first.
type OrderPage struct {
	Orders []Event `json:"orders" about:"The last event of each order, those that were accepted last first."`
	Cursor string  `json:"cursor,omitempty" about:"Where there may be more: the cursor of the next page. A page with a cursor may be shorter than the limit, and even empty."`
}

var ordersMethods = []method{
	{
		name: "get", about: "The last event of an order.", fields: askOrderFields(), made: madeOrderAsked,
		answer: schema{"$ref": "event.json"}, upstream: true,
	},
	{
		name: "history", about: "All events of an order, in the order of n.", fields: askOrderFields(), made: madeOrderAsked,
		answer: schema{"type": "array", "items": schema{"$ref": "event.json"}}, upstream: true,
	},
	{
		name: "list", about: "The orders of the tenant, those that were accepted last first.", fields: listFields(), made: madeOrdersAsked,
		answer: OrderPage{}, upstream: true,
	},
}

func askOrderFields() []field { return []field{need("id", orderID(), "The order.")} }

func listFields() []field {
	return []field{
		may("provider", oneOf(Providers()...), "Orders of this provider."),
		may("state", oneOf(States()...), "Orders in this state."),
		may("needs_operator", boolean(), "Orders that need an operator, or those that do not."),
		may("older_than", duration(), `Orders whose last event is at least so old, such as "1h".`),
		may("limit", count(MaxPage), "How many at most; 50 where it is missing."),
		may("cursor", text(maxText), "The cursor of the page before."),
	}
}

func madeOrderAsked(r record) any {
	return OrderAsked{Tenant: get[string](r, "tenant"), ID: get[string](r, "id")}
}

func madeOrdersAsked(r record) any {
	limit := int(get[int64](r, "limit"))
	if limit == 0 {
		limit = DefaultPage
	}
	return OrdersAsked{
		Tenant: get[string](r, "tenant"), Provider: get[Provider](r, "provider"), State: get[Type](r, "state"),
		NeedsOperator: optional[bool](r, "needs_operator"), OlderThan: get[time.Duration](r, "older_than"),
		Limit: limit, Cursor: get[string](r, "cursor"),
	}
}

// DecodeOrdersAsk reads a question of get or history of the service orders.
func DecodeOrdersAsk(body []byte) (OrderAsked, error) {
	return decodeRequest[OrderAsked](ordersMethods[0], body)
}

// DecodeOrdersList reads a question of list of the service orders.
func DecodeOrdersList(body []byte) (OrdersAsked, error) {
	return decodeRequest[OrdersAsked](ordersMethods[2], body)
}
