package order

import (
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

// Next says what must be in the queue for an order whose last event is e, and
// false where nothing must: the order has ended and is not watched, or only an
// operator can go on. Whoever writes an event, or finds an order with nothing
// in the queue, puts this there.
func Next(e *messages.Event, t Times, now time.Time) (Due, bool) {
	switch e.State {
	case accepted:
		return Due{messages.Place, now}, true
	case retrying:
		return nextTry(e, t, now), true
	case placing:
		return Due{messages.Check, orNow(e.LeaseUntil, now)}, true
	case unresolved:
		return Due{messages.Check, orNow(e.RetryAt, now)}, !e.NeedsOperator
	case processing, onHold, actionRequired:
		return Due{messages.Check, now.Add(Backoff(e, t, now))}, true
	case succeeded:
		return Due{messages.Check, now.Add(Backoff(e, t, now))}, e.WatchUntil != nil && now.Before(*e.WatchUntil)
	default:
		return Due{}, false
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
