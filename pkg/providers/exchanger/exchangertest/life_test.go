package exchangertest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

func TestShop_BidsMoveByPollsByTimeOrByCommand(t *testing.T) {
	t.Parallel()
	const byAddress = "direction_id=102&calc_amount=3000&calc_action=1&account2=x"
	want := []string{"new", "techpay", "realpay", "coldsuccess", "success"}
	polled := open(t)
	polled.create(byAddress)
	for range 7 {
		polled.post("bid_info", "id=1234")
	}
	if got := polled.Bids()[0].History; !slices.Equal(got, want) {
		t.Error(got)
	}
	var passed atomic.Int64
	begun := time.Now()
	timed := open(t, exchangertest.WithStepEvery(time.Minute), exchangertest.WithClock(func() time.Time { return begun.Add(time.Duration(passed.Load())) }))
	timed.create(byAddress)
	for range 3 {
		timed.post("bid_info", "id=1234")
	}
	if got := timed.Bids()[0].History; !slices.Equal(got, want[:1]) {
		t.Errorf("moved without time: %v", got)
	}
	passed.Store(int64(2*time.Minute + time.Second))
	timed.post("test", "")
	if got := timed.Bids()[0].History; !slices.Equal(got, want[:3]) {
		t.Error(got)
	}
	timed.SetStatus(1234, "error")
	passed.Store(int64(time.Hour))
	timed.post("test", "")
	if got := timed.Bids()[0].Status; got != "error" {
		t.Errorf("moved on from a command: %s", got)
	}
}

func TestShop_CallsBackOnceAndUnsigned(t *testing.T) {
	t.Parallel()
	calls := make(chan string, 8)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Content-Type") + " " + string(body)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer hook.Close()
	s := open(t)
	_, hash := s.create(card + "&callback_url=" + url.QueryEscape(hook.URL+"/ex?sk=1"))
	s.post("pay_bid", "hash="+hash)
	e, err := s.Book().Wait(t.Context(), func(e providertest.Entry) bool { return e.Phase == exchangertest.Called })
	if err != nil || e.Status != http.StatusTemporaryRedirect || e.ID != "1234" || e.Reference != "payed" {
		t.Errorf("%+v %v", e, err)
	}
	// The first status is never told, and a redirect is not followed.
	if got := <-calls; got != "POST /ex?sk=1 application/x-www-form-urlencoded bid_id=1234&status=payed" {
		t.Error(got)
	}
	s.SetStatus(1234, "archived") // not told
	hook.Close()
	s.SetStatus(1234, "success") // to nobody: one attempt
	if _, err := s.Book().Wait(t.Context(), func(e providertest.Entry) bool {
		return e.Phase == exchangertest.Called && e.Reference == "success" && e.Status == 0
	}); err != nil {
		t.Error(err)
	}
	if n := len(s.Book().Select(exchangertest.Called, "")); n != 2 || len(calls) != 0 {
		t.Errorf("%d callbacks, %d more arrived", n, len(calls))
	}
}

func TestShop_ABidIsThereBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	s := open(t, exchangertest.WithCreateDelay(time.Hour))
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.APIURL()+"/create_bid", strings.NewReader(card))
		if err != nil {
			return
		}
		r.Header = http.Header{"Api-Login": {exchangertest.Login}, "Api-Key": {exchangertest.Key}, "Content-Type": {"application/x-www-form-urlencoded"}}
		if res, err := http.DefaultClient.Do(r); err == nil {
			_ = res.Body.Close()
		}
	}()
	e, err := s.Book().Wait(t.Context(), func(e providertest.Entry) bool { return e.Phase == providertest.Committed })
	if err != nil || e.OrderKey != "TWallet1" || e.Amount != "3030.00" || e.Currency != "RUB" {
		t.Errorf("%+v %v", e, err)
	}
	if got := s.ids("get_exchanges", ""); !slices.Equal(got, []string{"1234"}) {
		t.Error(got)
	}
	select {
	case <-answered:
		t.Error("answered at once")
	default:
	}
	s.Close() // ends the wait
	<-answered
}

func TestShop_PaysOutAllThatWasEarnedOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	for form, text := range map[string]string{"method_id=9&account=x": "No such method", "method_id=2": "Invalid wallet account"} {
		if got := s.post("add_partner_payout", form); !strings.Contains(got, text) {
			t.Errorf("%s: %s", form, got)
		}
	}
	if got := s.post("add_partner_payout", "method_id=2&account=x"); got != `{"error":0,"error_text":"","data":{"payout_id":57}}` {
		t.Error(got)
	}
	if got := s.post("add_partner_payout", "method_id=2&account=x"); !strings.HasPrefix(got, `{"error":1,"error_text":"Error! Less`) || s.Balance().Sign() != 0 {
		t.Errorf("%s, balance %s", got, s.Balance())
	}
	s.AddPayout("1", "y", "1.00", 1)
	if got := s.ids("get_partner_payouts", "limit=1"); !slices.Equal(got, []string{"58"}) {
		t.Error(got)
	}
	if got := s.post("get_partner_payouts", "id=57"); !strings.Contains(got, `"method_id":"2","account":"x","pay_amount":"250.00"`) || !strings.Contains(got, `"status":"0"`) {
		t.Error(got)
	}
	for range 2 {
		s.SetPayoutStatus(57, 2)
	}
	if got := s.Balance().Fixed(2); got != "250.00" {
		t.Errorf("balance %s after the payout was cancelled", got)
	}
}

func TestShop_ShowsWhatThePartnerBrought(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.create(card)
	s.create(card + "&partner_id=7")
	if got := s.ids("get_partner_exchanges", ""); !slices.Equal(got, []string{"1235"}) {
		t.Error(got)
	}
	if got := s.post("get_partner_exchanges", ""); !strings.Contains(got, `"accrued":"0","partner_reward":"0.5"}]}`) {
		t.Error(got)
	}
	if got := s.post("get_partner_links", "limit=5"); !strings.Contains(got, `"query_string":"rid=7"`) {
		t.Error(got)
	}
	if got := s.post("get_partner_info", ""); !strings.Contains(got, `"balance":"250.00","min_payout":"10"`) {
		t.Error(got)
	}
	if got := s.post("get_direction_currencies", "currency_id_give=3"); !strings.Contains(got, `"give":[{"id":"3","title":"Bitcoin BTC"`) {
		t.Error(got)
	}
}

func TestShop_ManyAtOnceWithOneAPIIDOpenOneBid(t *testing.T) {
	t.Parallel()
	s := open(t)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() { s.send(exchangertest.OpCreateBid, card+"&api_id=5") })
	}
	group.Wait()
	if n, received := len(s.Bids()), s.Requests(exchangertest.OpCreateBid); n != 1 || received != 16 {
		t.Errorf("%d bids of %d requests", n, received)
	}
}
