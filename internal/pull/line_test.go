package pull_test

import (
	"bytes"
	"context"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/pull"
)

// delivery is a message that only has to be told from others.
type delivery struct{ jetstream.Msg }

func (*delivery) Subject() string { return "s.1" }

// goroutine tells the one that asks from all others.
func goroutine() string {
	stack := make([]byte, 100)
	return string(bytes.Fields(stack[:runtime.Stack(stack, false)])[1])
}

// A goroutine that stayed after the end would be found here as one that waits
// for ever.
func TestLine_AGoroutineThatIsFreeHandlesTheNextMessageAndEndsWithTheReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		line, by := pull.NewLine(new(pull.Hand), atOnce), make(chan string, atOnce)
		gate := make(chan struct{})
		for reading := range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			handlers := map[string]bool{}
			for range 10 {
				line.Join(ctx, new(delivery), func(jetstream.Msg) { by <- goroutine() })
				synctest.Wait()
				handlers[<-by] = true
			}
			if len(handlers) != 1 {
				t.Errorf("%d goroutines handled ten messages that came one by one", len(handlers))
			}
			line.Join(ctx, new(delivery), func(jetstream.Msg) { <-gate; by <- goroutine() })
			line.Join(ctx, new(delivery), func(jetstream.Msg) { by <- goroutine() })
			other := <-by
			synctest.Wait()
			cancel() // what is being handled goes on
			synctest.Wait()
			gate <- struct{}{}
			if one := <-by; one == other {
				t.Errorf("reading %d: %s handled two messages at one time", reading, one)
			}
		}
	})
}
