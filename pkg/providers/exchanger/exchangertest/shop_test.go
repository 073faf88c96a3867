package exchangertest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

// shop is a server and the plainest of clients.
type shop struct {
	*exchangertest.Server
	t testing.TB
}

func open(t testing.TB, opts ...exchangertest.Option) shop {
	t.Helper()
	s := exchangertest.New(opts...)
	t.Cleanup(s.Close)
	return shop{s, t}
}

// send sends a request, changed by mutate.
func (s shop) send(method, form string, mutate ...func(*http.Request)) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.APIURL()+"/"+method, strings.NewReader(form))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("API-LOGIN", exchangertest.Login)
	r.Header.Set("API-KEY", exchangertest.Key)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
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

// post sends a request that is answered with HTTP 200.
func (s shop) post(method, form string) string {
	s.t.Helper()
	status, body := s.send(method, form)
	if status != http.StatusOK {
		s.t.Fatalf("%s %s: HTTP %d %s", method, form, status, body)
	}
	return body
}

const card = "direction_id=101&calc_amount=3000&calc_action=1&account2=TWallet1&cf6=a%40b.c"

// create opens a bid and returns its id and hash.
func (s shop) create(form string) (id, hash string) {
	s.t.Helper()
	var out struct {
		Data struct {
			ID   json.Number `json:"id"`
			Hash string      `json:"hash"`
		} `json:"data"`
	}
	body := s.post(exchangertest.OpCreateBid, form)
	if err := json.Unmarshal([]byte(body), &out); err != nil || out.Data.ID == "" {
		s.t.Fatalf("no bid: %s", body)
	}
	return out.Data.ID.String(), out.Data.Hash
}

// ids returns the ids that a list of bids or payouts shows.
func (s shop) ids(method, form string) []string {
	s.t.Helper()
	var out struct {
		Data json.RawMessage `json:"data"`
	}
	var data struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(s.post(method, form)), &out); err != nil {
		s.t.Fatal(err)
	}
	if string(out.Data) == "[]" {
		return nil
	}
	if err := json.Unmarshal(out.Data, &data); err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for _, i := range data.Items {
		ids = append(ids, i.ID)
	}
	return ids
}

func TestShop_AnswersAsTheScriptDoes(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, hash := s.create(card + "&api_id=5")
	sums := `"currency_code_give":"RUB","currency_code_get":"USDT","reserve":"100000","course_give":"96.1","course_get":"1","sum_give":"3000.00",` +
		`"sum_give_com":"3030.00","sum_get":"31.217482","sum_get_com":"31.217482","com_give":"<span>0.01</span>","com_get":"<span>0</span>",` +
		`"min_give":"1000","max_give":"500000","min_get":"no","max_get":"5000"`
	bid := `"hash":"` + hash + `","status":"new","status_title":"Status <b>new</b>","psys_give":"Sberbank RUB","psys_get":"Tether TRC20 USDT",` +
		`"currency_code_give":"RUB","currency_code_get":"USDT","amount_give":"3030.00","amount_get":"31.217482","course_give":"96.1","course_get":"1",` +
		`"api_actions":{"type":"mypaid","cancel":"api","pay":"api","pay_amount":"3030.00","instruction":"<p>Pay <strong>3030.00&nbsp;RUB</strong>` +
		`<br />for bid 1234 &amp; wait.</p><script>track()</script>"}`
	for _, c := range []struct{ method, form, want string }{
		{"test", "", `{"error":0,"error_text":"","data":{"ip":"127.0.0.1","user_id":7,"locale":"en_US","partner_id":"0"}}`},
		{"get_directions", "currency_id_give=3", `{"error":0,"error_text":"","data":[{"direction_id":"108","currency_give_id":"3","currency_give_title":"Bitcoin BTC",` +
			`"currency_give_logo":"","currency_get_id":"2","currency_get_title":"Tether TRC20 USDT","currency_get_logo":""}]}`},
		{"get_directions", "currency_id_give=9", `{"error":0,"error_text":"","data":[]}`},
		{"get_direction", "direction_id=106", `{"error":"0","error_text":"","data":[]}`},
		{"get_direction", "direction_id=999", `{"error":"0","error_text":"","data":[]}`},
		{"get_calc", "direction_id=101&calc_amount=3000&calc_action=1", `{"error":"0","error_text":"","data":{` + sums + `,"changed":"0"}}`},
		{"get_calc", "direction_id=101&calc_amount=3000&calc_action=7", `{"error":"0","error_text":"","data":{` + sums + `,"changed":"0"}}`},
		{"get_calc", "direction_id=999&calc_amount=3000&calc_action=1", `{"error":"1","error_text":"Direction not found","data":[]}`},
		{"bid_info", "id=1234", `{"error":"0","error_text":"","error_fields":[],"data":{"url":"https://exchanger.example/hst_` + hash + `/","id":"1234",` + bid + `}}`},
		{"bid_info", "id=9", `{"error":"1","error_text":"No bid exists","error_fields":[],"data":[]}`},
		{"cancel_bid", "hash=x", `{"error":"1","error_text":"No bid exists","data":""}`},
		{"create_bid", card + "&api_id=5", `{"error":"3","error_text":"Error! api id not unique","error_fields":[],"data":[]}`},
		{"create_bid", "direction_id=101&calc_amount=1&calc_action=1", `{"error":"3","error_text":"Error! Check the form<br />Some fields are wrong","error_fields":` +
			`{"account2":"<b>account2</b> is required","cf6":"<b>cf6</b> is required","sum1":"min. <span data-val=\"1000\">1000</span>, max. <span data-val=\"500000\">500000</span>"},"data":[]}`},
		{"get_partner_payouts", "", `{"error":0,"error_text":"","data":[]}`},
		{"get_exchanges", "id=7", `{"error":"0","error_text":"","data":[]}`},
	} {
		got := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(s.post(c.method, c.form))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %s\n%s", c.method, c.form, diff)
		}
	}
}

