package gamesdroptest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// shop is a server and the plainest of clients.
type shop struct {
	*gamesdroptest.Server
	t testing.TB
}

func open(t testing.TB, opts ...gamesdroptest.Option) shop {
	t.Helper()
	s := gamesdroptest.New(opts...)
	t.Cleanup(s.Close)
	return shop{s, t}
}

// send sends a request as the document prints it, changed by mutate.
func (s shop) send(method, path, body string, mutate ...func(*http.Request)) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", gamesdroptest.Token)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
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

func (s shop) post(path, body string) string {
	s.t.Helper()
	_, answer := s.send(http.MethodPost, path, body)
	return answer
}

func code(answer string) string {
	var e struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	_ = json.Unmarshal([]byte(answer), &e)
	return e.Error.Code
}

const pubg = `{"offerId":1001,"price":560.10,"transactionId":"t1","customer":{"email":"user@gmail.com","gameUserId":"52357322414"}}`

func at(text string) gamesdroptest.Option {
	return gamesdroptest.WithClock(func() time.Time {
		now, err := time.Parse(time.RFC3339, text)
		if err != nil {
			panic(err)
		}
		return now
	})
}

func TestShop_AnswersTheDocumentsExamplesAsThePublishedOnes(t *testing.T) {
	t.Parallel()
	s := open(t, at("2024-05-28T10:08:04.296Z"))
	s.SetUnreachable("123456789", "user not found")
	for _, c := range []struct{ path, body, want string }{
		{
			gamesdroptest.FindOnePath, `{"offerId": 1001}`,
			`{"offerId":1001,"productName":"PUBG MOBILE GIFT","offerName":"60 UC","count":1,"price":560.10,"currency":"RUB","isReturnDataForCustomer":true}`,
		},
		{
			gamesdroptest.CreateOrderPath, pubg,
			`{"orderId":10222502,"count":1,"price":560.10,"currency":"RUB","offerId":1001,"productName":"PUBG MOBILE GIFT","offerName":"60 UC",` +
				`"status":"COMPLETED","isReturnDataForCustomer":true,"key":"001434249936","createdAt":"2024-05-28 10:08:04.296+00"}`,
		},
		{gamesdroptest.CheckPath, `{"offerId":1001,"gameUserId":"52357322414","gameServerId":"1234"}`, `{"status":"VALID","gameUserLogin":"JJJ"}`},
		{gamesdroptest.CheckPath, `{"offerId":1001,"gameUserId":"000"}`, `{"status":"INVALID"}`},
		{
			gamesdroptest.CreateOrderPath, `{"offerId":"telegram_stars_100","price":0.77,"transactionId":"s1","customer":{"gameUserId":"143594291"}}`,
			`{"orderId":10222503,"count":1,"price":0.78,"currency":"USD","offerId":"telegram_stars_100","productName":"Telegram Stars","offerName":"100 Stars",` +
				`"status":"COMPLETED","isReturnDataForCustomer":true,"fulfillmentData":{"telegram_user_id":143594291,"stars_amount":100,` +
				`"transaction_id":"tg_tx_10222503","delivery_status":"completed"},"createdAt":"2024-05-28T10:08:04.296Z"}`,
		},
		{
			gamesdroptest.CreateOrderPath, `{"offerId":"telegram_stars_100","price":0.77,"transactionId":"s2","customer":{"gameUserId":"123456789"}}`,
			`{"orderId":10222504,"status":"CANCELED","message":"Failed to deliver Stars: user not found","fulfillmentData":{"telegram_user_id":123456789,` +
				`"stars_amount":100,"delivery_status":"failed","error_message":"user not found"},"createdAt":"2024-05-28T10:08:04.296Z"}`,
		},
		{
			gamesdroptest.TelegramPath, `{"username":"@igoryan34"}`,
			`{"valid":true,"username":"igoryan34","userInfo":{"id":143594291,"first_name":"Igor","username":"igoryan34"},"message":"User account verified successfully"}`,
		},
	} {
		status, got := s.send(http.MethodPost, c.path, c.body)
		if diff := cmp.Diff(c.want, got); diff != "" || status != 200 {
			t.Errorf("%s %s: HTTP %d\n%s", c.path, c.body, status, diff)
		}
	}
}

