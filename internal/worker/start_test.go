package worker_test

import (
	"testing"

	"github.com/beltline-io/beltline/pkg/messages"
)

// A worker that starts in the moment in which the server goes must not give
// up: nobody may be there to start it again.
func TestRun_WaitsForAServerThatDoesNotAnswerYet(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	b.submit(offer("o1"))
	b.srv.Stop()
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.srv.Restart(t)
	if e := b.ends("o1"); e.State != messages.Succeeded || s.purchases("o1") != 1 {
		t.Errorf("%s, bought %d", e.State, s.purchases("o1"))
	}
}