func TestShop_SeesNoParametersButThoseOfAForm(t *testing.T) {
	t.Parallel()
	s := open(t)
	status, body := s.send(exchangertest.OpCreateBid, `{"direction_id":"101"}`, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
	if status != 200 || !strings.Contains(body, "The direction does not exist") {
		t.Errorf("HTTP %d %s", status, body)
	}
	for name, form := range map[string]string{"unknown": card + "&email=x", "twice": card + "&calc_amount=5000", "a field of no name": card + "&cfx=1"} {
		if status, _ := s.send(exchangertest.OpCreateBid, form); status != http.StatusBadRequest {
			t.Errorf("%s: HTTP %d", name, status)
		}
	}
	for name, c := range map[string]struct {
		mutate func(*http.Request)
		status int
	}{
		"a GET":          {func(r *http.Request) { r.Method = http.MethodGet }, 405},
		"another method": {func(r *http.Request) { r.URL.Path += "s" }, 404},
		"another path":   {func(r *http.Request) { r.URL.Path = "/create_bid" }, 404},
	} {
		if status, _ := s.send(exchangertest.OpCreateBid, card, c.mutate); status != c.status {
			t.Errorf("%s: HTTP %d", name, status)
		}
	}
	if n := len(s.Bids()); n != 0 {
		t.Errorf("%d bids", n)
	}
}

func TestShop_TheGateAnswersBeforeAnyMethod(t *testing.T) {
	t.Parallel()
	const disabled = `{"error":1,"error_text":"Api disabled","data":[]}`
	s := open(t, exchangertest.WithoutMethods(exchangertest.OpExchanges))
	for _, header := range []string{"API-LOGIN", "API-KEY"} {
		if _, got := s.send("test", "", func(r *http.Request) { r.Header.Set(header, "x") }); got != disabled {
			t.Errorf("another %s: %s", header, got)
		}
	}
	if got := s.post("get_exchanges", ""); got != `{"error":3,"error_text":"Method not supported","data":[]}` {
		t.Error(got)
	}
	s.SetMaintenance(true)
	if got := s.post("test", ""); got != `{"error":1,"error_text":"Maintenance","data":[]}` {
		t.Error(got)
	}
	if got := s.post("create_bid", card); !strings.HasPrefix(got, `{"error":"2","error_text":"`) || !strings.Contains(got, "12:00") {
		t.Error(got)
	}
	s.SetIPBlocked(true)
	if got := s.post("test", ""); got != `{"error":2,"error_text":"IP blocked","data":[]}` {
		t.Error(got)
	}
	s.SetAPIDisabled(true)
	if got := s.post("test", ""); got != disabled {
		t.Error(got)
	}
	if n := len(s.Bids()); n != 0 {
		t.Errorf("%d bids", n)
	}
}

func TestShop_ComparesOnlyAPIIDsThatAreNumbers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("1", 100)
	for id, again := range map[string]bool{"5": false, "3029384756102938475": false, "12ab": false, "abc": true, "": true, "0": true, "-5": true, "b1k3v": true, long + "2": false} {
		s := open(t)
		first, _ := s.create(card + "&api_id=" + id)
		s.SetStatus(1234, "cancel") // burnt all the same
		body := s.post("create_bid", card+"&api_id="+id)
		if opened := !strings.Contains(body, "not unique"); opened != again || first != "1234" || len(s.Bids()) != 1+map[bool]int{true: 1}[again] {
			t.Errorf("%q: %s", id, body)
		}
	}
	s := open(t)
	s.create(card + "&api_id=" + long + "2")
	if body := s.post("create_bid", card+"&api_id="+long+"3"); !strings.Contains(body, "not unique") {
		t.Errorf("longer ids are cut: %s", body)
	}
}

