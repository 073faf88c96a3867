package exchanger_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

// classesOf are the classes of one answer for creating, paying, reading,
// checking and following.
type classesOf [exchanger.Purposes]providers.Class

func all(c providers.Class) classesOf { return classesOf{c, c, c, c, c} }

// vendorErrors are the errors that were documented or seen, and what may be
// concluded from them.
var vendorErrors = map[string]classesOf{
	`"error":1,"error_text":"Api disabled","data":[]`:                                           all(blocked),
	`"error":"1","error_text":"Api disabled","data":[]`:                                         all(blocked),
	`"error":1,"error_text":"","data":[]`:                                                       all(blocked),
	`"error":1,"error_text":"Error! Invalid wallet account","data":[]`:                          {blocked, rejected, blocked, blocked, blocked},
	`"error":1,"error_text":"Ошибка! Неверный счёт: rapid","data":[]`:                           {blocked, rejected, blocked, blocked, blocked},
	`"error":1,"error_text":"API отключено","data":[]`:                                          all(blocked),
	`"error":"1","error_text":"Error! No such api_login","data":[]`:                             {ambiguous, ambiguous, ambiguous, ambiguous, rejected},
	`"error":1,"error_text":"Maintenance mode","data":[]`:                                       all(retryable),
	`"error":1,"error_text":"Технические работы","data":[]`:                                     all(retryable),
	`"error":"2","error_text":"<b>Maintenance</b>","data":[]`:                                   all(retryable),
	`"error":2,"error_text":"Технические работы","data":[]`:                                     all(retryable),
	`"error":2,"error_text":"IP blocked","data":[]`:                                             all(blocked),
	`"error":2,"error_text":"","data":[]`:                                                       all(blocked),
	`"error":"2","error_text":"Your IP is not allowed","data":[]`:                               all(blocked),
	`"error":"2","error_text":"Action disabled","data":""`:                                      {retryable, retryable, retryable, retryable, rejected},
	`"error":"2","error_text":"Обменник временно не работает","data":""`:                        all(retryable),
	`"error":"2","error_text":"","data":""`:                                                     all(retryable),
	`"error":3,"error_text":"Method not supported","data":[]`:                                   {blocked, blocked, blocked, ambiguous, rejected},
	`"error":3,"error_text":"Метод не поддерживается","data":[]`:                                {blocked, blocked, blocked, ambiguous, rejected},
	`"error":"1","error_text":"No bid exists","data":[]`:                                        {ambiguous, ambiguous, ambiguous, ambiguous, rejected},
	`"error":"1","error_text":"Direction not found","data":[]`:                                  {rejected, ambiguous, rejected, ambiguous, rejected},
	`"error":"3","error_text":"Direction not found","data":[]`:                                  {rejected, ambiguous, rejected, ambiguous, rejected},
	`"error":"3","error_text":"Error! api id not unique<br />x","error_fields":[],"data":[]`:    all(ambiguous),
	`"error":"3","error_text":"Error! Api ID not unique","error_fields":{"cf6":"x"},"data":""`:  all(ambiguous),
	`"error":"3","error_text":"Error!","error_fields":{"sum1":"min. <span>1</span>"},"data":[]`: {rejected, rejected, ambiguous, ambiguous, rejected},
	`"error":"3","error_text":"","error_fields":{"account2":"wrong"},"data":[]`:                 {rejected, rejected, ambiguous, ambiguous, rejected},
	`"error":"3","error_text":"Error! For your exchange denied","error_fields":[],"data":[]`:    {rejected, rejected, ambiguous, ambiguous, rejected},
	`"error":"3","error_text":"Error! For your exchange denied","error_fields":{},"data":[]`:    {rejected, rejected, ambiguous, ambiguous, rejected},
	`"error":"3","error_text":"Error! For your exchange denied","data":[]`:                      {ambiguous, rejected, ambiguous, ambiguous, rejected},
	`"error":"3","error_text":"","error_fields":[],"data":[]`:                                   all(ambiguous),
	`"error":"3","error_text":"","error_fields":{},"data":[]`:                                   all(ambiguous),
	`"error":"1","error_text":"no active partner program","data":[]`:                            {ambiguous, rejected, rejected, ambiguous, rejected},
	`"error":1,"error_text":"Error! No partner ID","data":[]`:                                   {ambiguous, rejected, rejected, ambiguous, rejected},
	`"error":"1","error_text":"Error!","data":[]`:                                               {ambiguous, rejected, ambiguous, ambiguous, rejected},
	`"error":"4","error_text":"Error!","data":[]`:                                               all(ambiguous),
	`"error":17,"error_text":"Error!","data":[]`:                                                all(ambiguous),
	`"error":"3","error_text":"Error!","error_fields":{"cf6":"x"},"data":{"id":5,"hash":"ab"}`:  all(ambiguous),
	`"error":"3","error_text":"Error!","data":"unexpected"`:                                     {ambiguous, ambiguous, ambiguous, ambiguous, rejected},
	`"error":3,"error_text":"Method not supported","data":{"payout_id":5}`:                      all(ambiguous),
	`"error":true,"error_text":"Api disabled"`:                                                  all(ambiguous),
	`"error":"no","error_text":"Api disabled"`:                                                  all(ambiguous),
	`"error":["1"],"error_text":"Api disabled"`:                                                 all(ambiguous),
	`"error":-1,"error_text":"Api disabled"`:                                                    all(ambiguous),
	`"error_text":"Api disabled","data":[]`:                                                     all(ambiguous),
	`"error":1,"ERROR":0,"error_text":"Api disabled"`:                                           all(ambiguous),
}

