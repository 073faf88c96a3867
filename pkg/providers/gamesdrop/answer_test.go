package gamesdrop_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

func starsPlan() providers.Plan {
	quote := money.Must("0.77", "USD")
	return providers.Plan{Quote: &quote, Data: map[string]string{
		"price": "0.77", "currency": "USD", "offer_id": "telegram_stars_100", "telegram_user_id": "143594291",
	}}
}

// understood is what the tests below look at in an answer.
type understood struct {
	status      providers.Status
	deliverable string
	cost        string
	source      messages.CostSource
	evidence    map[string]any
}

// credible are bodies of answers to create-order, and what may be made of them.
func credible() map[string]struct {
	body string
	want understood
} {
	fromQuote := understood{providers.StatusSucceeded, `{"key":"K"}`, "560.10 RUB", messages.FromQuote, map[string]any{}}
	keyless := understood{providers.StatusProcessing, "", "560.10 RUB", messages.FromQuote, map[string]any{"key": "awaited"}}
	return map[string]struct {
		body string
		want understood
	}{
		"ids as strings": {
			`{"orderId":"7","offerId":"1001","status":"COMPLETED","key":"K","price":"560.10","currency":"RUB"}`,
			understood{providers.StatusSucceeded, `{"key":"K"}`, "560.10 RUB", messages.FromResponse, map[string]any{}},
		},
		"another price": {
			`{"orderId":7,"status":"COMPLETED","key":"K","price":570,"currency":"RUB"}`,
			understood{providers.StatusSucceeded, `{"key":"K"}`, "570.00 RUB", messages.FromResponse, map[string]any{"quoted": "560.10 RUB"}},
		},
		"no price":        {`{"orderId":7,"status":"COMPLETED","key":"K"}`, fromQuote},
		"strange price":   {`{"orderId":7,"status":"COMPLETED","key":"K","price":{},"currency":[]}`, fromQuote},
		"strange trifles": {`{"orderId":7,"status":"COMPLETED","key":"K","count":"x","productName":5,"createdAt":{},"fulfillmentData":[]}`, fromQuote},
		"a key to the letter": {
			`{"orderId":7,"status":"COMPLETED","key":" <A&B>\u00e9 "}`,
			understood{providers.StatusSucceeded, `{"key":" <A&B>é "}`, "560.10 RUB", messages.FromQuote, map[string]any{}},
		},
		"a key that is a number": {
			`{"orderId":7,"status":"COMPLETED","key":12345678901234567890}`,
			understood{providers.StatusSucceeded, `{"key":"12345678901234567890"}`, "560.10 RUB", messages.FromQuote, map[string]any{}},
		},
		"no key, and none to come": {
			`{"orderId":7,"status":"COMPLETED","isReturnDataForCustomer":false}`,
			understood{providers.StatusSucceeded, `{}`, "560.10 RUB", messages.FromQuote, map[string]any{}},
		},
		"no key yet":          {`{"orderId":7,"status":"COMPLETED","isReturnDataForCustomer":true}`, keyless},
		"key null":            {`{"orderId":7,"status":"COMPLETED","isReturnDataForCustomer":true,"key":null}`, keyless},
		"key empty":           {`{"orderId":7,"status":"COMPLETED","isReturnDataForCustomer":true,"key":""}`, keyless},
		"key false":           {`{"orderId":7,"status":"COMPLETED","isReturnDataForCustomer":true,"key":false}`, keyless},
		"perhaps a key":       {`{"orderId":7,"status":"COMPLETED"}`, keyless},
		"flag cannot be read": {`{"orderId":7,"status":"COMPLETED","isReturnDataForCustomer":"?"}`, keyless},
		"no status": {
			`{"orderId":7}`,
			understood{providers.StatusProcessing, "", "560.10 RUB", messages.FromQuote, map[string]any{"unknown_status": ""}},
		},
		"an unknown status, and a key": {
			`{"orderId":7,"status":"FAILED","key":"K"}`,
			understood{providers.StatusProcessing, "", "560.10 RUB", messages.FromQuote, map[string]any{"unknown_status": "FAILED"}},
		},
		"a status in lower case": {
			`{"orderId":7,"status":"canceled"}`,
			understood{providers.StatusProcessing, "", "560.10 RUB", messages.FromQuote, map[string]any{"unknown_status": "canceled"}},
		},
	}
}

func TestAnswers_AreBelievedOnlyAsFarAsTheyAreCertain(t *testing.T) {
	t.Parallel()
	for name, c := range credible() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, map[string]reply{createPath: {status: 201, body: c.body}})
			a, err := s.provider(t).Place(guarded(t), sample(), plan())
			if err != nil {
				t.Fatal(err)
			}
			got := understood{a.Status, string(a.Deliverable), a.Cost.String(), a.CostSource, a.Evidence}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(understood{})); diff != "" || a.Ref["order_id"] != "7" {
				t.Errorf("%s\nref %v", diff, a.Ref)
			}
		})
	}
}

