package messages

import (
	"time"

	"github.com/beltline-io/beltline/pkg/money"
)

// The questions to an exchanger.
type (
	// ExchangerTestQuery asks who we are to the exchanger.
	ExchangerTestQuery struct{}
	// CurrencyFilter narrows a question to currencies; both are optional.
	CurrencyFilter struct {
		GiveID string `json:"currency_id_give,omitempty"`
		GetID  string `json:"currency_id_get,omitempty"`
	}
	// DirectionCurrenciesQuery asks which currencies are exchanged.
	DirectionCurrenciesQuery struct{ CurrencyFilter }
	// DirectionsQuery asks which directions there are.
	DirectionsQuery struct{ CurrencyFilter }
	// DirectionQuery asks for a direction: rates, bounds and fields.
	DirectionQuery struct {
		DirectionID string `json:"direction_id"`
	}
	// CalcQuery asks what an exchange would cost and bring.
	CalcQuery struct {
		DirectionID string            `json:"direction_id"`
		Amount      money.Decimal     `json:"amount"`
		AmountSide  string            `json:"amount_side"`
		AccountFrom string            `json:"account_from,omitempty"`
		AccountTo   string            `json:"account_to,omitempty"`
		Fields      map[string]string `json:"fields,omitempty"`
	}
	// TimeWindow narrows a list to a time, by the site's clock.
	TimeWindow struct {
		StartTime *time.Time `json:"start_time,omitempty"`
		EndTime   *time.Time `json:"end_time,omitempty"`
		Limit     int64      `json:"limit,omitempty"`
	}
	// ExchangesQuery asks for the bids of our key.
	ExchangesQuery struct {
		TimeWindow
		IP            string `json:"ip,omitempty"`
		ID            string `json:"id,omitempty"`
		APIID         string `json:"api_id,omitempty"`
		StatusHistory bool   `json:"status_history,omitempty"`
		Offset        int64  `json:"offset,omitempty"`
	}
	// BidInfoQuery asks for a bid, by one of the two.
	BidInfoQuery struct {
		ID   string `json:"id,omitempty"`
		Hash string `json:"hash,omitempty"`
	}
	// PartnerInfoQuery asks what the partner has earned.
	PartnerInfoQuery struct{}
	// PartnerLinksQuery asks for the visits through the partner's link.
	PartnerLinksQuery struct {
		TimeWindow
		IP string `json:"ip,omitempty"`
	}
	// PartnerExchangesQuery asks for the bids of customers that the partner brought.
	PartnerExchangesQuery struct {
		TimeWindow
		IP            string `json:"ip,omitempty"`
		ID            string `json:"id,omitempty"`
		StatusHistory bool   `json:"status_history,omitempty"`
	}
	// PartnerPayoutsQuery asks for the payouts of what the partner has earned.
	PartnerPayoutsQuery struct {
		TimeWindow
		ID string `json:"id,omitempty"`
	}
)

const maxRows = 1000

func currencyFields() []field {
	return []field{
		may("currency_id_give", idText(), "The currency that is given."), may("currency_id_get", idText(), "The currency that is got."),
	}
}

func windowFields(more ...field) []field {
	return append([]field{
		may("start_time", instant(), "From then on, by the site's clock."), may("end_time", instant(), "Until then."),
		may("limit", count(maxRows), "How many at most."),
	}, more...)
}

func currencyFilter(r record) CurrencyFilter {
	return CurrencyFilter{GiveID: get[string](r, "currency_id_give"), GetID: get[string](r, "currency_id_get")}
}

func timeWindow(r record) TimeWindow {
	return TimeWindow{StartTime: optional[time.Time](r, "start_time"), EndTime: optional[time.Time](r, "end_time"), Limit: get[int64](r, "limit")}
}

var (
	ipField      = may("ip", text(64), "Of the customer.")
	historyField = may("status_history", boolean(), "Tells the changes of status as well.")
	hashRule     = form(`^[A-Za-z0-9]{1,128}$`, "letters and digits", 128)
)

