package exchanger

import "github.com/beltline-io/beltline/pkg/money"

// CalcAction says what calc_amount speaks of.
type CalcAction int

// The documented actions.
const (
	AmountGive        CalcAction = 1 // the currency given
	AmountGet         CalcAction = 2 // the currency got
	AmountGiveWithFee CalcAction = 3
	AmountGetWithFee  CalcAction = 4
)

// TestResponse answers test.
type TestResponse struct {
	IP        Text `json:"ip"`
	UserID    ID   `json:"user_id"` // 0 for the system
	Locale    Text `json:"locale"`
	PartnerID ID   `json:"partner_id"`
}

// CurrencyFilter narrows get_direction_currencies and get_directions.
type CurrencyFilter struct {
	GiveID, GetID string // both optional
}

// DirectionCurrencies answers get_direction_currencies.
type DirectionCurrencies struct {
	Give List[Currency] `json:"give"`
	Get  List[Currency] `json:"get"`
}

// Currency is a currency of the exchanger.
type Currency struct {
	ID    ID   `json:"id"`
	Title Text `json:"title"`
	Logo  Text `json:"logo"`
}

// DirectionSummary is one line of get_directions.
type DirectionSummary struct {
	DirectionID       ID   `json:"direction_id"`
	CurrencyGiveID    ID   `json:"currency_give_id"`
	CurrencyGiveTitle Text `json:"currency_give_title"`
	CurrencyGiveLogo  Text `json:"currency_give_logo"`
	CurrencyGetID     ID   `json:"currency_get_id"`
	CurrencyGetTitle  Text `json:"currency_get_title"`
	CurrencyGetLogo   Text `json:"currency_get_logo"`
}

// Sums are the rates, amounts and bounds that get_direction and get_calc share.
type Sums struct {
	CurrencyCodeGive Text   `json:"currency_code_give"`
	CurrencyCodeGet  Text   `json:"currency_code_get"`
	Reserve          Amount `json:"reserve"`
	CourseGive       Amount `json:"course_give"`
	CourseGet        Amount `json:"course_get"`
	SumGive          Amount `json:"sum_give"`
	SumGiveCom       Amount `json:"sum_give_com"` // with the fee: what the customer pays
	SumGet           Amount `json:"sum_get"`
	SumGetCom        Amount `json:"sum_get_com"` // with the fee: what arrives
	ComGive          Text   `json:"com_give"`
	ComGet           Text   `json:"com_get"`
	MinGive          Amount `json:"min_give"` // "no": no bound
	MaxGive          Amount `json:"max_give"`
	MinGet           Amount `json:"min_get"`
	MaxGet           Amount `json:"max_get"`
}

// Direction answers get_direction.
type Direction struct {
	ID  ID   `json:"id"`
	URL Text `json:"url"`
	Sums
	Info       DirectionInfo `json:"info"`
	GiveFields List[Field]   `json:"give_fields"`
	GetFields  List[Field]   `json:"get_fields"`
	DirFields  List[Field]   `json:"dir_fields"`
}

// DirectionInfo holds the texts of a direction.
type DirectionInfo struct {
	TimelineText     Text `json:"timeline_text"`
	FrozenText       Text `json:"frozen_text"`
	BeforeButtonText Text `json:"before_button_text"`
}

// Field is something that create_bid needs to know.
type Field struct {
	Name    Text    `json:"name"`
	Type    Text    `json:"type"`
	Label   Text    `json:"label"`
	Req     Flag    `json:"req"`
	Tooltip Text    `json:"tooltip"`
	Options Options `json:"options"` // where Type is select
	CD      Flag    `json:"cd"`      // get_calc wants it as well
}

// FieldOption is one option of a select: create_bid takes the key.
type FieldOption struct {
	Key   string
	Label Text
}

// CalcRequest asks get_calc.
type CalcRequest struct {
	DirectionID string
	Amount      money.Decimal
	Action      CalcAction
	CD          map[string]string // the values of the fields with cd = 1
}

// Calc answers get_calc.
type Calc struct {
	Sums
	Changed Flag `json:"changed"` // the amount asked is not possible, the sums are of another
}

// ExchangesRequest asks get_exchanges. Zero values are not sent.
type ExchangesRequest struct {
	StartTime, EndTime int64 // unix, by the site's clock
	IP, ID, APIID      string
	StatusHistory      bool
	Limit, Offset      int
}

// StatusChange is one line of a bid's history.
type StatusChange struct {
	Time   Text `json:"time"`
	Date   Text `json:"date"`
	Status Text `json:"status"`
}

