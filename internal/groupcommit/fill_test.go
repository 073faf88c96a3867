package groupcommit_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/groupcommit"
	"github.com/beltline-io/beltline/internal/natstest"
)

// publish publishes one message for each order at once, and does not wait.
func publish(t *testing.T, c *groupcommit.Committer, orders []int) <-chan []result {
	done := make(chan []result, 1)
	go func() { done <- burst(t.Context(), c, orders) }()
	return done
}

// filling is a committer whose last batch was a bargain, so that the next one is
// let fill until over is called; what fill publishes stands in line.
func filling(t *testing.T, js jetstream.JetStream) (c *groupcommit.Committer, over func(time.Duration), fill func([]int) <-chan []result) {
	t.Helper()
	gate, entered := make(chan struct{}), make(chan struct{}, 1000)
	c = groupcommit.New(js.Conn(), func(ctx context.Context, m *nats.Msg, _ time.Duration) (*nats.Msg, error) {
		entered <- struct{}{}
		<-gate
		return js.Conn().RequestMsgWithContext(ctx, m)
	})
	over = groupcommit.Dear(c)
	fill = func(orders []int) <-chan []result {
		done := publish(t, c, orders)
		stand(t, c, len(orders))
		return done
	}
	alone, behind := numbers(0, 16), numbers(100, 20)
	sent := publish(t, c, alone)
	for range alone {
		<-entered
	}
	bargain := fill(behind)
	close(gate)
	if n := check(t, js, alone, <-sent); n != 0 {
		t.Fatalf("what was sent while nothing waited came in %d batches", n)
	}
	if n := check(t, js, behind, <-bargain); n != 1 {
		t.Fatalf("what waited behind it came in %d batches, want 1", n)
	}
	return c, over, fill
}

// Where orders go round, nearly all wait for the batch that is on its way. So
// the one after it is let fill, and goes when enough wait or the time is over.
func TestPublish_TheBatchAfterABargainIsLetFill(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	natstest.CreateStream(t, js, stream(true))
	c, over, fill := filling(t, js)

	came := func(what string, orders []int, done <-chan []result, want int) {
		t.Helper()
		if n := check(t, js, orders, <-done); n != want {
			t.Fatalf("%s came in %d batches, want %d", what, n, want)
		}
	}
	few, rest := numbers(200, 5), numbers(300, 27)
	early := fill(few)
	late := publish(t, c, rest)
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
	done := fill(some)
	over(0)
	came("what waited when the time was over", some, done, 1)

	few = numbers(500, 3)
	done = fill(few)
	over(0)
	came("what was too little when the time was over", few, done, 0)
	few = numbers(600, 3)
	came("what came after it", few, publish(t, c, few), 0)
}

// What a batch has waited for its members is a part of what it has cost.
func TestPublish_TheTimeOfAFillCountsAgainstIt(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	natstest.CreateStream(t, js, stream(true))
	c, over, fill := filling(t, js)
	some := numbers(400, 20)
	done := fill(some)
	over(time.Minute) // each of them would have taken a second alone
	if n := check(t, js, some, <-done); n != 1 {
		t.Fatalf("what waited came in %d batches, want 1", n)
	}
	few := numbers(500, 3)
	if n := check(t, js, few, burst(t.Context(), c, few)); n != 0 {
		t.Errorf("what came after it waited again, and came in %d batches", n)
	}
}

// What can only go alone passes a batch by, and does not make it full.
func TestPublish_WhatCanOnlyGoAloneDoesNotFillABatch(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	natstest.CreateStream(t, js, stream(true))
	c, over, fill := filling(t, js)
	nearly := numbers(400, 31) // one fewer than are waited for
	done := fill(nearly)
	large := event(500, strings.Repeat("x", int(js.Conn().MaxPayload())-300))
	if _, err := c.Publish(t.Context(), large, key(500), patience); err != nil {
		t.Fatal(err)
	}
	if n := groupcommit.Waiting(c); n != len(nearly) {
		t.Errorf("%d wait for the batch to fill, want %d", n, len(nearly))
	}
	over(0)
	if n := check(t, js, nearly, <-done); n != 1 {
		t.Errorf("they came in %d batches, want 1", n)
	}
}
