package order

import (
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Times are the waits that follow from configuration.
type Times struct {
	PollFirst, PollMax, BlockedMax time.Duration
}

// Due is what an order waits for next.
type Due struct {
	Verb messages.Verb
	At   time.Time
}

// DepositWatch is how long a deposit may still be paid whose pay URL was lost,
// by somebody who has it after all, with the hold that follows.
const DepositWatch = 9 * 24 * time.Hour

// LastLookFor is how long after the end of a watch its last look may still be
// made, where the provider did not answer before.
const LastLookFor = 24 * time.Hour

// Next says what must be in the queue for an order whose last event is e, and
// false where nothing must: the order has ended and is not watched, or only an
// operator can go on. Whoever writes an event, or finds an order with nothing in
// the queue, puts this there.
//
// The last look at what is watched is at the end of the watch: what happened
// before is seen. After the end (see [WatchEnd]) one look that is answered is
// due, and no event tells that it was made: whoever makes it puts nothing there.
func Next(e *messages.Event, t Times, now time.Time) (Due, bool) {
	switch e.State {
	case accepted:
		return Due{messages.Place, now}, true
	case retrying:
		return nextTry(e, t, now), true
	case placing:
		return Due{messages.Check, orNow(e.LeaseUntil, now)}, true
	case unresolved:
		if e.NeedsOperator {
			return watched(e, t, now)
		}
		return Due{messages.Check, orNow(e.RetryAt, now)}, true
	case processing, onHold, actionRequired:
		return Due{messages.Check, now.Add(Backoff(e, t, now))}, true
	default:
		return watched(e, t, now)
	}
}

func watched(e *messages.Event, t Times, now time.Time) (Due, bool) {
	end, ok := WatchEnd(e)
	at := now.Add(Backoff(e, t, now))
	switch {
	case !ok || !now.Before(end.Add(LastLookFor)):
		return Due{}, false
	case !now.Before(end):
		at = now
	case at.After(end):
		at = end
	}
	return Due{messages.Check, at}, true
}

// WatchEnd is until when an order is watched that has ended, or that an operator
// has: what becomes of a deposit may settle it before anybody decides. False
// where it is not watched.
func WatchEnd(e *messages.Event) (time.Time, bool) {
	switch e.State {
	case succeeded, failed, canceled, expired:
		if e.WatchUntil == nil {
			return time.Time{}, false
		}
		return *e.WatchUntil, true
	case unresolved:
		return e.Time.Add(DepositWatch), e.NeedsOperator && e.Kind == messages.Deposit
	default:
		return time.Time{}, false
	}
}

// nextTry: an order that waits for our account is looked at by the follow
// consumer, which is not stopped with the lane, so that it can end in time.
func nextTry(e *messages.Event, t Times, now time.Time) Due {
	at := orNow(e.RetryAt, now)
	since := work(e).BlockedSince
	if since == nil {
		return Due{messages.Place, at}
	}
	if end := since.Add(t.BlockedMax); t.BlockedMax > 0 && end.Before(at) {
		at = end
	}
	return Due{messages.Check, at}
}

// Backoff is the wait until the next look at an order whose state began with
// e: half of its age, within the limits. It needs no counter, so it survives
// any restart, and each wait is half as long again as the one before.
func Backoff(e *messages.Event, t Times, now time.Time) time.Duration {
	return min(max(now.Sub(e.Time)/2, t.PollFirst), max(t.PollMax, t.PollFirst))
}

func orNow(t *time.Time, now time.Time) time.Time {
	if t == nil {
		return now
	}
	return *t
}

// Open reports whether the owner of an intent may still say what came of it, so
// that its word decides: its order waits for that, or somebody has given it up.
func Open(e *messages.Event, nonce string) bool {
	w := work(e)
	return (e.State == placing || e.State == unresolved) && nonce != "" &&
		(w.Nonce == nonce && !w.Answered || slices.Contains(strings.Fields(w.Unsaid), nonce))
}
