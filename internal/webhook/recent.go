package webhook

import (
	"container/list"
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// recent keeps the values of the keys that were used last, at most most of
// them: what strangers send must not decide how much memory is used.
type recent[V any] struct {
	most  int
	byUse list.List // of *item[V], the newest first
	items map[string]*list.Element
}

type item[V any] struct {
	key   string
	value V
}

func newRecent[V any](most int) recent[V] {
	return recent[V]{most: most, items: make(map[string]*list.Element)}
}

// at returns the place of the key's value, which is zero for a new key. It
// stays valid until the next call.
func (r *recent[V]) at(key string) *V {
	e, known := r.items[key]
	if !known {
		if oldest := r.byUse.Back(); oldest != nil && len(r.items) >= r.most {
			delete(r.items, r.byUse.Remove(oldest).(*item[V]).key) //nolint:forcetypeassert // the list holds nothing else
		}
		e = r.byUse.PushFront(&item[V]{key: key})
		r.items[key] = e
	}
	r.byUse.MoveToFront(e)
	return &e.Value.(*item[V]).value //nolint:forcetypeassert // the list holds nothing else
}

// Rate allows one request each Every, and Burst of them at once.
type Rate struct {
	Every time.Duration
	Burst int
}

// limiter applies a rate to each key by itself.
type limiter struct {
	rate Rate
	mu   sync.Mutex
	busy recent[time.Time] // until when the key has used up its requests
}

func newLimiter(r Rate, keys int) *limiter {
	return &limiter{rate: r, busy: newRecent[time.Time](keys)}
}

func (l *limiter) allow(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := l.busy.at(key)
	full := now.Add(time.Duration(l.rate.Burst) * l.rate.Every)
	switch {
	case until.Before(now):
		*until = now
	case until.After(full): // the clock was set back: not a reason to refuse for hours
		*until = full
	}
	next := until.Add(l.rate.Every)
	if next.After(full) {
		return false
	}
	*until = next
	return true
}

// memory knows the callback that was stored last for each order, so that a
// provider which repeats itself does not fill the queue. Another callback for
// the order makes it forget the one before: a status that comes back after
// another one is news.
type memory struct {
	window time.Duration
	now    func() time.Time

	mu     sync.Mutex
	last   recent[storedHook]
	inWork map[hookKey]chan struct{} // closed when its store has ended
}

type storedHook struct {
	body [sha256.Size]byte
	at   time.Time
}

type hookKey struct {
	order string
	body  [sha256.Size]byte
}

func newMemory(window time.Duration, orders int, now func() time.Time) *memory {
	return &memory{window: window, now: now, last: newRecent[storedHook](orders), inWork: make(map[hookKey]chan struct{})}
}

// once runs store unless the same callback was stored a moment ago, which it
// reports. Of several at once one runs, and the others wait for it: none of
// them may be answered before it is stored. An error is remembered by nobody.
func (m *memory) once(ctx context.Context, order string, body []byte, store func() error) (repeated bool, err error) {
	key := hookKey{order, sha256.Sum256(body)}
	for {
		done, mine := m.enter(key)
		switch {
		case done == nil:
			return true, nil
		case mine:
			defer func() { m.leave(key, done) }()
			if err = store(); err == nil {
				m.remember(key)
			}
			return false, err
		}
		select {
		case <-done:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// enter returns nil for what is stored already, and otherwise the channel of
// whoever stores it now, which may be the caller.
func (m *memory) enter(key hookKey) (done chan struct{}, mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := m.last.at(key.order); last.body == key.body && m.now().Sub(last.at) < m.window {
		return nil, false
	}
	if done, taken := m.inWork[key]; taken {
		return done, false
	}
	done = make(chan struct{})
	m.inWork[key] = done
	return done, true
}

func (m *memory) remember(key hookKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*m.last.at(key.order) = storedHook{body: key.body, at: m.now()}
}

func (m *memory) leave(key hookKey, done chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.inWork, key)
	close(done)
}
