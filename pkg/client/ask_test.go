package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

func refusal(code, seconds, text string) *nats.Msg {
	h := nats.Header{"Nats-Service-Error-Code": {code}, "Nats-Service-Error": {"because"}}
	if seconds != "" {
		h["Retry-After"] = []string{seconds}
	}
	return &nats.Msg{Header: h, Data: []byte(text)}
}

func TestAsk_ErrorsTellTheirNumberAndHowLongToWait(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	c := connect(t, s.URL(), nil)
	answerer(t, s.Conn(t), "svc.providers.gamesdrop.find_offer",
		refusal("429", "2", `{"error":{"code":"no_permit","message":"no permit within 2s","retry_after":"1.5s"}}`),
		refusal("429", "2", `not JSON`),
		refusal("400", "", `{"error":{"code":"bad_request","message":"x","faults":[{"pointer":"/offer_id","message":"must be an integer"}]}}`),
		refusal("404", "", `{"error":{"code":"not_found","message":"no such offer"}}`),
		refusal("409", "", `{"error":{"code":"wrong_state","message":"x"}}`),
		refusal("502", "", `{"error":{"code":"provider_error","message":"x","class":"ambiguous","provider_code":"timeout"}}`),
		refusal("503", "60", `{"error":{"code":"lane_closed","message":"x","reason":"INSUFFICIENT_BALANCE","retry_after":"60s"}}`),
		refusal("nonsense", "", ``),
	)
	for i, want := range []struct {
		status int
		after  time.Duration
		code   string
	}{
		{http.StatusTooManyRequests, 1500 * time.Millisecond, "no_permit"},
		{http.StatusTooManyRequests, 2 * time.Second, ""},
		{http.StatusBadRequest, 0, "bad_request"},
		{http.StatusNotFound, 0, "not_found"},
		{http.StatusConflict, 0, "wrong_state"},
		{http.StatusBadGateway, 0, "provider_error"},
		{http.StatusServiceUnavailable, time.Minute, "lane_closed"},
		{http.StatusInternalServerError, 0, ""},
	} {
		_, err := c.FindOffer(within(t), messages.FindOfferQuery{OfferID: 1001})
		var failure *client.ServiceError
		if !errors.As(err, &failure) || failure.Status != want.status || failure.RetryAfter != want.after || failure.Problem.Code != want.code || failure.Problem.Message == "" {
			t.Errorf("answer %d: %+v", i, err)
		}
		if client.NotFound(err) != (want.status == http.StatusNotFound) {
			t.Errorf("answer %d: NotFound is %t", i, client.NotFound(err))
		}
		var invalid *messages.InvalidError
		if errors.As(err, &invalid) != (want.status == http.StatusBadRequest) {
			t.Errorf("answer %d: faults %+v", i, invalid)
		}
	}
}

func TestAsk_AnswersAreTypedAndSayWhenTheProviderWasAsked(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	good := body(`{"offer_id":"1001","price":{"amount":"560.10","currency":"RUB"},"new":1}`)
	good.Header = nats.Header{"Beltline-Asked-At": {"2026-11-21T20:54:01.5Z"}}
	answerer(t, s.Conn(t), "svc.providers.gamesdrop.find_offer", good, body(`not JSON`))
	c := connect(t, s.URL(), nil)
	a, err := c.FindOffer(within(t), messages.FindOfferQuery{OfferID: 1001})
	if err != nil || !a.Body.Price.Equal(money.Must("560.10", "RUB")) || !a.AskedAt.Equal(time.Date(2026, 11, 21, 20, 54, 1, 500e6, time.UTC)) {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := c.FindOffer(within(t), messages.FindOfferQuery{OfferID: 1001}); err == nil {
		t.Error("an answer that is no JSON was read")
	}
}

func TestAsk_NobodyThereIsToldAtOnceAndSilenceAtTheEndOfTheTime(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	c := connect(t, s.URL(), nil)
	if _, err := c.Get(within(t), "a"); !errors.Is(err, client.ErrUnanswered) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := s.Conn(t).SubscribeSync("svc.orders.acme.get"); err != nil {
		t.Fatal(err)
	}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := c.Get(ctx, "a")
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && errors.Is(err, client.ErrUnanswered) {
			return
		}
		if !errors.Is(err, client.ErrUnanswered) || t.Context().Err() != nil {
			t.Fatalf("silence: %v", err) // until the subscription is known, nobody is there
		}
	}
}

func TestAsk_AQuestionThatWasLostWithItsConnectionIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	asked := answerer(t, s.Conn(t), "svc.orders.acme.get", body(`{"v":1,"n":4,"order_id":"a"}`))
	p := newProxy(t, s.URL())
	c := connect(t, p.url(), nil)
	p.loseAnswer(`"order_id"`, 2)
	e, err := c.Get(within(t), "a")
	if err != nil || e.N != 4 || asked() != 3 {
		t.Errorf("%+v after %d questions, %v", e, asked(), err)
	}
}

func TestOrders_GoesThroughAllPages(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	asked := answerer(t, s.Conn(t), "svc.orders.acme.list",
		body(`{"orders":[{"v":1,"order_id":"a"},{"v":1,"order_id":"b"}],"cursor":"2"}`), body(`{"orders":[],"cursor":"1"}`), body(`{"orders":[{"v":1,"order_id":"c"}]}`),
		refusal("503", "", `{"error":{"code":"unavailable","message":"x"}}`))
	c := connect(t, s.URL(), nil)
	var ids string
	for e, err := range c.Orders(within(t), messages.OrdersAsked{State: messages.Unresolved}) {
		if err != nil {
			t.Fatal(err)
		}
		ids += e.OrderID
	}
	if ids != "abc" || asked() != 3 {
		t.Errorf("%s after %d questions", ids, asked())
	}
	count := 0
	for _, err := range c.Orders(within(t), messages.OrdersAsked{}) {
		if count++; err == nil || count > 1 {
			t.Errorf("%d: %v", count, err)
		}
	}
}

func TestHistory_ThatIsTooLongForAnAnswerIsReadFromTheStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for n := range uint64(30) {
		r.event("a", n+1, messages.Retrying)
		r.event("b", n+1, messages.Retrying)
	}
	nc := r.server.Conn(t)
	answerer(t, nc, "svc.orders.acme.history", refusal("500", "", `{"error":{"code":"internal","message":"the answer has 1000000 bytes"}}`))
	answerer(t, nc, "svc.orders.acme.get", body(`{"v":1,"n":30}`), refusal("404", "", `{"error":{"code":"not_found","message":"x"}}`))
	c := r.connect(nil)
	all, err := c.History(within(t), "a")
	if err != nil || len(all) != 30 || all[0].N != 1 || all[29].N != 30 || all[29].OrderID != "a" {
		t.Errorf("%d events, %v", len(all), err)
	}
	if _, err := c.History(within(t), "a"); !client.NotFound(err) {
		t.Errorf("%v", err)
	}
}
