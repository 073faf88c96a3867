package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// anyVerb stands for the verb in a filter.
const anyVerb messages.Verb = "*"

// Waiting reports whether the order has a timer or a command, queued or being
// worked on, that will do what is due. The timer of its expires_at does not
// count: it drives nothing. Nor does a place command for an order that is to be
// checked: it lies behind the gate of the lane, for as long as that is closed,
// while the worker that had it has died.
//
// It is an answer of the stream's leader. It can be a false no while a command
// is being worked on, and whoever then drives the order again does no harm; it
// is never a false yes.
func (q *Queue) Waiting(ctx context.Context, p messages.Provider, tenant, orderID string, due messages.Verb) (bool, error) {
	if !p.Known() || !messages.ValidTenant(tenant) || !messages.ValidToken(orderID) {
		return false, fmt.Errorf("queue: waiting: %w: %s/%s at %q", ErrInvalid, tenant, orderID, p)
	}
	verb := anyVerb
	if due == messages.Check {
		verb = messages.Check
	}
	waiting, err := q.waiting(ctx, p, messages.ScheduleSubject(p, tenant, orderID), messages.CommandSubject(p, verb, tenant, orderID))
	if err != nil {
		return false, fmt.Errorf("queue: waiting for %s/%s: %w", tenant, orderID, err)
	}
	return waiting, nil
}

// waiting looks at the timer twice. Between the first look and that at the
// commands it can have fired, which the commands show; between that and the
// second look its command can have been worked off, leaving a new timer.
//
// A command that its consumer has done with does not count: it will not come.
func (q *Queue) waiting(ctx context.Context, p messages.Provider, timer, commands string) (bool, error) {
	stream, err := q.commands(ctx)
	if err != nil {
		return false, err
	}
	for _, subject := range []string{timer, commands, timer} {
		m, err := stream.GetLastMsgForSubject(ctx, subject)
		if err == nil {
			ghost, err := q.ghost(ctx, p, m)
			if err != nil || !ghost {
				return err == nil, err
			}
			continue
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return false, err
		}
	}
	return false, nil
}

// commands is the stream to ask. With direct reads allowed a follower would
// answer, and its no may be old.
func (q *Queue) commands(ctx context.Context) (jetstream.Stream, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stream != nil {
		return q.stream, nil
	}
	s, err := q.js.Stream(ctx, messages.StreamCommands)
	if err != nil {
		return nil, err
	}
	if s.CachedInfo().Config.AllowDirect {
		return nil, fmt.Errorf("stream %s allows direct reads: run `beltline setup`", messages.StreamCommands)
	}
	q.stream = s
	return s, nil
}

// PlaceBacklog is the number of place commands that are queued or being worked
// on. Timers do not count.
func (q *Queue) PlaceBacklog(ctx context.Context, p messages.Provider) (uint64, error) {
	c, err := q.js.Consumer(ctx, messages.StreamCommands, p.PlaceConsumer())
	if err != nil {
		return 0, fmt.Errorf("queue: backlog of %s: %w", p, err)
	}
	info := c.CachedInfo()
	return info.NumPending + uint64(max(0, info.NumAckPending)), nil
}