func TestShop_ListsByWindowAndPageAndTheWrongColumn(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	begun := time.Unix(1_790_000_000, 0)
	s := open(t, exchangertest.WithClock(func() time.Time { return begun.Add(time.Duration(passed.Load())) }),
		exchangertest.WithClockOffset(3*time.Hour), exchangertest.WithPageLimit(4), exchangertest.WithListingLag(2*time.Second))
	for i := range 6 {
		passed.Store(int64(i) * int64(time.Minute))
		s.create(fmt.Sprintf("%s&api_id=%d", card, 1234+i+1)) // as if api_ids were the next bid's id
	}
	at := func(minutes int) string {
		return fmt.Sprint(begun.Add(3*time.Hour + time.Duration(minutes)*time.Minute).Unix())
	}
	for form, want := range map[string]string{
		"":                    "1238 1237 1236 1235", // the newest is not listed yet
		"limit=2":             "1238 1237",
		"limit=2&offset=1":    "1237 1236",
		"limit=500&offset=4":  "1234",
		"offset=9":            "",
		"start_time=" + at(3): "1238 1237",
		"end_time=" + at(1):   "1235 1234",
		"start_time=1790000000&end_time=" + at(0): "1234",
		"id=1236":      "1236",
		"api_id=1236":  "1236", // its api_id is 1237
		"ip=127.0.0.2": "",
	} {
		if got := strings.Join(s.ids("get_exchanges", form), " "); got != want {
			t.Errorf("%q: %s, want %s", form, got, want)
		}
	}
	passed.Add(int64(2 * time.Second))
	s.SetStatus(1234, "success") // the newest change comes first
	if got := s.ids("get_exchanges", "limit=2"); !slices.Equal(got, []string{"1234", "1239"}) {
		t.Error(got)
	}
	got := s.post("get_exchanges", "id=1234&status_history=1")
	for _, part := range []string{`"exchange_success":"1"`, `"api_id":"1235"`, `"status":"new"},{"time":"1790011102"`, `"status":"success"}]`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
}

func TestShop_CancelAndPayWorkByStatus(t *testing.T) {
	t.Parallel()
	const none = `{"error":"1","error_text":"No bid exists","data":""}`
	for status, want := range map[string]struct{ cancel, pay string }{
		"new":     {`"cancel"`, `"payed"`},
		"techpay": {`"cancel"`, `"payed"`},
		"coldnew": {`"cancel"`, none},
		"amlwait": {`"cancel"`, none},
		"payed":   {none, `"payed"`},
		"cancel":  {`"cancel"`, none},
		"realpay": {none, none},
		"success": {none, none},
	} {
		for method, answer := range map[string]string{"cancel_bid": want.cancel, "pay_bid": want.pay} {
			s := open(t)
			_, hash := s.create(card)
			s.SetStatus(1234, status)
			if answer != none {
				answer = `{"error":"0","error_text":"","data":` + answer + `}`
			}
			if got := s.post(method, "hash="+hash); got != answer {
				t.Errorf("%s of %s: %s, want %s", method, status, got, answer)
			}
		}
	}
	s := open(t)
	_, hash := s.create("direction_id=103&calc_amount=3000&calc_action=1&account2=x")
	if got := s.post("pay_bid", "hash="+hash); got != `{"error":"2","error_text":"Action disabled","data":""}` {
		t.Error(got)
	}
	d, _ := s.Direction("103")
	d.Hidden = true
	s.SetDirection(d)
	if got := s.post("bid_info", "hash="+hash); !strings.Contains(got, "No bid exists") {
		t.Errorf("a bid of a direction that was taken away: %s", got)
	}
}
