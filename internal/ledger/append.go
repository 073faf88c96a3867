package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/groupcommit"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Append stores e as the event that follows the one at sequence expected (0
// where e is the order's first) and returns its sequence.
//
// It goes on through lost answers, restarts and elections until it knows, or
// ctx ends: then the error is [ErrUnknown]. [ErrConflict], [ErrNoRoom] and
// [ErrInvalid] mean that the event is not stored and never will be.
//
// The trace of ctx, if there is one, goes into the event's headers.
//
// The event is recognised by its bytes: to append an equal event again, after
// ErrUnknown, returns the sequence of the first. Two writers that must not
// both believe they won need something of their own in it (Work.Nonce).
func (l *Ledger) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	began := time.Now()
	seq, err := l.store(ctx, e, expected)
	l.metrics.appended(began, e, err)
	if err != nil {
		return 0, fmt.Errorf("ledger: append %s %s: %w", e.Key(), e.Type, err)
	}
	return seq, nil
}

func (l *Ledger) store(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	a, err := l.newAttempt(ctx, e, expected)
	if err != nil {
		return 0, err
	}
	return l.settle(ctx, a)
}

// attempt is one Append under way.
type attempt struct {
	msg      *nats.Msg // the same bytes however often it is sent
	filter   string    // all events of the order
	expected uint64
	size     uint64 // about what the store will need for it
	kind     string // the event's type
	keepFree bool   // may not use the room that is kept for outcomes
	// doubt: a copy was sent and not answered, so that no refusal of a later
	// copy proves anything about the first.
	doubt bool
}

func (l *Ledger) newAttempt(ctx context.Context, e *messages.Event, expected uint64) (*attempt, error) {
	if err := validate(e, expected); err != nil {
		return nil, err
	}
	// Not json.Marshal: it would write each <, > and & of an order as six bytes,
	// and an acceptable order could grow beyond what an event may hold.
	body, err := e.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(body) > messages.MaxEventBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrInvalid, len(body), messages.MaxEventBytes)
	}
	msg := nats.NewMsg(messages.EventSubject(e.Provider, e.Tenant, e.OrderID, e.Type))
	msg.Data = body
	telemetry.Inject(ctx, msg.Header)
	filter := messages.OrderEvents(e.Tenant, e.OrderID)
	msg.Header.Set("Content-Type", "application/json")
	msg.Header.Set(jetstream.ExpectedStreamHeader, messages.StreamEvents)
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(expected, 10))
	msg.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, filter)
	weaken(msg, e)
	a := &attempt{msg: msg, filter: filter, expected: expected, size: storedSize(msg), kind: string(e.Type), keepFree: keepsFree(e.Type)}
	if a.keepFree && !l.room.admits(a.size) {
		return nil, fmt.Errorf("%w: the rest is kept for outcomes", ErrNoRoom)
	}
	return a, nil
}

// weaken takes the compare-and-set out of an append. Only mutants do.
func weaken(msg *nats.Msg, e *messages.Event) {
	if mutant.Is("M5") || mutant.Is("M11") {
		msg.Header.Del(jetstream.ExpectedLastSubjSeqHeader)
		msg.Header.Del(jetstream.ExpectedLastSubjSeqSubjHeader)
	}
	if mutant.Is("M11") {
		msg.Header.Set(jetstream.MsgIDHeader, e.Key()+"/"+strconv.FormatUint(e.N, 10))
	}
}

// validate refuses what would break the chain of an order, or reach beyond
// its own subjects. Everything else is the state machine's business.
func validate(e *messages.Event, expected uint64) error {
	switch {
	case e.N == 0:
		return fmt.Errorf("%w: n counts from 1", ErrInvalid)
	case e.N == 1 && expected != 0, e.N > 1 && expected == 0 && !restores(e):
		return fmt.Errorf("%w: n %d cannot follow sequence %d", ErrInvalid, e.N, expected)
	case !messages.ValidTenant(e.Tenant) || !messages.ValidToken(e.OrderID):
		return fmt.Errorf("%w: unusable tenant or order_id", ErrInvalid)
	case !slices.Contains(messages.Types(), e.Type):
		return fmt.Errorf("%w: unknown type", ErrInvalid)
	case e.Type.ChangesState() && e.State != e.Type:
		return fmt.Errorf("%w: %s does not lead to state %q", ErrInvalid, e.Type, e.State)
	case !e.Provider.Known() && e.State != messages.Rejected && !e.Forgotten():
		return fmt.Errorf("%w: unknown provider", ErrInvalid)
	}
	return nil
}

