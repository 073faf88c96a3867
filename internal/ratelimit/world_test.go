package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
)

// world is a permit stream and a provider in one process and in the
// time of a synctest bubble. It behaves as the server does: permits free late,
// answers are slow and may be lost.
type world struct {
	limit  int
	window time.Duration
	life   time.Duration // of a permit; mutants shorten it
	slow   time.Duration // the longest way between a replica and the server
	loss   float64       // of questions, and as many of answers
	late   time.Duration // the longest that the server keeps a permit too long

	mu        sync.Mutex
	rng       *rand.Rand
	live      []time.Time // grants
	seq       uint64
	asked     int // requests of all replicas
	granted   int
	ears      int
	listeners map[int]func(ratelimit.Note, uint64)
	replicas  int
	arrivals  []time.Time
}

func newWorld(seed int64, limit int, window time.Duration) *world {
	return &world{
		limit: limit, window: window, life: window + ratelimit.Margin, slow: 2 * time.Millisecond,
		late: 250 * time.Millisecond, rng: rand.New(rand.NewSource(seed)), listeners: map[int]func(ratelimit.Note, uint64){},
	}
}

var errLost = errors.New("no answer")

// replica returns the limiter of one more process.
func (w *world) replica() *ratelimit.Shared {
	w.mu.Lock()
	w.replicas++
	name := fmt.Sprintf("r%d", w.replicas)
	w.mu.Unlock()
	return ratelimit.NewOver((*worldFence)(w), ratelimit.Options{Provider: messages.SkinsBack, Instance: name, Log: zerolog.Nop()})
}

// draw returns a random duration up to most.
func (w *world) draw(most time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if most <= 0 {
		return 0
	}
	return time.Duration(w.rng.Int63n(int64(most) + 1))
}

func (w *world) chance(p float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.Float64() < p
}

// travel is one way between a replica and the server; lost if it never arrives.
func (w *world) travel(ctx context.Context) (lost bool) {
	if w.chance(w.loss) {
		<-ctx.Done()
		return true
	}
	select {
	case <-time.After(w.draw(w.slow)):
		return false
	case <-ctx.Done():
		return true
	}
}

// ask is a request to the server, on its way there and back.
func (w *world) ask(ctx context.Context, do func()) error {
	w.mu.Lock()
	w.asked++
	w.mu.Unlock()
	if w.travel(ctx) {
		return errLost
	}
	w.mu.Lock()
	do()
	w.mu.Unlock()
	if w.travel(ctx) {
		return errLost
	}
	return nil
}

// expire lets go the permits whose life is over, in lumps as the server does.
func (w *world) expire() {
	now := time.Now()
	if w.late > 0 {
		now = now.Truncate(w.late)
	}
	for len(w.live) > 0 && now.Sub(w.live[0]) >= w.life {
		w.live = w.live[1:]
	}
}

type worldFence world

func (f *worldFence) Publish(ctx context.Context, n ratelimit.Note) (seq uint64, granted bool, err error) {
	w := (*world)(f)
	err = w.ask(ctx, func() {
		w.expire()
		if len(w.live) < w.limit {
			w.live = append(w.live, time.Now())
			w.seq++
			w.granted++
			seq, granted = w.seq, true
			w.tell(n, seq)
		}
	})
	if err != nil {
		return 0, false, err
	}
	return seq, granted, nil
}

func (f *worldFence) State(ctx context.Context) (s ratelimit.FenceState, err error) {
	w := (*world)(f)
	err = w.ask(ctx, func() {
		w.expire()
		s = ratelimit.FenceState{Limit: w.limit, Life: w.life, Live: len(w.live), LastSeq: w.seq, Now: time.Now()}
		if len(w.live) > 0 {
			s.Oldest = w.live[0]
		}
	})
	return s, err
}

func (f *worldFence) Call(n ratelimit.Note) {
	w := (*world)(f)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	w.tell(n, 0)
}

func (f *worldFence) Follow(heard func(ratelimit.Note, uint64)) (stop func(), err error) {
	w := (*world)(f)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ears++
	ear := w.ears
	w.listeners[ear] = heard
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.listeners, ear)
	}, nil
}

// tell sends a note to all that listen. It may be late or lost.
func (w *world) tell(n ratelimit.Note, seq uint64) {
	for ear := range w.listeners {
		if w.rng.Float64() < w.loss {
			continue
		}
		time.AfterFunc(time.Duration(w.rng.Int63n(int64(w.slow)+1)), func() {
			w.mu.Lock()
			heard := w.listeners[ear]
			w.mu.Unlock()
			if heard != nil {
				heard(n, seq)
			}
		})
	}
}

// arrive notes a request at the provider.
func (w *world) arrive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrivals = append(w.arrivals, time.Now())
}

// overruns counts the requests that were too many in a window.
func (w *world) overruns() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	over := 0
	for i := w.limit; i < len(w.arrivals); i++ {
		if w.arrivals[i].Sub(w.arrivals[i-w.limit]) < w.window {
			over++
		}
	}
	return over
}