// Exchange is one bid in get_exchanges.
type Exchange struct {
	ID               ID                 `json:"id"`
	APIID            *Text              `json:"api_id,omitempty"` // nil: not told
	Hash             Text               `json:"hash,omitempty"`
	Time             Text               `json:"time"` // of the last change
	Date             Text               `json:"date"`
	PsysGive         Text               `json:"psys_give"`
	PsysGet          Text               `json:"psys_get"`
	CurrencyCodeGive Text               `json:"currency_code_give"`
	CurrencyCodeGet  Text               `json:"currency_code_get"`
	CourseGive       Amount             `json:"course_give"`
	CourseGet        Amount             `json:"course_get"`
	AmountGive       Amount             `json:"amount_give"`
	AmountGet        Amount             `json:"amount_get"`
	ExchangeSuccess  Text               `json:"exchange_success"` // documented the wrong way round: use Status
	UserHash         Text               `json:"user_hash"`
	UserIP           Text               `json:"user_ip"`
	Status           Text               `json:"status"`
	Statuses         List[StatusChange] `json:"statuses,omitempty"`
}

// CreateBidRequest asks create_bid. Empty fields are not sent.
type CreateBidRequest struct {
	DirectionID, PartnerID, APIID string
	Amount                        money.Decimal
	Action                        CalcAction
	CallbackURL                   string
	Account1, Account2            string            // from, to
	Fields                        map[string]string // cf6, cfgive8 and so on
}

// Bid answers create_bid and bid_info.
type Bid struct {
	URL              Text    `json:"url"`
	ID               ID      `json:"id"`
	Hash             Text    `json:"hash"`
	Status           Text    `json:"status"`
	StatusTitle      Text    `json:"status_title"`
	PsysGive         Text    `json:"psys_give"`
	PsysGet          Text    `json:"psys_get"`
	CurrencyCodeGive Text    `json:"currency_code_give"`
	CurrencyCodeGet  Text    `json:"currency_code_get"`
	AmountGive       Amount  `json:"amount_give"`
	AmountGet        Amount  `json:"amount_get"`
	CourseGive       Amount  `json:"course_give,omitzero"`
	CourseGet        Amount  `json:"course_get,omitzero"`
	APIActions       Actions `json:"api_actions"`
}

// Actions says what the customer must do. Cancel and Pay are "api",
// "disabled" or a link.
type Actions struct {
	Type        Text   `json:"type"`
	Cancel      Text   `json:"cancel"`
	Pay         Text   `json:"pay"`
	PayAmount   Amount `json:"pay_amount"`
	Instruction Text   `json:"instruction"` // with markup, as it came
	Address     Text   `json:"address,omitempty"`
	DestTag     Text   `json:"dest_tag,omitempty"`
}

// BidInfoRequest asks bid_info by either.
type BidInfoRequest struct{ ID, Hash string }

// PartnerInfo answers get_partner_info.
type PartnerInfo struct {
	PartnerID ID                 `json:"partner_id"`
	Balance   Amount             `json:"balance"`
	MinPayout Amount             `json:"min_payout"`
	Items     List[PayoutMethod] `json:"items"`
}

// PayoutMethod is a currency in which payouts can be asked for.
type PayoutMethod struct {
	ID        ID     `json:"id"`
	Title     Text   `json:"title"`
	Comission Text   `json:"comission"` // written so
	Amount    Amount `json:"amount"`
}

// PartnerLinksRequest asks get_partner_links. Zero values are not sent.
type PartnerLinksRequest struct {
	StartTime, EndTime int64
	IP                 string
	Limit              int
}

// PartnerLink is one visit through the partner's link.
type PartnerLink struct {
	Time        Text `json:"time"`
	Date        Text `json:"date"`
	Browser     Text `json:"browser"`
	IP          Text `json:"ip"`
	Referrer    Text `json:"referrer"`
	UserHash    Text `json:"user_hash"`
	QueryString Text `json:"query_string"`
}

// PartnerExchangesRequest asks get_partner_exchanges. Zero values are not sent.
type PartnerExchangesRequest struct {
	StartTime, EndTime int64
	IP, ID             string
	StatusHistory      bool
	Limit              int
}

// PartnerExchange is one bid of a customer whom the partner brought.
type PartnerExchange struct {
	Exchange
	Accrued       Flag   `json:"accrued"`
	PartnerReward Amount `json:"partner_reward"`
}

// PartnerPayoutsRequest asks get_partner_payouts. Zero values are not sent.
type PartnerPayoutsRequest struct {
	StartTime, EndTime int64
	Limit              int
	ID                 string
}

// PartnerPayout is one payout.
type PartnerPayout struct {
	ID                   ID     `json:"id"`
	Time                 Text   `json:"time"`
	Date                 Text   `json:"date"`
	MethodID             ID     `json:"method_id"`
	Account              Text   `json:"account"`
	PayAmount            Amount `json:"pay_amount"`
	PayCurrencyCode      Text   `json:"pay_currency_code"`
	OriginalAmount       Amount `json:"original_amount"`
	OriginalCurrencyCode Text   `json:"original_currency_code"`
	Status               Text   `json:"status"` // 0 waiting, 1 paid, 2 cancelled
}

// AddPartnerPayoutRequest asks add_partner_payout.
type AddPartnerPayoutRequest struct{ MethodID, Account string }

// AddPartnerPayoutResponse answers add_partner_payout.
type AddPartnerPayoutResponse struct {
	PayoutID ID `json:"payout_id"`
}