func TestAnswers_AboutStarsMustBeAboutOurs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ fulfillment, code, deliverable string }{
		"ours":               {`{"telegram_user_id":143594291,"stars_amount":100,"transaction_id":"tx","delivery_status":"completed"}`, "", `{"delivery_transaction_id":"tx","stars":100,"telegram_user_id":"143594291"}`},
		"nothing said":       {`null`, "", `{"delivery_transaction_id":null,"stars":100,"telegram_user_id":"143594291"}`},
		"another user":       {`{"telegram_user_id":143594292,"stars_amount":100}`, "answer_mismatch", ""},
		"another number":     {`{"telegram_user_id":143594291,"stars_amount":50}`, "answer_mismatch", ""},
		"contradicts itself": {`{"telegram_user_id":143594291,"delivery_status":"failed"}`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"orderId":7,"offerId":"telegram_stars_100","status":"COMPLETED","isReturnDataForCustomer":true,"fulfillmentData":` + c.fulfillment + `}`
			s := newScript(t, map[string]reply{createPath: {body: body}, statusPath: {body: body}})
			p := s.provider(t)
			order := starsOrder(100, "143594291")
			placed, err := p.Place(guarded(t), order, starsPlan())
			order.Ref = map[string]string{"order_id": "7"}
			found, lookupErr := p.Lookup(t.Context(), order)
			if c.code != "" {
				wantError(t, err, ambiguous, c.code)
				wantError(t, lookupErr, ambiguous, c.code)
				return
			}
			if err != nil || lookupErr != nil {
				t.Fatal(err, lookupErr)
			}
			for _, a := range []providers.Answer{placed, found} {
				if string(a.Deliverable) != c.deliverable || (a.Status == providers.StatusSucceeded) != (c.deliverable != "") {
					t.Errorf("%v with %s", a.Status, a.Deliverable)
				}
			}
			if c.deliverable == "" && placed.Evidence["delivery_status"] != "failed" {
				t.Errorf("evidence %v", placed.Evidence)
			}
		})
	}
}

func TestLookup_NeedsTheProvidersOrderID(t *testing.T) {
	t.Parallel()
	s := newScript(t, nil)
	answer, err := s.provider(t).Lookup(t.Context(), sample())
	if err != nil || answer.Status != providers.StatusUnknown {
		t.Errorf("%v, %v", answer.Status, err)
	}
	broken := sample()
	broken.Ref = map[string]string{"order_id": "1 OR 1"}
	_, err = s.provider(t).Lookup(t.Context(), broken)
	wantError(t, err, ambiguous, "unreadable")
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestLookup_AnswersAboutSomethingElseDecideNothing(t *testing.T) {
	t.Parallel()
	for body, code := range map[string]string{
		`{"orderId":8,"status":"CANCELED"}`:                                           "answer_mismatch",
		`{"orderId":7,"offerId":1002,"status":"REFUND"}`:                              "answer_mismatch",
		`{"orderId":7,"offerId":"telegram_stars_100","status":"COMPLETED","key":"K"}`: "answer_mismatch",
		`{"status":"CANCELED"}`:                                                       "unreadable",
		`{}`:                                                                          "unreadable",
	} {
		s := newScript(t, map[string]reply{statusPath: {body: body}})
		o := sample()
		o.Ref = map[string]string{"order_id": "7"}
		_, err := s.provider(t).Lookup(t.Context(), o)
		wantError(t, err, ambiguous, code)
	}
}

func TestAnswers_OfAnEndWithoutGoodsDoNotQuoteTheKey(t *testing.T) {
	t.Parallel()
	s := newScript(t, map[string]reply{statusPath: {body: `{"orderId":7,"status":"REFUND","key":"SECRET-CODE","message":"code SECRET-CODE taken back"}`}})
	o := sample()
	o.Ref = map[string]string{"order_id": "7"}
	a, err := s.provider(t).Lookup(t.Context(), o)
	if err != nil || a.Message != "code *** taken back" || a.Deliverable != nil {
		t.Errorf("%+v, %v", a, err)
	}
}

// find-one says whether an offer returns a key; an order that says nothing of it
// is done where none was promised.
func TestAnswers_WhatTheOrderDoesNotSayOfItsKeyTheOfferSaid(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]providers.Status{
		`,"isReturnDataForCustomer":false`: providers.StatusSucceeded,
		`,"isReturnDataForCustomer":true`:  providers.StatusProcessing,
		``:                                 providers.StatusProcessing,
	} {
		s := newScript(t, map[string]reply{
			findPath:   {body: `{"offerId":1001,"price":560.1,"currency":"RUB"` + flag + `}`},
			checkPath:  {body: `{"status":"VALID"}`},
			createPath: {status: 201, body: `{"orderId":7,"status":"COMPLETED"}`},
		})
		p := s.provider(t)
		plan, err := p.Prepare(t.Context(), sample())
		if err != nil {
			t.Fatal(err)
		}
		a, err := p.Place(guarded(t), sample(), plan)
		if err != nil || a.Status != want {
			t.Errorf("find-one with %q: %v, %v", flag, a.Status, err)
		}
	}
}