// restores reports whether an event may be the first of an order that the ledger
// has lost: it tells what became of a request, whoever found that out, and an
// event holds its order as a whole. An intent may not, nor an answer to upstream.
// That nothing was bought only the owner of the last attempt may say: what was
// lost may have begun another, of which a lookup of the one before knows nothing.
func restores(e *messages.Event) bool {
	if e.Work == nil || e.Work.Nonce == "" || e.Attempt == 0 {
		return false
	}
	switch e.Type {
	case messages.Accepted, messages.Rejected, messages.Placing,
		messages.CancelRefused, messages.ConfirmRefused, messages.Forgotten:
		return false
	case messages.Retrying, messages.Failed, messages.Canceled, messages.Expired:
		return e.Work.Answered
	default:
		return true
	}
}

// settle sends the attempt until it is known whether it is stored.
func (l *Ledger) settle(ctx context.Context, a *attempt) (uint64, error) {
	began := time.Now()
	for wait := l.newBackoff(); ; {
		seq, sent := l.publish(ctx, a, wait.patience)
		switch sent.verdict {
		case outrun:
			if mutant.Is("M6") {
				return 0, ErrConflict
			}
		case stored:
			return seq, nil
		case refused:
			// While an earlier copy is in doubt this refusal speaks of the later one only.
			if !a.doubt {
				return 0, sent.err
			}
		case unsent:
		case unanswered:
			a.doubt = true
		}
		follower, last, err := l.follower(ctx, a, wait.patience)
		switch {
		case err != nil: // the server is in trouble: repeat
		case follower != nil && follower.is(a.msg):
			l.room.stored(follower.seq, a.size)
			return follower.seq, nil
		case follower != nil:
			return 0, fmt.Errorf("%w: after sequence %d came %d", ErrConflict, a.expected, follower.seq)
		case sent.verdict == outrun && time.Since(began) > l.refusalStands(a, last):
			// Refused, and yet nothing follows: the order never was as far as
			// expected. A server that is closing or behind can look like that for a
			// moment, so this is believed only when it stays.
			return 0, fmt.Errorf("%w: nothing stands at the expected sequence %d: %w", ErrConflict, a.expected, sent.err)
		}
		if l.nc.IsClosed() || !wait.pause(ctx) {
			return 0, errors.Join(ErrUnknown, context.Cause(ctx), fmt.Errorf("last copy: %v; read back: %v", sent.err, err)) // told, not wrapped: neither settles it
		}
		l.metrics.repeated.Inc()
		l.opts.Log.Debug().Err(sent.err).Str("subject", a.msg.Subject).Msg("append was repeated")
	}
}

// refusalStands is how long a refusal after which nothing follows must last to
// be believed. While an earlier copy may still be on its way it never is, but
// for one case: where the order's last event stands before the expected one, no
// copy can be stored any more, since sequences only grow.
func (l *Ledger) refusalStands(a *attempt, last uint64) time.Duration {
	switch {
	case !a.doubt:
		return l.opts.Timeout / 4
	case last < a.expected:
		return 2 * l.opts.Timeout
	default:
		return math.MaxInt64
	}
}

