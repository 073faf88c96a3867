package ratelimit

import (
	"context"
	"sync"
	"time"
)

// Local limits the requests of one process to n in any window: it remembers
// the last n grants, and grants again when the oldest has left the window.
type Local struct {
	mu     sync.Mutex
	window time.Duration
	grants []time.Time // a ring of the last n grants, or bookings in the future
	next   int
}

// NewLocal returns a limiter of n requests in any window.
func NewLocal(n int, window time.Duration) *Local {
	return &Local{window: window, grants: make([]time.Time, max(n, 1))}
}

// Take waits for a permit. Waiters are served in the order in which they came:
// each books the moment at which the oldest grant leaves the window. A waiter
// that gives up burns its booking.
func (l *Local) Take(ctx context.Context, _ Use) (Permit, error) {
	if err := ctx.Err(); err != nil {
		return Permit{}, err
	}
	if wait := l.book(time.Now()); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return Permit{}, ctx.Err()
		}
	}
	return Permit{Granted: time.Now(), MaxAge: Margin}, nil
}

// book takes the next place in the ring and returns how long to wait for it.
func (l *Local) book(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now
	if oldest := l.grants[l.next]; !oldest.IsZero() {
		if free := oldest.Add(l.window + Margin); free.After(at) {
			at = free
		}
	}
	l.grants[l.next] = at
	l.next = (l.next + 1) % len(l.grants)
	return at.Sub(now)
}
