package queue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/groupcommit"
	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Errors that callers branch on.
var (
	// ErrInvalid is returned for a message that must not be published: its
	// tokens do not match the contract. Repeating the call does not help.
	ErrInvalid = errors.New("invalid message")
	// ErrFull is returned when the stream of dead letters takes no more. The
	// message must stay where it is until there is room.
	ErrFull = errors.New("no room for dead letters")
)

// Headers by which a message becomes a timer.
const (
	headerSchedule = "Nats-Schedule"
	headerTarget   = "Nats-Schedule-Target"
)

// An attempt is given up early at first, because a message sent to a server
// that has just died is never answered, and later than before each time, because
// repeating what a slow disk has not finished makes it slower.
const (
	firstAttempt = 2 * time.Second
	longAttempt  = 16 * time.Second
	firstPause   = 20 * time.Millisecond
	longPause    = 2 * time.Second
)

// Codes of the server that nats.go has no name for.
const (
	codeAccountResources jetstream.ErrorCode = 10002 // may pass, though it comes with 400
	codeStoreFailed      jetstream.ErrorCode = 10077 // the stream is full
)

// farthest is the latest time a timer is given. The server counts in
// nanoseconds since 1970, which end in 2262: a later timer would fire at once.
var farthest = time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC)

// Queue publishes to COMMANDS and DLQ. It may be used by several goroutines.
type Queue struct {
	js      jetstream.JetStream
	commits *groupcommit.Committer // of COMMANDS, timers excepted

	mu     sync.Mutex
	stream jetstream.Stream // COMMANDS, once it has been looked up
	floors map[string]floor // of consumers
}

// New returns a queue over js.
func New(js jetstream.JetStream) *Queue {
	return &Queue{js: js, commits: groupcommit.New(js.Conn(), nil)}
}

// Send stores a command. It returns an error only when ctx has ended or the
// command can never be stored.
func (q *Queue) Send(ctx context.Context, p messages.Provider, v messages.Verb, c messages.Command) error {
	err := check(p, v, c)
	if err == nil {
		failpoint.HitOf("queue.send.before", string(v))
		err = q.enqueue(ctx, command(ctx, p, v, c))
		failpoint.HitOf("queue.send.after", string(v))
	}
	return wrap(err, "send", p, c)
}

// Schedule stores a timer that becomes a command with the verb v at the time
// at. An order has one timer; a newer one replaces it. A time that is not in
// the future gives the command at once, and an older timer stays.
//
// When the same order is scheduled by two workers at once, the timer of either
// may remain: both lead to a command that looks at the order's state.
func (q *Queue) Schedule(ctx context.Context, p messages.Provider, v messages.Verb, c messages.Command, at time.Time) error {
	err := check(p, v, c)
	if err == nil {
		err = q.arm(ctx, messages.ScheduleSubject(p, c.Tenant, c.OrderID), command(ctx, p, v, c), at)
	}
	return wrap(err, "schedule", p, c)
}

// ScheduleExpiry stores the timer of the order's expires_at. It becomes a
// check, and does not replace the timer of Schedule, nor is it replaced by it.
func (q *Queue) ScheduleExpiry(ctx context.Context, p messages.Provider, c messages.Command, at time.Time) error {
	err := check(p, messages.Check, c)
	if err == nil {
		err = q.arm(ctx, messages.ExpireSubject(p, c.Tenant, c.OrderID), command(ctx, p, messages.Check, c), at)
	}
	return wrap(err, "schedule expiry", p, c)
}

func command(ctx context.Context, p messages.Provider, v messages.Verb, c messages.Command) *nats.Msg {
	m := nats.NewMsg(messages.CommandSubject(p, v, c.Tenant, c.OrderID))
	m.Data = c.Encode()
	telemetry.Inject(ctx, m.Header) // a timer hands it on to its command
	return m
}

// arm publishes m itself if it is due, and otherwise as a timer on subject.
func (q *Queue) arm(ctx context.Context, subject string, m *nats.Msg, at time.Time) error {
	if at.After(time.Now()) {
		if at.After(farthest) {
			at = farthest
		}
		m.Header.Set(headerSchedule, "@at "+at.UTC().Format(time.RFC3339Nano))
		m.Header.Set(headerTarget, m.Subject)
		m.Header.Set(messages.HeaderDue, at.UTC().Format(time.RFC3339Nano))
		m.Subject = subject
	}
	failpoint.Hit("queue.schedule.before")
	err := q.publish(ctx, m, permanent)
	failpoint.Hit("queue.schedule.after")
	return err
}

// check keeps anything out of a subject that a consumer would not read back.
func check(p messages.Provider, v messages.Verb, c messages.Command) error {
	switch v {
	case messages.Place, messages.Check, messages.Cancel, messages.Confirm:
	default:
		return fmt.Errorf("%w: verb %q", ErrInvalid, v)
	}
	if !p.Known() {
		return fmt.Errorf("%w: provider %q", ErrInvalid, p)
	}
	if !messages.ValidTenant(c.Tenant) || !messages.ValidToken(c.OrderID) {
		return fmt.Errorf("%w: tenant %q, order %q", ErrInvalid, c.Tenant, c.OrderID)
	}
	if c.V != messages.Version || c.Seq == 0 {
		return fmt.Errorf("%w: command of version %d points at sequence %d", ErrInvalid, c.V, c.Seq)
	}
	return nil
}

func wrap(err error, op string, p messages.Provider, c messages.Command) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("queue: %s to %s for %s/%s: %w", op, p, c.Tenant, c.OrderID, err)
}

// enqueue sends a command, together with those of others where that is faster.
// A timer must not go this way: the server takes what becomes of it for a part
// of a batch.
func (q *Queue) enqueue(ctx context.Context, m *nats.Msg) error {
	return q.repeat(ctx, permanent, func(ctx context.Context, patience time.Duration) error {
		_, err := q.commits.Publish(ctx, m, "", patience)
		return err
	})
}

// publish sends a message by itself.
func (q *Queue) publish(ctx context.Context, m *nats.Msg, final func(error) bool) error {
	return q.repeat(ctx, final, func(ctx context.Context, patience time.Duration) error {
		once, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_, err := q.js.PublishMsg(once, m)
		return err
	})
}

// repeat sends until the message is stored, ctx ends, or the error is one that
// final knows.
func (q *Queue) repeat(ctx context.Context, final func(error) bool, send func(context.Context, time.Duration) error) error {
	for pause, patience := firstPause, firstAttempt; ; pause, patience = min(2*pause, longPause), min(2*patience, longAttempt) {
		err := send(ctx, patience)
		if err == nil || final(err) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// permanent reports whether the same message would be refused again. Whatever
// is not known to be so is tried again.
func permanent(err error) bool {
	for _, never := range []error{
		nats.ErrMaxPayload, nats.ErrBadSubject, nats.ErrInvalidArg, nats.ErrConnectionClosed, nats.ErrConnectionDraining,
	} {
		if errors.Is(err, never) {
			return true
		}
	}
	api := apiError(err)
	return api != nil && api.Code == http.StatusBadRequest && api.ErrorCode != codeAccountResources
}

// apiError is the server's own answer inside err, or nil.
func apiError(err error) *jetstream.APIError {
	var js jetstream.JetStreamError
	if errors.As(err, &js) {
		return js.APIError()
	}
	return nil
}