func TestErrors_HaveTheClassOfTheTable(t *testing.T) {
	t.Parallel()
	client := exchanger.BareClient(login, key)
	for fields, want := range vendorErrors {
		var got classesOf
		for p := range exchanger.Purposes {
			_, err := client.Open("x", p, &providerhttp.Response{Status: 200, Body: []byte("{" + fields + "}")})
			e := providers.AsError(err)
			if err == nil || e.Op != "exchanger.x" || e.Code == "" {
				t.Errorf("%s: %v", fields, err)
			}
			got[p] = e.Class
			duplicate := strings.Contains(strings.ToLower(fields), "not unique") && p == exchanger.Creating
			if e.Exists != duplicate {
				t.Errorf("%s for %d: exists %v", fields, p, e.Exists)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", fields, diff)
		}
	}
}

func TestErrors_NoStatusButSuccessIsBelieved(t *testing.T) {
	t.Parallel()
	client := exchanger.BareClient(login, key)
	for fields := range vendorErrors {
		for _, status := range []int{302, 400, 401, 403, 404, 409, 500, 502, 503} {
			_, err := client.Open("x", exchanger.Creating, &providerhttp.Response{Status: status, Body: []byte("{" + fields + "}")})
			if providers.ClassOf(err) != ambiguous || err == nil {
				t.Errorf("HTTP %d with %s: %v", status, fields, err)
			}
		}
	}
}

func TestErrors_TellWhatWasWrongInPlainWords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	plan := b.prepare(sample())
	b.Refuse(map[string]string{
		"account2": "<b>Invalid</b> wallet", "sum1": `min. <span data-val="5">5</span>`, "cf6": "see https://x.example/?key=" + key + " " + login,
	})
	_, err := b.Place(guarded(t), sample(), plan)
	e := wantError(t, err, rejected, "3")
	want := "Error! Check the form Some fields are wrong; account2: Invalid wallet; cf6: see [address] ***; sum1: min. 5"
	if e.Message != want {
		t.Errorf("%q, want %q", e.Message, want)
	}
	if n := len(b.Bids()); n != 0 {
		t.Errorf("%d bids", n)
	}
}

