package forget

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
)

// leaseKey is where the bucket says who is forgetting orders.
const leaseKey = "lease.forget"

var (
	// ErrTaken is returned when another run has taken the lease over: this one was
	// silent for too long, and must do nothing more.
	ErrTaken   = errors.New("another run has taken the lease")
	errNoLease = errors.New("forget: the lease is not held")
)

// lease is a key that its holder renews. Whoever waits takes it over when it has
// not changed for as long as a lease lasts, by the waiter's own clock.
type lease struct {
	kv    jetstream.KeyValue
	owner string
	by    string
	stop  context.CancelFunc
	done  sync.WaitGroup

	mu       sync.Mutex
	revision uint64
	lost     error
}

// holder is the key's value.
type holder struct {
	Owner string `json:"owner"`
	By    string `json:"by"`
}

// Take waits until no other run is at work, and keeps others out until Close.
func (e *Eraser) Take(ctx context.Context) error {
	l := &lease{kv: e.kv, owner: rand.Text(), by: e.o.By}
	var seen uint64
	var since time.Time
	for {
		entry, err := e.kv.Get(ctx, leaseKey)
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
			err = l.write(ctx, 0)
		case err != nil:
			return fmt.Errorf("forget: key %s: %w", leaseKey, err)
		case entry.Revision() != seen:
			var h holder
			_ = json.Unmarshal(entry.Value(), &h) // for people only
			e.o.Waits(h.By)
			seen, since = entry.Revision(), time.Now()
			err = ErrTaken
		case time.Since(since) >= e.o.LeaseLasts:
			err = l.write(ctx, seen)
		default:
			err = ErrTaken
		}
		if err == nil {
			break
		}
		if !errors.Is(err, ErrTaken) {
			return fmt.Errorf("forget: key %s: %w", leaseKey, err)
		}
		if !pause(ctx, e.o.LeaseLasts/10) {
			return fmt.Errorf("forget: %w", context.Cause(ctx))
		}
	}
	background, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.done.Go(func() { l.renew(background, e.o.LeaseLasts/5) })
	e.lease = l
	return nil
}

// write makes the key ours. [ErrTaken] says that somebody else was faster, or
// has taken it over.
func (l *lease) write(ctx context.Context, seen uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	body, err := json.Marshal(holder{l.owner, l.by})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, once)
	defer cancel()
	failpoint.Hit("forget.lease.before")
	var revision uint64
	if seen == 0 {
		revision, err = l.kv.Create(ctx, leaseKey, body)
	} else {
		revision, err = l.kv.Update(ctx, leaseKey, body, seen)
	}
	failpoint.Hit("forget.lease.after")
	switch {
	case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return ErrTaken
	case err == nil:
		l.revision = revision
	}
	return err
}

// renew writes the key again and again, until ctx ends or it is another's.
func (l *lease) renew(ctx context.Context, every time.Duration) {
	for pause(ctx, every) {
		_ = l.check(ctx) // what is wrong, check says to whoever is about to write
	}
}

// check proves that the lease is ours, by writing it once more.
func (l *lease) check(ctx context.Context) error {
	l.mu.Lock()
	revision, lost := l.revision, l.lost
	l.mu.Unlock()
	if lost != nil {
		return lost
	}
	err := l.write(ctx, revision)
	if err == nil {
		return nil
	}
	// An answer may have been lost, or the two callers of this have met.
	entry, readErr := l.kv.Get(ctx, leaseKey)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	var h holder
	l.mu.Lock()
	defer l.mu.Unlock()
	if json.Unmarshal(entry.Value(), &h) != nil || h.Owner != l.owner {
		l.lost = ErrTaken
		return ErrTaken
	}
	l.revision = entry.Revision()
	return nil
}

// release gives the lease up, so that the next run need not wait.
func (l *lease) release() {
	l.stop()
	l.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	failpoint.Hit("forget.release.before")
	_ = l.kv.Delete(ctx, leaseKey, jetstream.LastRevision(l.revision)) // or it ends by itself
	failpoint.Hit("forget.release.after")
}
