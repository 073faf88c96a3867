package sweep

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/failpoint"
)

// leaseKey is where the bucket says who sweeps.
const leaseKey = "lease.sweeper"

// lease is a claim on a key that its holder renews. Whoever waits for it takes
// it over when the key has not changed for the whole time of the lease, as
// measured by the waiter's own clock, so that no two clocks are ever compared.
type lease struct {
	kv       jetstream.KeyValue
	key      string
	owner    string // unique, even where two processes have the same name
	instance string
	lasts    time.Duration
	log      zerolog.Logger
}

// holder is the key's value. Until is for people; nobody decides by it.
type holder struct {
	Owner    string    `json:"owner"`
	Instance string    `json:"instance"`
	Until    time.Time `json:"until"`
}

func newLease(kv jetstream.KeyValue, instance string, lasts time.Duration, log zerolog.Logger) *lease {
	return &lease{kv: kv, key: leaseKey, owner: rand.Text(), instance: instance, lasts: lasts, log: log}
}

func (l *lease) value() []byte {
	b, err := json.Marshal(holder{Owner: l.owner, Instance: l.instance, Until: time.Now().Add(l.lasts).UTC()})
	if err != nil {
		panic("sweep: lease cannot be encoded: " + err.Error()) // plain fields always can
	}
	return b
}

// acquire waits until the lease is ours, and returns its revision; or false
// when ctx has ended.
func (l *lease) acquire(ctx context.Context) (uint64, bool) {
	var seen uint64
	var since time.Time
	for ctx.Err() == nil {
		entry, err := l.kv.Get(ctx, l.key)
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
			if rev, ok := l.take(ctx, 0); ok {
				return rev, true
			}
		case err != nil:
			l.log.Debug().Err(err).Msg("lease was not read")
		case entry.Revision() != seen:
			seen, since = entry.Revision(), time.Now()
		case time.Since(since) >= l.lasts:
			if rev, ok := l.take(ctx, seen); ok {
				return rev, true
			}
		}
		pause(ctx, l.lasts/5)
	}
	return 0, false
}

// take writes our name over the revision that was seen, 0 for none.
func (l *lease) take(ctx context.Context, seen uint64) (rev uint64, ok bool) {
	var err error
	failpoint.Hit("sweep.take.before")
	if seen == 0 {
		rev, err = l.kv.Create(ctx, l.key, l.value())
	} else {
		rev, err = l.kv.Update(ctx, l.key, l.value(), seen)
	}
	failpoint.Hit("sweep.take.after")
	return rev, err == nil
}

// hold renews the lease until ctx ends, or returns early when it is lost: to
// somebody else, or because no renewal came through in time. It returns the
// last revision that was ours.
func (l *lease) hold(ctx context.Context, rev uint64) uint64 {
	renewed := time.Now()
	for pause(ctx, l.lasts/4) {
		begun := time.Now()
		try, cancel := context.WithTimeout(ctx, l.lasts/4)
		failpoint.Hit("sweep.renew.before")
		next, err := l.kv.Update(try, l.key, l.value(), rev)
		failpoint.Hit("sweep.renew.after")
		if err != nil {
			next, err = l.readBack(try)
		}
		cancel()
		switch {
		case err == nil:
			rev, renewed = next, begun
		case errors.Is(err, errTaken):
			l.log.Warn().Msg("another dispatcher took the sweeper's lease")
			return rev
		case time.Since(renewed) > l.lasts*3/4:
			l.log.Warn().Err(err).Msg("sweeper's lease was not renewed in time")
			return rev
		}
	}
	return rev
}

var errTaken = errors.New("lease is another's")

// readBack looks who holds the lease after a renewal that was not confirmed:
// its answer may have been lost.
func (l *lease) readBack(ctx context.Context) (uint64, error) {
	entry, err := l.kv.Get(ctx, l.key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, errTaken
	}
	if err != nil {
		return 0, err
	}
	var h holder
	if err := json.Unmarshal(entry.Value(), &h); err != nil || h.Owner != l.owner {
		return 0, errTaken
	}
	return entry.Revision(), nil
}

// release gives the lease up, so that nobody has to wait for its end.
func (l *lease) release(ctx context.Context, rev uint64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	failpoint.Hit("sweep.release.before")
	err := l.kv.Delete(ctx, l.key, jetstream.LastRevision(rev))
	failpoint.Hit("sweep.release.after")
	if err != nil {
		l.log.Debug().Err(err).Msg("lease was not given up; it ends by itself")
	}
}

// pause waits for t and reports whether ctx is still alive.
func pause(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
