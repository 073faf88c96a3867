package exchanger_test

import (
	"strings"
	"testing"

	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

func TestConfirm_SaysThatTheCustomerHasPaid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := sample()
	placed, _ := b.buy(order)
	order.Ref = placed.Ref
	for range 2 { // it may be asked again
		if err := b.Confirm(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.find(order); got.Status != providers.StatusProcessing || got.Evidence["bid_status"] != "payed" {
		t.Errorf("%+v", got)
	}
	wantError(t, b.Cancel(t.Context(), order), rejected, "1")
	if h := b.Bids()[0].History; len(h) != 2 {
		t.Errorf("history %v", h)
	}
}

func TestCancel_GivesTheBidUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := sample()
	placed, _ := b.buy(order)
	order.Ref = placed.Ref
	for range 2 {
		if err := b.Cancel(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.find(order); got.Status != providers.StatusFailed || got.Code != "cancel" {
		t.Errorf("%+v", got)
	}
	wantError(t, b.Confirm(t.Context(), order), rejected, "1")
}

func TestFollow_WhatTheSiteWouldNotDoIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := exchangeOrder(params(exchangertest.DirectionLink, "3000", "give"))
	placed, _ := b.buy(order)
	order.Ref = placed.Ref
	wantError(t, b.Cancel(t.Context(), order), rejected, "2")
	wantError(t, b.Confirm(t.Context(), order), rejected, "2")
	nameless := sample()
	wantError(t, b.Cancel(t.Context(), nameless), rejected, "hash_unknown")
	nameless.Ref = map[string]string{"hash": "a b"}
	wantError(t, b.Confirm(t.Context(), nameless), rejected, "hash_unknown")
	wantError(t, b.Cancel(t.Context(), payoutOrder("2", "x")), rejected, "invalid_order")
	wantError(t, b.Confirm(t.Context(), payoutOrder("2", "x")), rejected, "invalid_order")
}

func TestFollow_MaintenanceInTheSitesOwnWordsIsNoRefusal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := sample()
	placed, _ := b.buy(order)
	order.Ref = placed.Ref
	for _, ask := range []func() error{
		func() error { return b.Confirm(t.Context(), order) }, func() error { return b.Cancel(t.Context(), order) },
	} {
		b.SetMaintenance(true)
		if e := wantError(t, ask(), retryable, "2"); strings.Contains(strings.ToLower(e.Message), "maintenance") {
			t.Errorf("the site says it in the script's words: %q", e.Message)
		}
		b.SetMaintenance(false)
	}
	if err := b.Confirm(t.Context(), order); err != nil {
		t.Error(err)
	}
}

func TestFollow_OnlyTheRightWordSettlesIt(t *testing.T) {
	t.Parallel()
	order := sample()
	order.Ref = map[string]string{"hash": "ab"}
	type outcome struct {
		class providers.Class
		code  string // "" for done
	}
	done, doubt := outcome{}, outcome{ambiguous, "unreadable"}
	for body, want := range map[string]struct{ confirm, cancel outcome }{
		`{"error":"0","data":"payed"}`:                                    {done, doubt},
		`{"error":"0","data":"realpay"}`:                                  {done, doubt},
		`{"error":"0","data":"success"}`:                                  {done, doubt},
		`{"error":"0","data":"cancel"}`:                                   {doubt, done},
		`{"error":0,"data":{"status":"cancel"}}`:                          {doubt, done},
		`{"error":"0","data":"delete"}`:                                   {doubt, done},
		`{"error":"0","data":"new"}`:                                      {doubt, doubt},
		`{"error":"0","data":"error"}`:                                    {doubt, doubt},
		`{"error":"0","data":"<b>cancel</b>"}`:                            {doubt, doubt},
		`{"error":"0","data":""}`:                                         {doubt, doubt},
		`{"error":"0","data":[]}`:                                         {doubt, doubt},
		`{"error":"0"}`:                                                   {doubt, doubt},
		`cancel`:                                                          {doubt, doubt},
		`{"error":"1","error_text":"No bid exists","data":""}`:            {outcome{rejected, "1"}, outcome{rejected, "1"}},
		`{"error":3,"error_text":"Method not supported","data":[]}`:       {outcome{rejected, "3"}, outcome{rejected, "3"}},
		`{"error":"2","error_text":"Error! Action disabled","data":""}`:   {outcome{rejected, "2"}, outcome{rejected, "2"}},
		`{"error":"2","error_text":"Вернёмся в 12:00","data":""}`:         {outcome{retryable, "2"}, outcome{retryable, "2"}},
		`{"error":"2","error_text":"","data":""}`:                         {outcome{retryable, "2"}, outcome{retryable, "2"}},
		`{"error":"2","error_text":"Maintenance","data":""}`:              {outcome{retryable, "2"}, outcome{retryable, "2"}},
		`{"error":1,"error_text":"Api disabled","data":[]}`:               {outcome{blocked, "1"}, outcome{blocked, "1"}},
		`{"error":"7","error_text":"?","data":""}`:                        {outcome{ambiguous, "7"}, outcome{ambiguous, "7"}},
		`{"error":"1","error_text":"","data":""}`:                         {outcome{ambiguous, "1"}, outcome{ambiguous, "1"}},
		`{"error":"1","error_text":"Error!","data":{"id":5,"hash":"ab"}}`: {outcome{ambiguous, "1"}, outcome{ambiguous, "1"}},
	} {
		s := newScript(t, map[string]string{"pay_bid": body, "cancel_bid": body})
		p := s.provider(t)
		for name, c := range map[string]struct {
			err  error
			want outcome
		}{"confirm": {p.Confirm(t.Context(), order), want.confirm}, "cancel": {p.Cancel(t.Context(), order), want.cancel}} {
			got := outcome{}
			if c.err != nil {
				e := providers.AsError(c.err)
				got = outcome{e.Class, e.Code}
			}
			if got != c.want {
				t.Errorf("%s: %s gives %+v, want %+v", body, name, got, c.want)
			}
		}
		if r := s.requests(); len(r) != 2 || r[0].Body != "hash=ab" {
			t.Errorf("sent %+v", r)
		}
	}
}

// The site's word for what may be asked of it does not look at the status: the
// script lets pay_bid act from new and techpay only.
func TestFollow_ConfirmIsOfferedOnlyWhereTheScriptTakesIt(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{"coldnew": false, "new": true, "techpay": true} {
		b := setup(t)
		order := sample()
		placed, _ := b.buy(order)
		order.Ref = placed.Ref
		b.SetStatus(b.Bids()[0].ID, status)
		got := b.find(order)
		if got.Action == nil || got.Action.Confirm != want || !got.Action.Cancel {
			t.Fatalf("%s: %+v", status, got.Action)
		}
		if err := b.Confirm(t.Context(), order); (err == nil) != want {
			t.Errorf("%s: confirmed: %v", status, err)
		}
	}
}
