package ledger_test

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Whoever follows is told of an interruption by an error, and must not be told of
// one where it has asked for the end itself.
func TestFollow_EndsWithItsContextAndWithoutAnError(t *testing.T) {
	t.Parallel()
	for name, written := range map[string]uint64{"an empty ledger": 0, "a ledger with events": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			last := uint64(0)
			for n := uint64(1); n <= written; n++ {
				typ := messages.Processing
				if n == 1 {
					typ = messages.Accepted
				}
				last = mustAppend(t, b.l, event("ord-1", n, typ, "w"), last)
			}
			ctx, cancel := context.WithCancel(within(t))
			taken, caughtUp := 0, make(chan struct{})
			ended := make(chan error, 1)
			go func() {
				ended <- ledger.Follow(ctx, b.js, 0, false, func(jetstream.Msg) { taken++ }, func() { close(caughtUp) })
			}()
			select {
			case <-caughtUp:
			case err := <-ended:
				t.Fatalf("it ended early: %v", err)
			}
			cancel()
			if err := <-ended; err != nil || uint64(taken) != written { //nolint:gosec // never negative
				t.Errorf("ended with %v after %d of %d events", err, taken, written)
			}
		})
	}
}