var exchangerMethods = []method{
	{
		name: "test", about: "Who we are to the exchanger: a harmless question that shows whether the key works.", answer: ExchangerTestAnswer{},
		made: func(record) any { return ExchangerTestQuery{} },
	},
	{
		name: "direction_currencies", about: "Which currencies are exchanged.", fields: currencyFields(), upstream: true,
		made: func(r record) any { return DirectionCurrenciesQuery{currencyFilter(r)} }, answer: DirectionCurrenciesAnswer{},
	},
	{
		name: "directions", about: "Which directions there are.", fields: currencyFields(), upstream: true,
		made: func(r record) any { return DirectionsQuery{currencyFilter(r)} }, answer: DirectionsAnswer{},
	},
	{
		name: "direction", about: "A direction: its rates, its bounds, and what a bid must say.", upstream: true, answer: DirectionAnswer{},
		fields: []field{need("direction_id", idText(), "The exchanger's id of the direction.")},
		made:   func(r record) any { return DirectionQuery{DirectionID: get[string](r, "direction_id")} },
	},
	{
		name: "calc", about: "What an exchange would cost and bring.", upstream: true, answer: CalcAnswer{}, fields: []field{
			need("direction_id", idText(), "The exchanger's id of the direction."),
			need("amount", decimal(bounds{}), "In the currency of amount_side."),
			need("amount_side", oneOf("give", "get", "give_with_fee", "get_with_fee"), "What amount speaks of."),
			may("account_from", text(maxText), "The account the customer pays from."),
			may("account_to", text(maxText), "The account the customer is paid to."),
			may("fields", texts(exchangeFieldName, 8<<10), "The direction's fields that have cd."),
		},
		made: func(r record) any {
			return CalcQuery{
				DirectionID: get[string](r, "direction_id"), Amount: get[money.Decimal](r, "amount"), AmountSide: get[string](r, "amount_side"),
				AccountFrom: get[string](r, "account_from"), AccountTo: get[string](r, "account_to"), Fields: get[map[string]string](r, "fields"),
			}
		},
	},
	{
		name: "exchanges", about: "The bids of our key.", answer: ExchangesAnswer{},
		fields: windowFields(ipField, may("id", idText(), "Of the bid."), may("api_id", idText(), "Our reference."), historyField, may("offset", offset(), "")),
		made: func(r record) any {
			return ExchangesQuery{
				TimeWindow: timeWindow(r), IP: get[string](r, "ip"), ID: get[string](r, "id"), APIID: get[string](r, "api_id"),
				StatusHistory: get[bool](r, "status_history"), Offset: get[int64](r, "offset"),
			}
		},
	},
	{
		name: "bid_info", about: "A bid.", answer: BidInfoAnswer{}, either: []string{"id", "hash"},
		fields: []field{may("id", idText(), "provider_ref.id of the order's events."), may("hash", hashRule, "provider_ref.hash.")},
		made:   func(r record) any { return BidInfoQuery{ID: get[string](r, "id"), Hash: get[string](r, "hash")} },
	},
	{
		name: "partner_info", about: "What the partner has earned, and how it may be paid out.", answer: PartnerInfoAnswer{},
		made: func(record) any { return PartnerInfoQuery{} },
	},
	{
		name: "partner_links", about: "The visits through the partner's link.", answer: PartnerLinksAnswer{}, fields: windowFields(ipField),
		made: func(r record) any { return PartnerLinksQuery{TimeWindow: timeWindow(r), IP: get[string](r, "ip")} },
	},
	{
		name: "partner_exchanges", about: "The bids of customers that the partner brought.", answer: PartnerExchangesAnswer{},
		fields: windowFields(ipField, may("id", idText(), "Of the bid."), historyField),
		made: func(r record) any {
			return PartnerExchangesQuery{
				TimeWindow: timeWindow(r), IP: get[string](r, "ip"), ID: get[string](r, "id"), StatusHistory: get[bool](r, "status_history"),
			}
		},
	},
	{
		name: "partner_payouts", about: "The payouts of what the partner has earned.", answer: PartnerPayoutsAnswer{},
		fields: windowFields(may("id", idText(), "Of the payout.")),
		made:   func(r record) any { return PartnerPayoutsQuery{TimeWindow: timeWindow(r), ID: get[string](r, "id")} },
	},
}

// Asks names the method.
func (ExchangerTestQuery) Asks() (Provider, string) { return Exchanger, "test" }

// Asks names the method.
func (DirectionCurrenciesQuery) Asks() (Provider, string) { return Exchanger, "direction_currencies" }

// Asks names the method.
func (DirectionsQuery) Asks() (Provider, string) { return Exchanger, "directions" }

// Asks names the method.
func (DirectionQuery) Asks() (Provider, string) { return Exchanger, "direction" }

// Asks names the method.
func (CalcQuery) Asks() (Provider, string) { return Exchanger, "calc" }

// Asks names the method.
func (ExchangesQuery) Asks() (Provider, string) { return Exchanger, "exchanges" }

// Asks names the method.
func (BidInfoQuery) Asks() (Provider, string) { return Exchanger, "bid_info" }

// Asks names the method.
func (PartnerInfoQuery) Asks() (Provider, string) { return Exchanger, "partner_info" }

// Asks names the method.
func (PartnerLinksQuery) Asks() (Provider, string) { return Exchanger, "partner_links" }

// Asks names the method.
func (PartnerExchangesQuery) Asks() (Provider, string) { return Exchanger, "partner_exchanges" }

// Asks names the method.
func (PartnerPayoutsQuery) Asks() (Provider, string) { return Exchanger, "partner_payouts" }
