package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/pkg/messages"
)

// recover waits until everything has ended, and clears the fence where it has
// tripped, as an operator does.
func (t *trial) recover(ctx context.Context, out *outcome) error {
	for clearings := 0; ; clearings++ {
		state, err := t.calm(ctx, out)
		if err != nil || state == nil {
			return err
		}
		out.Tripped = true
		out.Reasons = append(out.Reasons, string(state.Why)+": "+state.Found)
		if clearings == maxClearings {
			out.violate("the fence trips again after %d clearings: %s", clearings, state.Found)
			return nil
		}
		if err := t.clear(ctx); err != nil {
			return fmt.Errorf("clear the fence: %w", err)
		}
		out.Clearings++
	}
}

// clear does what an operator does, and waits until all nodes have heard of it.
func (t *trial) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.heal)
	defer cancel()
	var s fence.State
	for { // a node may have stopped before the bucket says so
		var err error
		if s, err = fence.Clear(ctx, t.js, "ada", "compared the shops by hand", true); err == nil {
			break
		}
		if !errors.Is(err, fence.ErrNotTripped) || !pause(ctx, 50*time.Millisecond) {
			return err
		}
	}
	for _, n := range t.nodes {
		for n.fence.State().N < s.N {
			if !pause(ctx, 10*time.Millisecond) {
				return fmt.Errorf("%s has not heard of it: %w", n.name, ctx.Err())
			}
		}
	}
	return nil
}

// maxClearings is how often an operator may have to clear: once for the ledger,
// and once more where a shop shows another loss.
const maxClearings = 4

// calm waits until every order that the ledger knows has ended or is an
// operator's, and everybody may buy; or until the fence has tripped.
func (t *trial) calm(ctx context.Context, out *outcome) (*fence.State, error) {
	limited, cancel := context.WithTimeout(ctx, t.heal)
	defer cancel()
	settled := map[string]bool{}
	look := time.Now().Add(strandedAfter)
	for {
		for _, n := range t.nodes {
			if n.fence == nil {
				continue
			}
			if s := n.fence.State(); s.Tripped {
				return &s, nil
			}
		}
		open := t.unrest(limited, settled)
		if len(open) == 0 || t.control && t.twice() > 0 {
			return nil, nil
		}
		if time.Now().After(look) {
			look = time.Now().Add(strandedAfter)
			if err := t.freeStranded(limited, out); err != nil {
				return nil, err
			}
		}
		if !pause(limited, 40*time.Millisecond) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if t.control {
				return nil, nil // nobody tells the sweeper that the ledger has lost something
			}
			out.violate("after %s not at rest: %s", t.heal, strings.Join(open[:min(len(open), 6)], "; "))
			return nil, nil
		}
	}
}

// twice is how many orders were bought more often than is right.
func (t *trial) twice() (n int) {
	bought := t.shops.purchases()
	for _, i := range t.known() {
		if bought[i.key()] > i.most {
			n++
		}
	}
	return n
}

// unrest names what is not at rest yet.
func (t *trial) unrest(ctx context.Context, settled map[string]bool) (open []string) {
	for _, n := range t.nodes {
		if n.fence != nil && n.fence.Allows() != nil {
			open = append(open, n.name+": "+n.fence.Allows().Error())
		}
	}
	events, err := t.js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return append(open, err.Error())
	}
	waiting := t.waiting(ctx)
	if waiting > 0 && t.nonsense > 0 {
		open = append(open, "ORDERS is not empty")
	}
	for _, i := range t.known() {
		if settled[i.id] {
			continue
		}
		last, err := lastOf(ctx, events, i.id)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound) && i.acked && waiting == 0:
			// Gone with what was lost, or the judge says so.
		case errors.Is(err, jetstream.ErrMsgNotFound):
			open = append(open, i.id+" is not taken")
		case err != nil:
			open = append(open, i.id+": "+err.Error())
		case last.Terminal || last.State == messages.Unresolved && last.NeedsOperator:
			settled[i.id] = true
		default:
			open = append(open, fmt.Sprintf("%s %s is %s", i.id, i.provider, last.State))
		}
	}
	return open
}

// waiting is how much lies in ORDERS; something where that is not known.
func (t *trial) waiting(ctx context.Context) uint64 {
	inbox, err := t.js.Stream(ctx, messages.StreamOrders)
	if err != nil {
		return 1
	}
	return inbox.CachedInfo().State.Msgs
}
