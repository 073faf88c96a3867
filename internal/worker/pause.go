package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/pkg/providers"
)

// An operator's pause is in force when [lane.Pause] returns. The watch of the
// key cannot promise that: its news are late on a bad day, and one replica may
// write an intent while the others have long stopped. So each replica also
// remembers when it last began to ask the bucket's leader and was told that
// the lane was not paused. An intent that was stored at most [lane.InForce]
// after that moment was stored before any pause returned. For all others the
// leader is asked again: before the intent where the time is half over, and
// after it where storing took longer than that.

// askLaneFor bounds one question to the leader.
const askLaneFor = 2 * time.Second

var errPaused = errors.New("an operator has paused the lane")

// sight is what a replica knows for certain of its lane.
type sight struct {
	asking sync.Mutex // held by the one that asks

	mu     sync.Mutex
	open   time.Time // when the question was asked that last knew of no pause
	failed time.Time // when the last one failed, and with what
	cause  error
}

// certify makes sure, before an intent, that the lane was not paused a moment
// ago. Of many orders at once one asks, and the others take its answer, be it
// that there was none.
func (l *gate) certify(ctx context.Context) error {
	if l.isPaused() {
		return errPaused
	}
	if apart(l.certain(), time.Now()) <= lane.InForce/2 {
		return nil
	}
	came := time.Now()
	l.sight.asking.Lock()
	defer l.sight.asking.Unlock()
	if apart(l.certain(), time.Now()) <= lane.InForce/2 {
		return nil
	}
	if err := l.failedSince(came); err != nil {
		return err
	}
	return l.askLeader(ctx)
}

// standing reports, after an intent was stored, whether it may be sent: nil
// where it was stored before a pause could have been in force, or where the
// lane still is not paused.
func (l *gate) standing(ctx context.Context, stored time.Time) error {
	var err error
	switch {
	case l.isPaused():
		err = errPaused
	case apart(l.certain(), stored) > lane.InForce:
		err = l.askLeader(ctx)
	}
	if err != nil {
		return &providers.Error{Op: "lane", Class: providers.Retryable, Code: providers.CodeNotSent, Err: err}
	}
	return nil
}

// askLeader asks once, and remembers what it is told.
func (l *gate) askLeader(ctx context.Context) error {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, askLaneFor)
	defer cancel()
	s, revision, err := lane.Certain(ctx, l.js, l.provider)
	switch {
	case err != nil:
		err = fmt.Errorf("whether the lane is paused is not known: %w", err)
	case s.Paused() && !mutant.Is("M23"):
		l.adopt(s, revision, false)
		err = errPaused
	}
	l.sight.mu.Lock()
	defer l.sight.mu.Unlock()
	switch {
	case err != nil:
		l.sight.failed, l.sight.cause = time.Now(), err
		return err
	case begun.After(l.sight.open):
		l.sight.open = begun
	}
	return nil
}

// certain is when the leader was asked that last knew of no pause.
func (l *gate) certain() time.Time {
	l.sight.mu.Lock()
	defer l.sight.mu.Unlock()
	return l.sight.open
}

// failedSince is why nobody could be told since a moment; nil where nobody asked
// in vain.
func (l *gate) failedSince(came time.Time) error {
	l.sight.mu.Lock()
	defer l.sight.mu.Unlock()
	if l.sight.failed.After(came) {
		return l.sight.cause
	}
	return nil
}

// apart is how long after a moment another was, by both clocks: the monotonic
// one stands still while the machine sleeps, and the other one can be set back.
func apart(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
