package query_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// laneOf is where a test looks at the lane and closes it.
func laneOf(t *testing.T, nc *nats.Conn) jetstream.KeyValue {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), messages.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func wantLane(t *testing.T, kv jetstream.KeyValue, want string) lane.State {
	t.Helper()
	s, _, err := lane.Read(t.Context(), kv, messages.BalanceSteam)
	if err != nil || s.State != want {
		t.Errorf("the lane is %+v, not %s: %v", s, want, err)
	}
	return s
}

// Nobody orders, so no order finds out that the shop is well again.
func TestLane_QuestionsPassAgainOnceItsTimeIsOverThoughNobodyOrders(t *testing.T) {
	t.Parallel()
	var tooMany atomic.Bool
	s := &shop{answer: func(ctx context.Context) (any, error) {
		if tooMany.Load() {
			return nil, &providers.Error{Class: providers.Retryable, Code: "http_429", RetryAfter: time.Minute}
		}
		return price(ctx)
	}}
	nc, _, clock := serve(t, s)
	kv := laneOf(t, nc)
	want := func(what, code string, asked int64) {
		t.Helper()
		got, p, err := ask(nc, "balance", "")
		if err != nil || got != code || s.asked.Load() != asked {
			t.Fatalf("%s: %q %+v, %d requests; want %q, %d; %v", what, got, p, s.asked.Load(), code, asked, err)
		}
	}
	tooMany.Store(true)
	want("asked too often", "429", 1)
	want("closed", "503", 1)
	clock.Add(int64(time.Minute))
	want("over, and too often again", "429", 2)
	want("closed again", "503", 2)
	tooMany.Store(false)
	clock.Add(int64(time.Minute))
	want("over", "", 3)
	wantLane(t, kv, lane.Open)

	// Our account is empty: that it answers does not show that it is filled.
	now := time.Unix(0, clock.Load())
	if _, _, err := lane.Shut(t.Context(), kv, messages.BalanceSteam, lane.State{Reason: "balance over", Until: now.Add(time.Minute)}, now); err != nil {
		t.Fatal(err)
	}
	want("no money", "503", 3)
	clock.Add(int64(time.Minute))
	want("its time is over, and an order may be about to try it", "503", 3)
	clock.Add(int64(time.Minute))
	want("perhaps filled", "", 4)
	want("and again", "", 5)
	if left := wantLane(t, kv, lane.Closed); left.Reason != "balance over" {
		t.Errorf("it was closed for %q", left.Reason)
	}
	if _, _, err := lane.Pause(t.Context(), kv, messages.BalanceSteam, "ann", "stocktaking", now); err != nil {
		t.Fatal(err)
	}
	clock.Add(int64(time.Hour))
	want("paused", "503", 5)
}

// What a closed lane lets through is one question at a time.
func TestLane_OneQuestionAtATimeTriesAShopWhoseLaneIsClosed(t *testing.T) {
	t.Parallel()
	s := &shop{entered: make(chan struct{}, 1)}
	proceed := make(chan struct{})
	s.answer = func(ctx context.Context) (any, error) {
		<-proceed
		return price(ctx)
	}
	nc, _, clock := serve(t, s)
	kv, now := laneOf(t, nc), time.Unix(0, clock.Load())
	if _, _, err := lane.Shut(t.Context(), kv, messages.BalanceSteam, lane.State{Reason: "balance over", Until: now.Add(-time.Minute)}, now); err != nil {
		t.Fatal(err)
	}
	first := make(chan string, 1)
	go func() {
		code, _, err := ask(nc, "balance", "")
		if err != nil {
			code = err.Error()
		}
		first <- code
	}()
	<-s.entered
	if code, p, err := ask(nc, "check_login", `{"login":"gabe"}`); err != nil || code != "503" || p.Code != messages.ProblemLaneClosed {
		t.Errorf("a second question beside it: %s %+v %v", code, p, err)
	}
	close(proceed)
	if code := <-first; code != "" {
		t.Errorf("the first question: %s", code)
	}
}