func TestErrors_OfTheSiteKeepTheirClassThroughTheAdapter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set   func(bundle)
		class providers.Class
		code  string
		is    error
	}{
		"API off":     {func(b bundle) { b.SetAPIDisabled(true) }, blocked, "1", nil},
		"IP blocked":  {func(b bundle) { b.SetIPBlocked(true) }, blocked, "2", nil},
		"maintenance": {func(b bundle) { b.SetMaintenance(true) }, retryable, "2", nil},
	} {
		b := setup(t)
		plan := b.prepare(sample())
		c.set(b)
		_, prepareErr := b.Prepare(t.Context(), sample())
		_, placeErr := b.Place(guarded(t), sample(), plan)
		wantError(t, prepareErr, c.class, c.code)
		wantError(t, placeErr, c.class, c.code)
		if len(b.Bids()) != 0 {
			t.Errorf("%s: a bid was opened", name)
		}
	}
	b := setup(t, exchangertest.WithoutMethods(exchangertest.OpCreateBid, exchangertest.OpPartnerInfo))
	_, err := b.Place(guarded(t), sample(), b.prepare(sample()))
	if wantError(t, err, blocked, "3"); !errors.Is(err, exchanger.ErrMethodNotSupported) {
		t.Errorf("%v", err)
	}
	_, err = b.Prepare(t.Context(), usdt())
	wantError(t, err, blocked, "3")
	_, err = b.Prepare(t.Context(), exchangeOrder(params("999", "1", "give")))
	if !errors.Is(err, exchanger.ErrDirectionNotFound) {
		t.Errorf("%v", err)
	}
	_, err = b.Client().BidInfo(t.Context(), exchanger.BidInfoRequest{ID: "9"})
	if wantError(t, err, ambiguous, "1"); !errors.Is(err, exchanger.ErrNoBid) {
		t.Errorf("%v", err)
	}
}

// The manual prints the texts of errors bare: a site may answer so as well.
func TestErrors_ABareTextOfTheManualIsReadAsIt(t *testing.T) {
	t.Parallel()
	client := exchanger.BareClient(login, key)
	for body, c := range map[string]struct {
		want classesOf
		code string
		is   error
	}{
		"Api disabled":                {classesOf{ambiguous, ambiguous, blocked, blocked, blocked}, "api_disabled", nil},
		" \ufeffAPI DISABLED\r\n":     {classesOf{ambiguous, ambiguous, blocked, blocked, blocked}, "api_disabled", nil},
		`"Api disabled"`:              {classesOf{ambiguous, ambiguous, blocked, blocked, blocked}, "api_disabled", nil},
		"Method not supported":        {classesOf{ambiguous, ambiguous, blocked, blocked, blocked}, "method_not_supported", exchanger.ErrMethodNotSupported},
		"No bid exists":               {classesOf{ambiguous, ambiguous, ambiguous, ambiguous, rejected}, "no_bid_exists", exchanger.ErrNoBid},
		"Direction not found":         {classesOf{ambiguous, ambiguous, rejected, ambiguous, rejected}, "direction_not_found", exchanger.ErrDirectionNotFound},
		"Api disabled.":               {all(ambiguous), "unreadable", nil},
		"<b>Api disabled</b>":         {all(ambiguous), "unreadable", nil},
		"api id not unique":           {all(ambiguous), "unreadable", nil},
		"Api disabled\nNo bid exists": {all(ambiguous), "unreadable", nil},
		"Api disabled" + "\x00":       {all(ambiguous), "unreadable", nil},
		"":                            {all(ambiguous), "unreadable", nil},
	} {
		for p := range exchanger.Purposes {
			_, err := client.Open("x", p, &providerhttp.Response{Status: 200, Body: []byte(body)})
			code := c.code
			if p == exchanger.Creating || p == exchanger.Paying {
				code = "unreadable"
			}
			e := wantError(t, err, c.want[p], code)
			if code != "unreadable" && (c.is != nil && !errors.Is(err, c.is) || e.Message == "" || e.Op != "exchanger.x") {
				t.Errorf("%q for %d: %v", body, p, err)
			}
		}
	}
}
