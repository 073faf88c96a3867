package worker

import (
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// A callback makes the worker look, and the lookup decides. What the callback
// claimed is kept beside what the lookup found: where the two differ, somebody
// will want to see both.

// Limits of what is kept of a callback. The door has bounded it already, but
// a command can come from an older door.
const (
	maxHintFields = 16
	maxHintText   = 200
)

// hintReceived is the field of a hint that the door writes itself.
const hintReceived = "received_at"

// hintFor is how long a callback for an order that nobody polls is asked about
// while the provider does not answer.
const hintFor = 24 * time.Hour

// hintStands is how long after a callback what was known must still be found to
// be believed: at once, after a fifth of it, and at its end.
const hintStands = 5 * time.Minute

// hint is what the callback claimed that this command came from; nil for none.
// What cannot be read is as good as none: it decides nothing.
func (t *task) hint() map[string]string {
	var fields map[string]string
	if len(t.cmd.Hint) == 0 || json.Unmarshal(t.cmd.Hint, &fields) != nil || len(fields) > maxHintFields {
		return nil
	}
	kept := make(map[string]string, len(fields))
	for name, value := range fields {
		if name, value = harmless(name), harmless(value); name != "" {
			kept[name] = value
		}
	}
	return kept
}

// harmless cuts a text and leaves out what would act on whoever reads it.
func harmless(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), maxHintText)], "")
}

// revisit looks at an order that has ended: while it is watched, and where a
// callback has come for it. The provider may have taken back what succeeded, or
// have gone on with what was given up; a callback is all that tells of it where
// nobody polls any more.
func (t *task) revisit(ctx context.Context) error {
	e := t.entry.Event
	called := len(t.cmd.Hint) > 0
	if e.Attempt == 0 || e.WatchUntil == nil && !called {
		return nil // never sent, or a leftover
	}
	found, err := t.ask(ctx)
	if err != nil {
		return err
	}
	failed := found.asked == askedFailed
	if called && (failed || t.entry.Event == e && !t.polled()) {
		return t.askAgain(ctx, failed)
	}
	return t.lookLater(ctx, found)
}

// polled: the order will be looked at again whether a callback comes or not.
func (t *task) polled() bool {
	end, watched := order.WatchEnd(t.entry.Event)
	return watched && t.now().Before(end)
}

// lookLater puts the next look at the order into the queue. After the end of a
// watch there is none, but for a last one that the provider did not answer.
func (t *task) lookLater(ctx context.Context, found looked) error {
	e, now := t.entry.Event, t.now()
	end, watched := order.WatchEnd(e)
	if !watched || now.Before(end) {
		return t.succeedBy(ctx)
	}
	if found.asked != askedFailed {
		return nil
	}
	if _, due := order.Next(e, t.o.Times, now); !due {
		t.log.Error().Str(logkey.From, string(e.State)).
			Msg("the last look at what was watched was not made: the provider has not answered for a day")
		return nil
	}
	return t.putOff(ctx, now.Add(order.Backoff(&messages.Event{Time: end}, t.o.Times, now)))
}

// askAgain puts a callback off whose lookup was not answered, or found what was
// known: the provider's own copies may be late. Of an order that is not polled it
// is the only trace, so it must not be lost with one lookup.
func (t *task) askAgain(ctx context.Context, failed bool) error {
	now, e := t.now(), t.entry.Event
	received, err := time.Parse(time.RFC3339Nano, t.hint()[hintReceived])
	if err != nil {
		received = t.meta.Timestamp
	}
	c, at := messages.CommandFor(e, t.entry.Seq), time.Time{}
	c.Hint = t.cmd.Hint
	switch age, stands := now.Sub(received), min(hintStands, t.o.AbsenceWait); {
	case failed && age < hintFor:
		at = now.Add(order.Backoff(&messages.Event{Time: received}, t.o.Times, now))
	case failed:
		t.log.Error().Str(logkey.From, string(e.State)).
			Msg("callback for an order that has ended was not looked into: the provider has not answered for a day")
		return t.lookLater(ctx, looked{asked: askedFailed})
	case age < stands/5:
		at = received.Add(stands / 5)
	case age < stands:
		at = received.Add(stands)
	default:
		return t.lookLater(ctx, looked{asked: askedFound})
	}
	return t.queue.Schedule(ctx, t.o.Provider, messages.Check, c, jitter(at, now))
}

// givenUp: in these states the order counts as not bought.
func givenUp(e *messages.Event) bool {
	return e.State == messages.Failed || e.State == messages.Canceled || e.State == messages.Expired
}
