package hooks_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

// bids is an exchanger as a script sees it. Its callbacks are kept from going
// out by themselves: the addresses that it was given are noted, and the site is
// told none.
type bids struct {
	t    *testing.T
	shop *exchangertest.Shop

	mu        sync.Mutex
	callbacks map[string]string // by the account that the bid pays to
}

func account(s script) string { return fmt.Sprintf("TWallet%d", s.n) }

// ServeHTTP hands requests on to the site, without the address of the callback.
func (b *bids) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		b.t.Error(err)
	}
	if target := form.Get("callback_url"); target != "" {
		b.mu.Lock()
		b.callbacks[form.Get("account2")] = target
		b.mu.Unlock()
		form.Del("callback_url")
		body = []byte(form.Encode())
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	b.shop.ServeHTTP(w, r)
}

func (b *bids) order(s script) string {
	return fmt.Sprintf(`{"v":1,"id":%q,"provider":"exchanger","kind":"exchange","params":{"direction_id":%q,"amount":"%d","amount_side":"give","account_from":"2202200112345678","account_to":%q,"fields":{"cf6":"user@gmail.com"}}}`,
		s.id, exchangertest.DirectionCard, 3000+s.n, account(s))
}

// find returns the bid of an order, by what the site knows of the customer.
func (b *bids) find(n int) exchangertest.Bid {
	all := b.shop.Bids()
	i := slices.IndexFunc(all, func(bid exchangertest.Bid) bool { return bid.Account2 == account(script{n: n}) })
	if i < 0 {
		b.t.Errorf("no bid of order %d", n)
		return exchangertest.Bid{}
	}
	return all[i]
}

func (b *bids) advance(first event, _ script, status string) {
	id, err := strconv.ParseInt(first.text("provider_ref.id"), 10, 64)
	if err != nil {
		b.t.Error(err)
	}
	b.shop.SetStatus(id, status)
}

func (b *bids) genuine(first event) hook {
	var n int
	if _, err := fmt.Sscanf(first.text("order.params.account_to"), "TWallet%d", &n); err != nil {
		b.t.Error(err)
	}
	return b.says(n, b.find(n).Status)
}

// says is a callback to the order's own address, whatever it says.
func (b *bids) says(n int, status string) hook {
	b.mu.Lock()
	defer b.mu.Unlock()
	body := url.Values{"bid_id": {strconv.FormatInt(b.find(n).ID, 10)}, "status": {status}}.Encode()
	return hook{b.callbacks[account(script{n: n})], "application/x-www-form-urlencoded", body}
}

// forged is a callback without the order's token, or with what no site sends.
// One that has the token and lies is believed no more; see the test of that.
func (b *bids) forged(_ event, s script) hook {
	lie := "success"
	if s.path[len(s.path)-1] == lie {
		lie = "cancel"
	}
	h := b.says(s.n, lie)
	switch s.forgery % 3 {
	case 0:
		return wrongToken(h)
	case 1:
		h.body = "status=" + lie
		return h
	default:
		h.kind, h.body = "application/json", `{"bid_id":"1","status":"`+lie+`"}`
		return h
	}
}

func (b *bids) shows(e event, s script, status string) bool {
	state, told := e.text("state"), e.text("evidence.bid_status")
	if told != status {
		return false
	}
	switch status {
	case "success":
		bid := b.find(s.n)
		return state == "succeeded" && number(e.text("deliverable.amount_get.amount")) == number(bid.AmountGet) &&
			e.text("deliverable.account_to") == account(s) && number(e.text("cost.amount")) == number(bid.AmountGive)
	case "cancel", "delete":
		return state == "failed" && e.text("error.code") == status
	case "new", "techpay":
		return state == "action_required"
	default:
		return state == "processing"
	}
}

// number leaves out the zeros that a decimal may end in.
func number(text string) string {
	if !strings.Contains(text, ".") {
		return text
	}
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}

func (b *bids) creates(s script) int {
	count := 0
	for _, e := range b.shop.Book().Purchases() {
		if e.OrderKey == account(s) {
			count++
		}
	}
	return count
}

// startExchanger starts a pipeline for exchanges. change is laid over the settings.
func startExchanger(t *testing.T, replicas int, change map[string]string) (*rig, *bids) {
	t.Helper()
	b := &bids{t: t, shop: exchangertest.NewShop(), callbacks: map[string]string{}}
	site := httptest.NewServer(b)
	t.Cleanup(site.Close)
	return newRig(t, programs.Exchanger, replicas, change, map[string]string{
		"EXCHANGER_URL": site.URL + exchangertest.Path, "EXCHANGER_API_LOGIN": exchangertest.Login, "EXCHANGER_API_KEY": exchangertest.Key,
	}), b
}

func TestExchanger_EveryPermutationEndsAsTheBooksSay(t *testing.T) {
	t.Parallel()
	r, b := startExchanger(t, 4, nil)
	r.play(b, scripts(
		[]string{"techpay", "payed", "success"},
		[]string{"payed", "cancel"},
		[]string{"success"},
		[]string{"delete"},
	))
}
