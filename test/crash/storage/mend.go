package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// setUp makes what is missing, as the dispatcher does at its start. What the
// server cannot read it does not give up by itself: then a person takes the
// stream's folder away, and the stream is made anew.
func (t *trial) setUp(ctx context.Context) error {
	for tries := 0; ; tries++ {
		once, cancel := context.WithTimeout(ctx, setupFor)
		report, err := topology.Setup(once, t.js, settings())
		cancel()
		t.namespace = report.Namespace
		if err == nil {
			return nil
		}
		if tries == 3 {
			return err
		}
		t.note("setup: " + err.Error())
		t.byHand = true
		if err := t.takeAway(ctx, err.Error()); err != nil {
			return err
		}
	}
}

// setupFor is how long setup is given before a person looks at it.
const setupFor = 6 * time.Second

// takeAway takes what the server does not serve out of its store.
func (t *trial) takeAway(ctx context.Context, refusal string) error {
	var broken []string
	if m := unmade.FindStringSubmatch(refusal); m != nil {
		broken = append(broken, filepath.Join(t.store.streams(), m[2], "obs", m[1]))
	}
	all, err := t.store.files("*")
	if err != nil {
		return err
	}
	for _, dir := range all {
		_, err := t.js.Stream(ctx, filepath.Base(dir))
		var refused *jetstream.APIError
		switch {
		case err == nil:
		case !errors.As(err, &refused):
			return err // nothing is taken away that may be sound
		case unsupported.MatchString(refused.Description):
			broken = append(broken, filepath.Join(dir, "obs", unsupported.FindStringSubmatch(refused.Description)[1]))
		case filepath.Base(dir) == messages.StreamEvents: // what it says of itself, and not the events
			broken = append(broken, filepath.Join(dir, "meta.inf"), filepath.Join(dir, "meta.sum"))
		default:
			broken = append(broken, dir)
		}
	}
	t.store.down(false)
	for _, path := range broken {
		what, err := drop(path)
		if err != nil {
			return err
		}
		t.note("by hand: " + what)
	}
	return t.awake(ctx)
}

// unmade is how setup names the consumer that the server can neither read nor make
// anew, because what is left of it is in the way.
var unmade = regexp.MustCompile(`consumer ([A-Za-z0-9_-]+) of ([A-Z_]+): .*creating store`)

// strandedAfter is how long orders may lie in ORDERS without being taken before
// somebody looks why.
const strandedAfter = 12 * time.Second

// freeStranded looks for orders that the dispatchers' consumer has done with and
// that were never given to anybody. Where ORDERS has lost its end, numbers are
// given out a second time, and an acknowledgement that was on its way since
// before the fault is taken for that of another order. A person removes the
// consumer then, and setup makes it anew: it is given all that is there.
func (t *trial) freeStranded(ctx context.Context, out *outcome) error {
	inbox, err := t.js.Stream(ctx, messages.StreamOrders)
	if err != nil {
		return nil // what does not answer is not at rest, and the loop says so
	}
	c, err := inbox.Consumer(ctx, topology.DispatcherConsumer)
	if err != nil {
		return nil
	}
	state, info := inbox.CachedInfo().State, c.CachedInfo()
	if state.Msgs == 0 || state.FirstSeq > info.AckFloor.Stream && (info.NumPending > 0 || info.NumAckPending > 0) {
		return nil
	}
	out.Stranded = int(state.Msgs) //nolint:gosec // small
	t.note(fmt.Sprintf("by hand: %d orders lay behind the consumer of ORDERS, and it was made anew", state.Msgs))
	if !t.fault.orders {
		out.violate("%d orders were left behind in ORDERS", state.Msgs)
	}
	if err := t.js.DeleteConsumer(ctx, messages.StreamOrders, topology.DispatcherConsumer); err != nil {
		return err
	}
	t.byHand = true
	return t.setUp(ctx)
}

// unsupported is how the server names the consumer for which it serves a whole stream
// no more.
var unsupported = regexp.MustCompile(`unsupported consumer "([A-Za-z0-9_-]+)"`)
