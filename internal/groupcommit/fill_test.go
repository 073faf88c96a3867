package groupcommit_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/groupcommit"
	"github.com/beltline-io/beltline/internal/natstest"
)

// Where orders go round, nearly all wait for the batch that is on its way. So
// the one after it is let fill, and goes when enough wait or the time is over.
func TestPublish_TheBatchAfterABargainIsLetFill(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	natstest.CreateStream(t, js, stream(true))
	gate, entered := make(chan struct{}), make(chan struct{}, 1000)
	c := groupcommit.New(js.Conn(), func(ctx context.Context, m *nats.Msg, _ time.Duration) (*nats.Msg, error) {
		entered <- struct{}{}
		<-gate
		return js.Conn().RequestMsgWithContext(ctx, m)
	})
	over := groupcommit.Dear(c)
	publish := func(orders []int) <-chan []result {
		done := make(chan []result, 1)
		go func() { done <- burst(t.Context(), c, orders) }()
		return done
	}
	came := func(what string, orders []int, done <-chan []result, want int) {
		t.Helper()
		if n := check(t, js, orders, <-done); n != want {
			t.Fatalf("%s came in %d batches, want %d", what, n, want)
		}
	}

	alone, first := numbers(0, 16), numbers(100, 20)
	sent := publish(alone)
	for range alone {
		<-entered
	}
	bargain := publish(first)
	stand(t, c, len(first))
	close(gate)
	came("what was sent while nothing waited", alone, sent, 0)
	came("what waited behind it", first, bargain, 1)

	few, rest := numbers(200, 5), numbers(300, 27)
	early := publish(few)
	stand(t, c, len(few))
	late := publish(rest)
	of := map[string]int{}
	for _, part := range []struct {
		orders []int
		done   <-chan []result
	}{{few, early}, {rest, late}} {
		all := <-part.done
		check(t, js, part.orders, all)
		for _, r := range all {
			of[stored(t, js, r.ack.Seq).Header.Get(groupcommit.HeaderBatch)]++
		}
	}
	if len(of) != 1 || of[""] > 0 {
		t.Fatalf("32 came in batches %v, want one that nobody had to end", of)
	}

	some := numbers(400, 20)
	done := publish(some)
	stand(t, c, len(some))
	over()
	came("what waited when the time was over", some, done, 1)

	few = numbers(500, 3)
	done = publish(few)
	stand(t, c, len(few))
	over()
	came("what was too little when the time was over", few, done, 0)
	few = numbers(600, 3)
	came("what came after it", few, publish(few), 0)
}
