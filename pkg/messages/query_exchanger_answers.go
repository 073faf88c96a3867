package messages

import "github.com/beltline-io/beltline/pkg/money"

// The answers of an exchanger. Texts are plain: the markup of the site is taken
// out. Where a site writes a word instead of a number ("no" for no bound), it is
// null.
type (
	// ExchangerTestAnswer says who we are to the exchanger.
	ExchangerTestAnswer struct {
		IP        *string `json:"ip"`
		UserID    *string `json:"user_id"`
		Locale    *string `json:"locale"`
		PartnerID *string `json:"partner_id"`
	}
	// ExchangerCurrency is a currency of the exchanger.
	ExchangerCurrency struct {
		ID    string  `json:"id"`
		Title string  `json:"title"`
		Logo  *string `json:"logo"`
	}
	// DirectionCurrenciesAnswer lists the currencies that are exchanged.
	DirectionCurrenciesAnswer struct {
		Give []ExchangerCurrency `json:"give"`
		Get  []ExchangerCurrency `json:"get"`
	}
	// DirectionsAnswer lists the directions.
	DirectionsAnswer struct {
		Directions []DirectionSummary `json:"directions"`
	}
	// DirectionSummary is one of them.
	DirectionSummary struct {
		DirectionID       string  `json:"direction_id"`
		CurrencyGiveID    string  `json:"currency_give_id"`
		CurrencyGiveTitle string  `json:"currency_give_title"`
		CurrencyGiveLogo  *string `json:"currency_give_logo"`
		CurrencyGetID     string  `json:"currency_get_id"`
		CurrencyGetTitle  string  `json:"currency_get_title"`
		CurrencyGetLogo   *string `json:"currency_get_logo"`
	}
	// ExchangerSums are the rates, amounts and bounds of a direction.
	ExchangerSums struct {
		CurrencyCodeGive string         `json:"currency_code_give"`
		CurrencyCodeGet  string         `json:"currency_code_get"`
		Reserve          *money.Decimal `json:"reserve"`
		CourseGive       *money.Decimal `json:"course_give"`
		CourseGet        *money.Decimal `json:"course_get"`
		SumGive          *money.Decimal `json:"sum_give"`
		SumGiveCom       *money.Decimal `json:"sum_give_com" about:"With the fee: what the customer pays."`
		SumGet           *money.Decimal `json:"sum_get"`
		SumGetCom        *money.Decimal `json:"sum_get_com" about:"With the fee: what arrives."`
		ComGive          *string        `json:"com_give" about:"The fee as the site words it."`
		ComGet           *string        `json:"com_get"`
		MinGive          *money.Decimal `json:"min_give" about:"null: no bound."`
		MaxGive          *money.Decimal `json:"max_give"`
		MinGet           *money.Decimal `json:"min_get"`
		MaxGet           *money.Decimal `json:"max_get"`
	}
	// DirectionAnswer is a direction.
	DirectionAnswer struct {
		DirectionID string  `json:"direction_id"`
		URL         *string `json:"url" about:"The direction's page at the exchanger."`
		ExchangerSums
		Info       DirectionTexts   `json:"info"`
		GiveFields []DirectionField `json:"give_fields"`
		GetFields  []DirectionField `json:"get_fields"`
		DirFields  []DirectionField `json:"dir_fields"`
	}
	// DirectionTexts are the texts of a direction.
	DirectionTexts struct {
		TimelineText     *string `json:"timeline_text"`
		FrozenText       *string `json:"frozen_text"`
		BeforeButtonText *string `json:"before_button_text"`
	}
	// DirectionField is something that an order must bring.
	DirectionField struct {
		Name    string        `json:"name" about:"account1 is account_from in an order, account2 is account_to; the others stand in fields."`
		Type    string        `json:"type"`
		Label   string        `json:"label"`
		Req     bool          `json:"req" about:"Whether it is required."`
		Tooltip *string       `json:"tooltip"`
		Options []string      `json:"options" about:"The labels of the choices."`
		Choices []FieldChoice `json:"choices" about:"Of a select: what an order may bring."`
		CD      bool          `json:"cd" about:"Whether calc wants it as well."`
	}
	// FieldChoice is one option of a select.
	FieldChoice struct {
		Value string `json:"value" about:"What stands in the order."`
		Label string `json:"label" about:"What the customer is shown."`
	}
	// CalcAnswer is what an exchange would cost and bring.
	CalcAnswer struct {
		ExchangerSums
		Changed bool `json:"changed" about:"The amount asked is not possible; the sums are of another."`
	}
	// StatusChange is one line of a bid's history.
	StatusChange struct {
		Time   *string `json:"time"`
		Date   *string `json:"date"`
		Status string  `json:"status"`
	}
	// ExchangeLine is one bid in a list. Times are those of the site, as it writes them.
	ExchangeLine struct {
		ID               string         `json:"id"`
		APIID            *string        `json:"api_id"`
		Time             *string        `json:"time"`
		Date             *string        `json:"date"`
		PsysGive         *string        `json:"psys_give"`
		PsysGet          *string        `json:"psys_get"`
		CurrencyCodeGive string         `json:"currency_code_give"`
		CurrencyCodeGet  string         `json:"currency_code_get"`
		CourseGive       *money.Decimal `json:"course_give"`
		CourseGet        *money.Decimal `json:"course_get"`
		AmountGive       *money.Decimal `json:"amount_give"`
		AmountGet        *money.Decimal `json:"amount_get"`
		ExchangeSuccess  *string        `json:"exchange_success" about:"Documented the wrong way round: use status."`
		UserHash         *string        `json:"user_hash"`
		UserIP           *string        `json:"user_ip"`
		Status           string         `json:"status"`
		Statuses         []StatusChange `json:"statuses"`
	}
	// ExchangesAnswer lists the bids of our key.
	ExchangesAnswer struct {
		Exchanges []ExchangeLine `json:"exchanges"`
	}
	// BidInfoAnswer is a bid. Where to pay it is told in the action of the
	// order's event, and nowhere else.
	BidInfoAnswer struct {
		ID               string         `json:"id"`
		Hash             *string        `json:"hash"`
		Status           string         `json:"status"`
		StatusTitle      *string        `json:"status_title"`
		PsysGive         *string        `json:"psys_give"`
		PsysGet          *string        `json:"psys_get"`
		CurrencyCodeGive string         `json:"currency_code_give"`
		CurrencyCodeGet  string         `json:"currency_code_get"`
		AmountGive       *money.Decimal `json:"amount_give"`
		AmountGet        *money.Decimal `json:"amount_get"`
		CourseGive       *money.Decimal `json:"course_give"`
		CourseGet        *money.Decimal `json:"course_get"`
		APIActions       BidActions     `json:"api_actions"`
	}
	// BidActions says what may be done about a bid.
	BidActions struct {
		Type      *string        `json:"type"`
		Cancel    *string        `json:"cancel" about:"api, disabled or link."`
		Pay       *string        `json:"pay" about:"api, disabled or link."`
		PayAmount *money.Decimal `json:"pay_amount"`
	}
	// PartnerInfoAnswer is what the partner has earned.
	PartnerInfoAnswer struct {
		PartnerID *string        `json:"partner_id"`
		Balance   *money.Decimal `json:"balance"`
		MinPayout *money.Decimal `json:"min_payout"`
		Items     []PayoutMethod `json:"items"`
	}
	// PayoutMethod is a currency in which payouts can be asked for.
	PayoutMethod struct {
		ID        string         `json:"id"`
		Title     string         `json:"title"`
		Comission *string        `json:"comission" about:"The fee as the site words it; written so."`
		Amount    *money.Decimal `json:"amount"`
	}
	// PartnerLinksAnswer lists the visits through the partner's link.
	PartnerLinksAnswer struct {
		Links []PartnerLink `json:"links"`
	}
	// PartnerLink is one of them.
	PartnerLink struct {
		Time        *string `json:"time"`
		Date        *string `json:"date"`
		Browser     *string `json:"browser"`
		IP          *string `json:"ip"`
		Referrer    *string `json:"referrer"`
		UserHash    *string `json:"user_hash"`
		QueryString *string `json:"query_string"`
	}
	// PartnerExchangesAnswer lists the bids that the partner brought.
	PartnerExchangesAnswer struct {
		Exchanges []PartnerExchange `json:"exchanges"`
	}
	// PartnerExchange is one of them.
	PartnerExchange struct {
		ExchangeLine
		Accrued       *bool          `json:"accrued"`
		PartnerReward *money.Decimal `json:"partner_reward"`
	}
	// PartnerPayoutsAnswer lists the payouts.
	PartnerPayoutsAnswer struct {
		Payouts []PartnerPayoutLine `json:"payouts"`
	}
	// PartnerPayoutLine is one of them.
	PartnerPayoutLine struct {
		ID                   string         `json:"id"`
		Time                 *string        `json:"time"`
		Date                 *string        `json:"date"`
		MethodID             *string        `json:"method_id"`
		Account              *string        `json:"account"`
		PayAmount            *money.Decimal `json:"pay_amount"`
		PayCurrencyCode      *string        `json:"pay_currency_code"`
		OriginalAmount       *money.Decimal `json:"original_amount"`
		OriginalCurrencyCode *string        `json:"original_currency_code"`
		Status               string         `json:"status" about:"0 waiting, 1 paid, 2 cancelled."`
	}
)
