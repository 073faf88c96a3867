package skinsbacktest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

const gabe = "76561198827262007"

// shop is a server and the plainest of clients.
type shop struct {
	*skinsbacktest.Server
	t testing.TB
}

func open(t testing.TB, opts ...skinsbacktest.Option) shop {
	t.Helper()
	s := skinsbacktest.New(opts...)
	t.Cleanup(s.Close)
	return shop{s, t}
}

// send sends a form as the document's first example does, changed by mutate.
func (s shop) send(body string, mutate ...func(*http.Request)) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL(), strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-CLIENT-ID", skinsbacktest.ClientID)
	r.Header.Set("X-CLIENT-SECRET", skinsbacktest.ClientSecret)
	for _, m := range mutate {
		m(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

func (s shop) code(body string, mutate ...func(*http.Request)) int {
	s.t.Helper()
	_, answer := s.send(body, mutate...)
	var e struct {
		Code int `json:"error_code"`
	}
	_ = json.Unmarshal([]byte(answer), &e)
	return e.Code
}

// object asks for a deposit and takes the answer apart.
func (s shop) object(body string) map[string]any {
	s.t.Helper()
	_, answer := s.send(body)
	var o map[string]any
	if err := json.Unmarshal([]byte(answer), &o); err != nil {
		s.t.Fatalf("%s: %v", answer, err)
	}
	return o
}

func (s shop) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

const (
	create = "method=create&order_id=1&steam_id=" + gabe + "&trade_token=i1ArBZey&currency=usd"
	ask    = "method=orderstatus&order_id=1"
)

func anonymous(r *http.Request) {
	r.Header.Del("X-CLIENT-ID")
	r.Header.Del("X-CLIENT-SECRET")
}

func TestShop_TakesBothKindsOfCredentialsToTheLetter(t *testing.T) {
	t.Parallel()
	// Both signatures were computed with openssl.
	const (
		signed = "shopid=1&" + create + "&sign=192b047ade515683d6bfdc45cf8b83bfe61d4860"
		vector = "shopid=123&" + ask + "&sign=abee99d476c736102c3d6062807761b6e4d31dd8"
	)
	s := open(t, skinsbacktest.WithCredentials("1", skinsbacktest.ClientSecret))
	if got := s.object(signed); got["error_code"] != -3.0 {
		t.Errorf("credentials of both kinds at once: %v", got)
	}
	for body, want := range map[string]int{
		create: -2, "shopid=2&" + signed[9:]: -2, signed + "0": -3, strings.Replace(signed, "usd", "rub", 1): -3, strings.ToUpper(signed): -2, signed: 0,
	} {
		if got := s.code(body, anonymous); got != want {
			t.Errorf("%s: error %d, want %d", body, got, want)
		}
	}
	if got := open(t, skinsbacktest.WithCredentials("123", "123")).code(vector, anonymous); got != 4 {
		t.Errorf("the vector of the vendor's page: error %d, want 4", got)
	}
	plain := open(t)
	for header, want := range map[string]int{"X-CLIENT-ID": -2, "X-CLIENT-SECRET": -10} {
		if got := plain.code(create, func(r *http.Request) { r.Header.Set(header, "wrong") }); got != want {
			t.Errorf("a wrong %s: error %d, want %d", header, got, want)
		}
	}
}

func TestShop_IsStricterThanTheDocument(t *testing.T) {
	t.Parallel()
	s := open(t)
	typed := func(kind string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Content-Type", kind) }
	}
	for _, c := range []struct {
		body   string
		mutate func(*http.Request)
	}{
		{create + "&color=red", nil}, {create + "&game=", nil}, {create + "&order_id=2", nil}, {create + "&widget=true", nil},
		{ask + "&steam_id=1", nil}, {create, typed("application/json")}, {create, typed("")}, {create + "&a=%zz", nil},
		{create, func(r *http.Request) { r.URL.RawQuery = "x=1" }},
	} {
		if c.mutate == nil {
			c.mutate = func(*http.Request) {}
		}
		if status, answer := s.send(c.body, c.mutate); status != http.StatusBadRequest {
			t.Errorf("%s: HTTP %d %s", c.body, status, answer)
		}
	}
	if status, _ := s.send(create, func(r *http.Request) { r.URL.Path = "/" }); status != http.StatusNotFound {
		t.Errorf("another path: HTTP %d", status)
	}
	if got := s.code("", func(r *http.Request) { r.Method = http.MethodGet }); got != -1 {
		t.Errorf("GET: error %d", got)
	}
	if got := s.code("method=balance"); got != -5 {
		t.Errorf("another method: error %d", got)
	}
	if d := s.Deposits(); len(d) != 0 {
		t.Errorf("made %+v", d)
	}
}

func TestShop_RefusesWithTheDocumentsCodes(t *testing.T) {
	t.Parallel()
	s := open(t)
	replace := func(name, value string) string {
		form, err := url.ParseQuery(create)
		if err != nil {
			t.Fatal(err)
		}
		if form.Set(name, value); value == "" {
			form.Del(name)
		}
		return form.Encode()
	}
	for _, c := range []struct {
		body string
		want int
	}{
		{replace("order_id", ""), 1}, {replace("order_id", "a b"), 1}, {replace("steam_id", "7656119882726200"), 2},
		{replace("trade_token", "short"), 6}, {create + "&min_amount=10&max_amount=10", 7}, {create + "&max_amount=0.5", 7},
		{create + "&min_amount=1e1", 7}, {replace("currency", "USD"), 8}, {replace("currency", "") + "&min_amount=1", 8},
		{create + "&result_url=x", 9}, {create + "&success_url=x", 10}, {create + "&fail_url=x", 11},
		{create + "&custom_currency=GEMST&custom_currency_rate=1", 12}, {create + "&custom_currency_rate=1", 12},
		{create + "&custom_currency=GEM", 13}, {create + "&custom_currency=GEM&custom_currency_rate=0.09", 13},
		{create + "&custom_multiplier=0.4", 14}, {create + "&custom_multiplier=2.01", 14}, {create + "&game=csgo", 15},
		{ask, 4}, {"method=orderstatus", 1}, {"method=orderstatus&order_id=a+b", 2}, {"method=orderstatus&transaction_id=x", 3},
		{create + "&min_amount=1&max_amount=2&game=rust&widget=1&custom_currency=GEM&custom_currency_rate=0.1&custom_multiplier=2", 0},
		{create, 5}, {ask, 0}, {"method=orderstatus&transaction_id=13", 0}, {ask + "&transaction_id=14", 4},
	} {
		if got := s.code(c.body); got != c.want {
			t.Errorf("%s: error %d, want %d", c.body, got, c.want)
		}
	}
	if d := s.DepositsOf(gabe); len(d) != 1 || d[0].TransactionID != "13" {
		t.Errorf("made %+v", d)
	}
	if status, _ := open(t, skinsbacktest.WithErrorStatus(422)).send(ask); status != 422 {
		t.Errorf("HTTP %d", status)
	}
}

func TestShop_CountsArrivalsInEveryWindow(t *testing.T) {
	t.Parallel()
	now := time.Unix(1763750000, 0)
	s := open(t, skinsbacktest.WithRateLimit(2, time.Minute), skinsbacktest.WithClock(func() time.Time { return now }))
	for i, c := range []struct {
		after time.Duration
		want  int
	}{{0, 4}, {30 * time.Second, 4}, {29 * time.Second, -7}, {time.Second, -7}, {60 * time.Second, 4}} {
		now = now.Add(c.after)
		if got := s.code(ask); got != c.want {
			t.Errorf("request %d: error %d, want %d", i, got, c.want)
		}
	}
}

func TestShop_LivesByTheClock(t *testing.T) {
	t.Parallel()
	now := time.Unix(1763750000, 0)
	s := open(t, skinsbacktest.WithClock(func() time.Time { return now }), skinsbacktest.WithMultiplier("1.05"), skinsbacktest.WithLife(
		skinsbacktest.Step{After: time.Minute, Status: skinsbacktest.InHold, Amount: "12.5"},
		skinsbacktest.Step{After: time.Hour, Status: skinsbacktest.Success},
	))
	s.object(create)
	want := map[string]any{"status": "pending", "transaction_id": "13", "order_id": "1", "steam_id": gabe, "date": 1763750000.0}
	if diff := cmp.Diff(want, s.object(ask)); diff != "" {
		t.Error(diff)
	}
	now = now.Add(2 * time.Minute)
	got := s.object(ask)
	if got["status"] != "in_hold" || got["amount"] != 12.5 || got["user_amount"] != 13.125 || got["in_hold_until"] != 1763750120.0+8*86400 {
		t.Errorf("got %v", got)
	}
	now = now.Add(time.Hour)
	s.Advance()
	if d := s.Deposits(); d[0].Status != skinsbacktest.Success {
		t.Errorf("got %+v", d)
	}
	if paid := s.Book().Select(skinsbacktest.Paid, ""); len(paid) != 1 || paid[0].OrderKey != gabe || paid[0].Amount != "12.5" {
		t.Errorf("paid %+v", paid)
	}
	s.do(s.Return("1"))
	if undone := s.Book().Select(skinsbacktest.Undone, ""); len(undone) != 1 || undone[0].Reference != "1" {
		t.Errorf("undone %+v", undone)
	}
	if err := s.Pay("2", "1"); err == nil {
		t.Error("a deposit that was never made was paid")
	}
}

func TestShop_SendsItsWebhooksInOrder(t *testing.T) {
	t.Parallel()
	got := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		got <- r.URL.Path + " " + form.Get("status") + " " + form.Get("amount_in_currencies[rub]")
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(receiver.Close)
	s := open(t, skinsbacktest.WithWebhooks(skinsbacktest.Form, receiver.URL+"/project"))
	s.object(create)
	s.object(strings.Replace(create, "order_id=1", "order_id=2", 1) + "&result_url=" + url.QueryEscape(receiver.URL+"/own"))
	s.do(s.Hold("1", "1"))
	s.do(s.Approve("1"))
	s.do(s.Fail("2", "timeout"))
	for _, want := range []string{"/project in_hold 80", "/project hold_approved 80", "/own fail "} {
		if sent := <-got; sent != want {
			t.Errorf("sent %q, want %q", sent, want)
		}
	}
	d, err := s.WaitDelivery(t.Context(), func(d skinsbacktest.Delivery) bool { return d.OrderID == "2" })
	if err != nil || d.Code != http.StatusAccepted || d.Status != skinsbacktest.Failed || len(s.Deliveries()) != 3 {
		t.Errorf("got %+v, %v", d, err)
	}
	w, err := s.Webhook("1")
	s.do(err)
	w.URL = "http://127.0.0.1:1/"
	if _, err := s.Send(t.Context(), w); err == nil {
		t.Error("sent to where nobody listens")
	}
}

func TestShop_KeepsBooksOfLostCreates(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.Faults().Once(skinsbacktest.OpCreate, providertest.Fault{Kind: providertest.HTML})
	if _, answer := s.send(create); !strings.HasPrefix(answer, "<") {
		t.Errorf("answered %s", answer)
	}
	made := s.Book().Purchases()
	if len(made) != 1 || made[0].OrderKey != gabe || made[0].Reference != "1" || made[0].ID != "13" || made[0].Amount != "" {
		t.Errorf("made %+v", made)
	}
}