// follower returns the event that was stored directly after the expected one,
// or nil where there is none. Only one ever can be, so it settles the matter
// either way. It may be some steps back from the order's last event, which is
// at last (0 for none): somebody may have gone on from ours before we heard of it.
// Before a tombstone the others were erased, or are about to be: it is the one
// that settles the matter then, since nothing is stored after it either.
func (l *Ledger) follower(ctx context.Context, a *attempt, patience time.Duration) (_ *raw, last uint64, err error) {
	at, err := l.fromLeader(ctx, getRequest{LastFor: a.filter}, patience)
	if errors.Is(err, ErrNotFound) {
		return nil, 0, nil
	}
	if err == nil {
		last = at.seq
	}
	for err == nil {
		if at.seq <= a.expected {
			return nil, last, nil
		}
		if at.tombstone() {
			return at, last, nil
		}
		var prev uint64
		if prev, err = at.previous(); err != nil {
			break
		}
		if prev <= a.expected {
			return at, last, nil
		}
		at, err = l.fromLeader(ctx, getRequest{Seq: prev}, patience)
	}
	return nil, last, err
}

// verdict says what one copy of an event met with. The zero value is the one
// that proves nothing.
type verdict uint8

const (
	unanswered verdict = iota // it may be stored, now or later
	stored
	outrun  // not stored: the order's last event is another one
	refused // not stored, for a reason that has nothing to do with the order
	unsent  // it never left
)

type outcome struct {
	verdict verdict
	err     error
}

// publish sends one copy, together with those of others where that is faster.
// Events of one order exclude each other, so they never share a batch.
func (l *Ledger) publish(ctx context.Context, a *attempt, patience time.Duration) (uint64, outcome) {
	l.room.begin(a.size)
	defer l.room.end(a.size)
	failpoint.HitOf("ledger.append.before", a.kind)
	ack, err := l.commits.Publish(ctx, a.msg, a.filter, patience)
	failpoint.HitOf("ledger.append.after", a.kind)
	var api *jetstream.APIError
	switch {
	case errors.Is(err, groupcommit.ErrNotSent), errors.Is(err, errOffline),
		errors.Is(err, nats.ErrReconnectBufExceeded): // before anything was kept
		return 0, outcome{unsent, err}
	case errors.As(err, &api):
		v, err := verdictOnRefusal(api)
		return 0, outcome{v, err}
	case errors.Is(err, nats.ErrMaxPayload): // by our own client, before anything was written
		return 0, outcome{refused, fmt.Errorf("%w: %w", ErrInvalid, err)}
	case err != nil:
		// A lost connection, a time-out, and "no responders" too: what was sent
		// to a leader that is just going may yet be stored by the next one.
		return 0, outcome{unanswered, err}
	}
	if ack.Stream != messages.StreamEvents {
		return 0, outcome{unanswered, fmt.Errorf("answered by stream %q, sequence %d", ack.Stream, ack.Seq)}
	}
	l.room.stored(ack.Seq, a.size)
	return ack.Seq, outcome{verdict: stored}
}

// Codes of the server that are not in the client's list.
const (
	codeAccountResources jetstream.ErrorCode = 10002
	codeServerResources  jetstream.ErrorCode = 10023
	codeStorageResources jetstream.ErrorCode = 10047
	codeStoreFailed      jetstream.ErrorCode = 10077
)

// verdictOnRefusal reads the server's error. Codes that are not known to mean
// "not stored" prove nothing.
func verdictOnRefusal(e *jetstream.APIError) (verdict, error) {
	switch e.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence:
		return outrun, e
	case codeAccountResources, codeServerResources, codeStorageResources:
		return refused, fmt.Errorf("%w: %w", ErrNoRoom, e)
	case codeStoreFailed:
		// The code covers everything that can go wrong while storing; only the
		// text tells the stream's own limits.
		if strings.HasPrefix(e.Description, "maximum ") {
			return refused, fmt.Errorf("%w: %w", ErrNoRoom, e)
		}
		return unanswered, e
	case jetstream.JSErrCodeStreamMessageExceedsMaximum:
		return refused, fmt.Errorf("%w: %w", ErrInvalid, e)
	default: // 10164 too: another write is in flight, and it may be our own earlier copy
		return unanswered, e
	}
}