func TestShop_RefusesWhatAClientMightGetWrong(t *testing.T) {
	t.Parallel()
	s := open(t)
	create := func(old, replacement string) [2]string {
		changed := strings.Replace(pubg, old, replacement, 1)
		if changed == pubg {
			t.Fatalf("%q changes nothing", old)
		}
		return [2]string{gamesdroptest.CreateOrderPath, changed}
	}
	for name, request := range map[string][2]string{
		"offer id in quotes":      create(`1001`, `"1001"`),
		"offer id a fraction":     create(`1001`, `1001.0`),
		"offer id null":           create(`1001`, `null`),
		"no offer id":             create(`"offerId":1001,`, ``),
		"price in quotes":         create(`560.10`, `"560.10"`),
		"price with exponent":     create(`560.10`, `5.601e2`),
		"price negative":          create(`560.10`, `-560.10`),
		"no price":                create(`"price":560.10,`, ``),
		"transaction id a number": create(`"t1"`, `1`),
		"transaction id empty":    create(`"t1"`, `""`),
		"player a number":         create(`"52357322414"`, `52357322414`),
		"customer a text":         create(`{"email":"user@gmail.com","gameUserId":"52357322414"}`, `"x"`),
		"unknown field":           create(`"price"`, `"amount":1,"price"`),
		"unknown customer field":  create(`"email"`, `"mail":"x","email"`),
		"a key twice":             create(`"price"`, `"offerId":1001,"price"`),
		"something after":         create(`"}}`, `"}} {}`),
		"cut short":               create(`"}}`, `"}`),
		"a list":                  {gamesdroptest.CreateOrderPath, "[" + pubg + "]"},
		"a form":                  {gamesdroptest.CreateOrderPath, "offerId=1001"},
		"Stars as a number":       {gamesdroptest.FindOnePath, `{"offerId":telegram_stars_100}`},
		"another text as id":      {gamesdroptest.FindOnePath, `{"offerId":"stars"}`},
		"order id in quotes":      {gamesdroptest.OrderStatusPath, `{"orderId":"10222502"}`},
		"player id a number":      {gamesdroptest.CheckPath, `{"offerId":1001,"gameUserId":1}`},
		"player needed":           {gamesdroptest.CreateOrderPath, `{"offerId":1002,"price":75.00,"transactionId":"x"}`},
		"server needed":           {gamesdroptest.CreateOrderPath, `{"offerId":1003,"price":12.50,"transactionId":"x","customer":{"gameUserId":"1"}}`},
		"Stars to a name":         {gamesdroptest.CreateOrderPath, `{"offerId":"telegram_stars_50","price":0.39,"transactionId":"x","customer":{"gameUserId":"@igoryan34"}}`},
	} {
		if got := code(s.post(request[0], request[1])); got != "INVALID_REQUEST_BODY" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, mutate := range map[string]func(*http.Request){
		"bearer":       func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+gamesdroptest.Token) },
		"no token":     func(r *http.Request) { r.Header.Del("Authorization") },
		"not JSON":     func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"wrong path":   func(r *http.Request) { r.URL.Path = "/api/v1/orders" },
		"wrong method": func(r *http.Request) { r.Method = http.MethodPut },
	} {
		want := map[string]int{"bearer": 401, "no token": 401, "not JSON": 400, "wrong path": 404, "wrong method": 405}[name]
		if status, _ := s.send(http.MethodPost, gamesdroptest.CreateOrderPath, pubg, mutate); status != want {
			t.Errorf("%s: HTTP %d, want %d", name, status, want)
		}
	}
	if n := len(s.Purchases()); n != 0 {
		t.Errorf("%d purchases", n)
	}
}

