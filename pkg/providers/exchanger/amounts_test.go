package exchanger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// withPayFee gives the direction of most tests the fee of a payment system: for
// 3000 RUB the customer pays 3045.15, of which the bid tells 3015.
func withPayFee(b bundle) {
	d, _ := b.Direction(exchangertest.DirectionCard)
	d.GiveFee, d.PayFee, d.GetFee = "0.005", "0.01", "0.02"
	b.SetDirection(d)
}

// amountsOf are amounts by their side, of one exchange on that direction.
var amountsOf = map[string]string{"give": "3000", "get": "31.217482", "give_with_fee": "3045.15", "get_with_fee": "30.593132"}

func TestLookup_FindsALostBidOfADirectionWithThePaymentSystemsFee(t *testing.T) {
	t.Parallel()
	for side, asked := range amountsOf {
		b := setup(t)
		withPayFee(b)
		order := b.lose(exchangeOrder(params(exchangertest.DirectionCard, asked, side)), exchangertest.OpCreateBid, providertest.ResetAfterCommit)
		want := map[string]string{"direction_id": "101", "sum_give": "3000", "amount_give": "3045.15", "amount_get": "30.593132", "currency_get": "USDT"}
		if diff := cmp.Diff(want, order.Plan.Data); diff != "" || !order.Plan.Quote.Equal(*amount("3045.15", "RUB")) {
			t.Errorf("%s: quote %v, %s", side, order.Plan.Quote, diff)
		}
		if bid := b.Bids()[0]; bid.AmountGive != "3015.00" || bid.AmountGet != "30.593132" {
			t.Errorf("%s: the bid is of %s for %s", side, bid.AmountGive, bid.AmountGet)
		}
		got := b.find(order)
		if got.Ref["id"] != "1234" || !got.Cost.Equal(*amount("3015", "RUB")) || got.Evidence["amount_changed"] != nil {
			t.Errorf("%s: %+v", side, got)
		}
	}
}

func TestPlace_ThePaymentSystemsFeeIsNoChangeOfTheAmount(t *testing.T) {
	t.Parallel()
	for side, asked := range amountsOf {
		b := setup(t)
		withPayFee(b)
		if got, _ := b.buy(exchangeOrder(params(exchangertest.DirectionCard, asked, side))); got.Evidence["amount_changed"] != nil {
			t.Errorf("%s: %v", side, got.Evidence)
		}
	}
	for course, quoted := range map[string]string{"100": "3045.15 RUB", "90": "3045.15 RUB"} {
		b := setup(t)
		withPayFee(b)
		order := exchangeOrder(params(exchangertest.DirectionCard, amountsOf["get"], "get"))
		plan := b.prepare(order)
		d, _ := b.Direction(exchangertest.DirectionCard)
		d.CourseGive = course
		b.SetDirection(d)
		got, err := b.Place(guarded(t), order, plan)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"quoted": quoted, "bid": got.Cost.String()}
		if diff := cmp.Diff(want, got.Evidence["amount_changed"]); diff != "" {
			t.Errorf("the rate moved to %s: %s", course, diff)
		}
	}
}

func TestLookup_AnAmountOutsideOfTheFeesIsNotOurs(t *testing.T) {
	t.Parallel()
	since := map[string]string{"sum_give": "3000", "amount_give": "3045.15", "amount_get": "30.593132"}
	before := map[string]string{"amount_give": "3045.15", "amount_get": "30.593132"} // of an order in flight
	rebate := map[string]string{"sum_give": "3000", "amount_give": "2970"}
	for name, c := range map[string]struct {
		side string
		data map[string]string
		told string
		ours bool
	}{
		"without any fee":             {"give", since, "3000", true},
		"with all fees":               {"give", since, "3045.15", true},
		"with some":                   {"give_with_fee", since, "3015.00", true},
		"rounded to whole ones, up":   {"give", since, "3046", true},
		"rounded to whole ones, down": {"give_with_fee", since, "3045", true},
		"finer than the sum":          {"give", since, "2999.999", true},
		"too little":                  {"give", since, "2998.98", false},
		"too much":                    {"give", since, "3045.16", false},
		"too little, with the fee":    {"give_with_fee", since, "2998.98", false},
		"too much, with the fee":      {"give_with_fee", since, "3045.16", false},
		"a fee that is a rebate":      {"give", rebate, "2985", true},
		"more than before the rebate": {"give", rebate, "3001.01", false},
		"in flight, as planned":       {"give", before, "3045.15", true},
		"in flight, otherwise":        {"give", before, "3015", false},
		"in flight, with the fee":     {"give_with_fee", before, "3015", false},
		"got, whatever was given":     {"get", since, "1", true},
		"no sums at all":              {"give", nil, "1", true},
	} {
		s := newScript(t, map[string]string{
			"get_exchanges": `{"error":"0","data":{"items":[{"id":"12","api_id":"` + apiID + `","status":"new","amount_get":"30.593132","amount_give":"` + c.told + `"}]}}`,
			"bid_info":      bidBody(`"id":"12","status":"new"`),
		})
		order := exchangeOrder(params("7", amountsOf[c.side], c.side))
		order.Plan = providers.Plan{Quote: amount("3045.15", "RUB"), Data: c.data}
		got, err := s.provider(t).Lookup(t.Context(), order)
		switch {
		case c.ours && (err != nil || got.Ref["id"] != "12"):
			t.Errorf("%s: %+v %v", name, got, err)
		case !c.ours:
			if e := providers.AsError(err); err == nil || e.Class != ambiguous || e.Code != "answer_mismatch" {
				t.Errorf("%s: %+v %v", name, got, err)
			}
		}
	}
}

func TestLookup_ARealChangeOfALostBidIsShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	withPayFee(b)
	order := exchangeOrder(params(exchangertest.DirectionCard, "31.217482", "get", func(p *messages.ExchangeParams) {
		least := money.MustDecimal("30")
		p.MinGet = &least
	}))
	order.Plan = b.prepare(order)
	b.AddBid(exchangertest.Bid{DirectionID: exchangertest.DirectionCard, APIID: apiID, AmountGive: "3100.00", AmountGet: "30.593132"})
	want := map[string]any{"quoted": "3045.15 RUB", "bid": "3100.00 RUB"}
	if diff := cmp.Diff(want, b.find(order).Evidence["amount_changed"]); diff != "" {
		t.Error(diff)
	}
}
