package query_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/query"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

// shop answers as a test tells it.
type shop struct {
	asked   atomic.Int64
	entered chan struct{}
	answer  func(ctx context.Context) (any, error)
}

func (s *shop) Ask(ctx context.Context, _ messages.Query) (any, error) {
	s.asked.Add(1)
	if s.entered != nil {
		s.entered <- struct{}{}
	}
	return s.answer(ctx)
}

func (s *shop) Lasts(q messages.Query) time.Duration {
	if _, ok := q.(messages.GiftCardPriceQuery); ok {
		return time.Minute
	}
	return 0
}

func price(context.Context) (any, error) {
	return messages.GiftCardPriceAnswer{Price: money.Must("10", "RUB")}, nil
}

// serve begins to answer with a clock that the test moves.
func serve(t *testing.T, s *shop, edits ...func(*query.Options)) (*nats.Conn, *query.Service, *atomic.Int64) {
	t.Helper()
	srv := natstest.Start(t)
	nc, js := srv.Conn(t), srv.JS(t)
	if _, err := topology.Setup(t.Context(), js, topology.Default()); err != nil {
		t.Fatal(err)
	}
	clock := new(atomic.Int64)
	clock.Store(time.Now().UnixNano())
	o := query.Options{
		Provider: messages.BalanceSteam, Instance: "w1", Log: zerolog.Nop(), Timeout: time.Minute, Window: time.Minute,
		Now: func() time.Time { return time.Unix(0, clock.Load()) },
	}
	for _, edit := range edits {
		edit(&o)
	}
	q, err := query.Serve(nc, js, s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Stop)
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return nc, q, clock
}

func ask(nc *nats.Conn, method, body string) (code string, problem messages.Problem, err error) {
	m, err := nc.Request("svc.providers.balancesteam."+method, []byte(body), time.Minute)
	if err != nil {
		return "", problem, err
	}
	var b messages.ProblemBody
	_ = json.Unmarshal(m.Data, &b)
	return m.Header.Get("Nats-Service-Error-Code"), b.Error, nil
}

func TestKept_AnAnswerIsToldAgainForAsLongAsItIsGood(t *testing.T) {
	t.Parallel()
	s := &shop{answer: price}
	nc, _, clock := serve(t, s)
	for _, step := range []struct {
		pass time.Duration
		want int64
	}{{0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {time.Second, 2}, {-time.Hour, 3}} {
		clock.Add(int64(step.pass))
		if code, p, err := ask(nc, "gift_card_price", `{"service_id":5999}`); err != nil || code != "" {
			t.Fatalf("%s %+v %v", code, p, err)
		}
		if got := s.asked.Load(); got != step.want {
			t.Errorf("after %s more the shop was asked %d times, want %d", step.pass, got, step.want)
		}
	}
}

func TestStop_CutsQuestionsAndSaysSo(t *testing.T) {
	t.Parallel()
	s := &shop{entered: make(chan struct{}, 1), answer: func(ctx context.Context) (any, error) {
		<-ctx.Done()
		return nil, &providers.Error{Op: "shop", Code: providers.CodeTimeout, Err: ctx.Err()}
	}}
	nc, q, _ := serve(t, s)
	answered := make(chan error, 1)
	go func() {
		code, p, err := ask(nc, "balance", "")
		if err == nil && (code != "503" || p.Code != messages.ProblemUnavailable) {
			err = fmt.Errorf("%s %+v", code, p)
		}
		answered <- err
	}()
	<-s.entered
	q.Stop()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestFailure_OfEveryClassHasItsNumber(t *testing.T) {
	t.Parallel()
	secretive := "your balance is 12.50"
	for name, tt := range map[string]struct {
		err        error
		code, word string
	}{
		"blocked":      {&providers.Error{Class: providers.Blocked, Code: "balance over", Message: secretive}, "502", messages.ProblemProviderError},
		"rejected":     {&providers.Error{Class: providers.Rejected, Code: "NO"}, "502", messages.ProblemProviderError},
		"not sent":     {&providers.Error{Class: providers.Retryable, Code: providers.CodeNotSent}, "502", messages.ProblemProviderError},
		"ambiguous":    {&providers.Error{Code: providers.CodeTimeout}, "502", messages.ProblemProviderError},
		"unclassified": {fmt.Errorf("oops"), "502", messages.ProblemProviderError},
		"not found":    {providers.NotFound(&providers.Error{Class: providers.Rejected, Code: "NONE"}), "404", messages.ProblemNotFound},
		"invalid":      {&providers.Error{Class: providers.Invalid, Code: providers.CodeUnprocessable}, "400", messages.ProblemBadRequest},
		"too many":     {&providers.Error{Class: providers.Retryable, Code: "-7", RetryAfter: time.Minute}, "429", messages.ProblemNoPermit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shop{answer: func(context.Context) (any, error) { return nil, tt.err }}
			nc, _, _ := serve(t, s)
			code, p, err := ask(nc, "check_login", `{"login":"x"}`)
			if err != nil || code != tt.code || p.Code != tt.word || p.Message == "" || p.Message == secretive {
				t.Errorf("%s %+v %v", code, p, err)
			}
		})
	}
}

func TestPanic_OfOneQuestionIsAnsweredAndHarmsNoOther(t *testing.T) {
	t.Parallel()
	s := &shop{}
	s.answer = func(context.Context) (any, error) {
		if s.asked.Load() == 1 {
			panic("an answer that nobody thought of")
		}
		return messages.CheckLoginAnswer{Status: true}, nil
	}
	nc, _, _ := serve(t, s)
	if code, p, err := ask(nc, "check_login", `{"login":"x"}`); err != nil || code != "500" || p.Code != messages.ProblemInternal {
		t.Errorf("a panic: %s %+v %v", code, p, err)
	}
	if code, p, err := ask(nc, "check_login", `{"login":"x"}`); err != nil || code != "" {
		t.Errorf("after it: %s %+v %v", code, p, err)
	}
}