func TestShop_TheOptionsSayWhatIsCheckedFirstAndWhatBurns(t *testing.T) {
	t.Parallel()
	wrong := strings.Replace(pubg, "560.10", "560.11", 1)
	for name, c := range map[string]struct {
		opts            []gamesdroptest.Option
		repeat, rebuilt string // after a purchase; after a refusal
	}{
		"as given":    {nil, "TRANSACTION_DUPLICATE", ""},
		"price first": {[]gamesdroptest.Option{gamesdroptest.WithPriceCheckedFirst()}, "WRONG_PRICE", ""},
		"burnt":       {[]gamesdroptest.Option{gamesdroptest.WithBurntReferences()}, "TRANSACTION_DUPLICATE", "TRANSACTION_DUPLICATE"},
	} {
		s := open(t, c.opts...)
		s.post(gamesdroptest.CreateOrderPath, pubg)
		if got := code(s.post(gamesdroptest.CreateOrderPath, wrong)); got != c.repeat {
			t.Errorf("%s: a repeat with another price: %q", name, got)
		}
		fresh := open(t, c.opts...)
		if got := code(fresh.post(gamesdroptest.CreateOrderPath, wrong)); got != "WRONG_PRICE" {
			t.Errorf("%s: a wrong price: %q", name, got)
		}
		if got := code(fresh.post(gamesdroptest.CreateOrderPath, pubg)); got != c.rebuilt {
			t.Errorf("%s: again after a refusal: %q", name, got)
		}
	}
}

func TestShop_ErrorsHaveTheShapeAskedFor(t *testing.T) {
	t.Parallel()
	for shape, want := range map[gamesdroptest.ErrorShape]string{
		gamesdroptest.ShapeNested:  `{"error":{"code":"OFFER_NOT_FOUND","message":"refused: offer not found"}}`,
		gamesdroptest.ShapeWord:    `{"error":"OFFER_NOT_FOUND","message":"refused: offer not found"}`,
		gamesdroptest.ShapeCode:    `{"code":"OFFER_NOT_FOUND","message":"refused: offer not found"}`,
		gamesdroptest.ShapeMessage: `{"statusCode":418,"message":"OFFER_NOT_FOUND"}`,
	} {
		s := open(t, gamesdroptest.WithErrors(shape, 418))
		if status, got := s.send(http.MethodPost, gamesdroptest.FindOnePath, `{"offerId":5}`); status != 418 || got != want {
			t.Errorf("HTTP %d %s, want %s", status, got, want)
		}
	}
}

func TestShop_MoneyBalancesToTheLastDigit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opts []gamesdroptest.Option
		kept string
	}{
		"canceled given back": {nil, "0"},
		"canceled kept":       {[]gamesdroptest.Option{gamesdroptest.WithCanceledKept()}, "20"},
	} {
		s := open(t, c.opts...)
		s.Refill("12.34")
		for i, body := range []string{
			`"offerId":1001,"price":560.1`, `"offerId":999,"price":23.09`, `"offerId":2002,"price":10`, `"offerId":2003,"price":10`,
			`"offerId":2004,"price":10`, `"offerId":2005,"price":10`, `"offerId":"telegram_stars_1000","price":7.70,"customer":{"gameUserId":"1"}`,
		} {
			s.post(gamesdroptest.CreateOrderPath, fmt.Sprintf(`{%s,"transactionId":"t%d"}`, body, i))
		}
		for _, p := range s.Purchases() {
			s.post(gamesdroptest.OrderStatusPath, fmt.Sprintf(`{"orderId":%d}`, p.OrderID))
		}
		want := money.MustDecimal("1012.34").Sub(money.MustDecimal("7.00125")).Sub(money.MustDecimal("7.69")).Sub(money.MustDecimal(c.kept))
		if got := s.Balance(); !got.Equal(want) || len(s.Purchases()) != 7 {
			t.Errorf("%s: balance %v, want %v", name, got, want)
		}
		_, history := s.send(http.MethodGet, gamesdroptest.TransactionsPath+"?limit=1000", "")
		var list struct {
			Transactions []struct {
				Amount       money.Decimal `json:"amount"`
				BalanceAfter money.Decimal `json:"balanceAfter"`
			} `json:"transactions"`
		}
		if err := json.Unmarshal([]byte(history), &list); err != nil {
			t.Fatal(err)
		}
		sum := money.MustDecimal("1000")
		for i := len(list.Transactions) - 1; i >= 0; i-- {
			if sum = sum.Add(list.Transactions[i].Amount); !sum.Equal(list.Transactions[i].BalanceAfter) {
				t.Errorf("%s: after entry %d the balance is %v, not %v", name, i, sum, list.Transactions[i].BalanceAfter)
			}
		}
		if !sum.Equal(want) {
			t.Errorf("%s: the history adds up to %v, want %v", name, sum, want)
		}
	}
}

