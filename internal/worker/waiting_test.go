package worker_test

import (
	"context"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
)

// waitingLine grants nothing, and tells who joins it and who leaves it.
type waitingLine struct{ joined, left chan ratelimit.Use }

func (l waitingLine) Take(ctx context.Context, u ratelimit.Use) (ratelimit.Permit, error) {
	l.joined <- u
	<-ctx.Done()
	l.left <- u
	return ratelimit.Permit{}, ctx.Err()
}

// An order that waits for its permit while the lane closes leaves the line:
// its permit would be burnt, and the checks need it.
func TestLane_WhileItIsClosedNoOrderWaitsForAPermit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.submit(offer("o1"))
	l := waitingLine{make(chan ratelimit.Use, 100), make(chan ratelimit.Use, 100)}
	b.workWith(newShop(), b.options(messages.GamesDrop, "w1"), l)
	await := func(c <-chan ratelimit.Use, what string) {
		t.Helper()
		select {
		case u := <-c:
			if u != ratelimit.ForPlace {
				t.Errorf("%s for %s", what, u)
			}
		case <-time.After(patience):
			t.Fatalf("no order %s", what)
		}
	}
	await(l.joined, "waits for a permit")
	b.setLane(laneValue{V: 1, State: "closed", Reason: "http_429", Until: time.Now().Add(time.Hour)})
	await(l.left, "leaves the line")
	b.setLane(laneValue{V: 1, State: "open"})
	await(l.joined, "waits again once the lane is open")
}