func TestShop_ManyAtOnceWithOneReferenceBuyOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() { s.post(gamesdroptest.CreateOrderPath, pubg) })
	}
	group.Wait()
	if n, received := len(s.Purchases()), s.Requests(gamesdroptest.OpCreateOrder); n != 1 || received != 16 {
		t.Errorf("%d purchases of %d requests", n, received)
	}
}

func TestShop_ItsBookSaysWhoseAPurchaseWas(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	s := open(t, gamesdroptest.WithBook(providertest.NewBook(&file)))
	s.post(gamesdroptest.CreateOrderPath, pubg)
	s.SetOrderStatus(10222502, "REFUND")
	s.SetOrderStatus(10222502, "REFUND")
	var got []string
	for _, e := range s.Book().Entries() {
		if e.Phase == providertest.Committed || e.Phase == gamesdroptest.Undone {
			got = append(got, fmt.Sprint(e.Phase, e.OrderKey, e.Reference, e.ID, e.Amount, e.Currency))
		}
	}
	want := []string{"committeduser@gmail.comt110222502560.10RUB", "undoneuser@gmail.comt110222502"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if lines := strings.Count(file.String(), "\n"); lines != len(s.Book().Entries()) {
		t.Errorf("%d lines on file", lines)
	}
	if !s.Purchases()[0].Returned || !s.Balance().Equal(money.MustDecimal("1000")) {
		t.Errorf("%+v, balance %v", s.Purchases()[0], s.Balance())
	}
}

func TestShop_OrdersMoveByPollsOrByCommand(t *testing.T) {
	t.Parallel()
	s := open(t, gamesdroptest.WithPollsPerStep(2))
	pending := `{"offerId":2001,"price":10.00,"transactionId":"t%d"}`
	status := func(answer string) string {
		var o struct {
			Status string `json:"status"`
		}
		if err := json.Unmarshal([]byte(answer), &o); err != nil {
			t.Fatal(err)
		}
		return o.Status
	}
	got := []string{status(s.post(gamesdroptest.CreateOrderPath, fmt.Sprintf(pending, 1)))}
	for range 5 {
		got = append(got, status(s.post(gamesdroptest.OrderStatusPath, `{"orderId":10222502}`)))
	}
	want := []string{"SUBMITTED", "SUBMITTED", "PROCESSING", "PROCESSING", "COMPLETED", "COMPLETED"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.post(gamesdroptest.CreateOrderPath, fmt.Sprintf(pending, 2))
	s.SetOrderStatus(10222503, "COMPLETED")
	for range 3 {
		if got := status(s.post(gamesdroptest.OrderStatusPath, `{"orderId":10222503}`)); got != "COMPLETED" {
			t.Errorf("got %s after the command", got)
		}
	}
}
