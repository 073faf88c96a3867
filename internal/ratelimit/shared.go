package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	// askFor bounds one question to the fence or the book.
	askFor = 2 * time.Second
	// troubled is the pause after a question that had no answer.
	troubled = 250 * time.Millisecond
	// refusedPause is the least pause after a refusal.
	refusedPause = 60 * time.Millisecond
)

// Options configure a [Shared] limiter.
type Options struct {
	Provider messages.Provider
	Instance string // names this process in the permits
	Log      zerolog.Logger
	// Registerer takes the limiter's metrics; nil for none.
	Registerer prometheus.Registerer
	// Age is how old a permit may grow before it is used. 0 is what keeps the
	// limit, and more may overrun it: that is for tests that have none to keep.
	Age time.Duration
}

// Shared is the limit that all replicas keep together. It is safe for
// concurrent use.
//
// While the limit is far from used up, a permit costs one publish. After that
// waiters line up, and replicas take turns: each knows whose turn it is and when
// the next permit frees, so that they seldom ask in vain.
type Shared struct {
	fence   fence
	self    string
	age     time.Duration // of the oldest permit that may be used
	log     zerolog.Logger
	metrics *metrics
	looking chan struct{} // holds a place for one glance at a time
	news    chan struct{} // holds a sign that what pace waits for has changed

	mu      sync.Mutex
	room    room
	line    line
	turns   turns
	pacing  bool  // a goroutine serves the line
	turning bool  // and only when it is this replica's turn
	hurried bool  // a goroutine serves the customers in it
	trouble error // why the fence could not be asked or seen last; nil if it could
}

// New returns the limiter of a provider's permit stream. It makes no request.
func New(js jetstream.JetStream, o Options) *Shared {
	return newShared(newStream(js, o), o)
}

func newShared(f fence, o Options) *Shared {
	return &Shared{
		fence: f, self: o.Instance, age: cmp.Or(o.Age, greatestAge), log: o.Log, metrics: newMetrics(o.Registerer, o.Provider),
		looking: make(chan struct{}, 1), news: make(chan struct{}, 1), turns: turns{self: o.Instance},
	}
}

// Take waits for a permit until ctx ends. What the limit allows at once is
// asked for at once; the rest stands in line.
func (s *Shared) Take(ctx context.Context, use Use) (Permit, error) {
	if err := ctx.Err(); err != nil {
		return Permit{}, err
	}
	if use >= uses {
		use = ForCheck
	}
	if s.mayAsk(ctx, use) {
		p, granted, err := s.ask(ctx, use, note{})
		s.answered()
		if granted {
			return p, nil
		}
		if ctx.Err() != nil {
			return Permit{}, ctx.Err()
		}
		if err != nil {
			s.log.Warn().Err(err).Msg("no permit: its stream did not answer")
		}
	}
	return s.wait(ctx, use)
}

// wait stands in line until a permit is handed over.
func (s *Shared) wait(ctx context.Context, use Use) (Permit, error) {
	s.metrics.waiting[use].Inc()
	defer s.metrics.waiting[use].Dec()
	s.mu.Lock()
	w := s.line.join(use)
	s.attend(use)
	s.mu.Unlock()
	select {
	case p := <-w.granted:
		return p, nil
	case <-ctx.Done():
		s.mu.Lock()
		s.line.leave(w)
		trouble := s.trouble
		s.mu.Unlock()
		if trouble != nil { // who waited for it shall not take it for a limit that is used up
			return Permit{}, fmt.Errorf("%w: the permits could not be asked for: %v", ctx.Err(), trouble)
		}
		return Permit{}, ctx.Err() // a permit that comes now is burnt
	}
}

// attend sees to it that somebody serves the line for use. The lock is held.
func (s *Shared) attend(use Use) {
	switch {
	case use == ForCustomer && !s.hurried:
		s.hurried = true
		go s.hurry()
	case use != ForCustomer && !s.pacing:
		s.pacing = true
		go s.pace()
	}
}

// mayAsk reports whether a permit may be asked for at once, past the line.
// With yes it counts the question; answered ends it.
func (s *Shared) mayAsk(ctx context.Context, use Use) bool {
	s.mu.Lock()
	known := s.room.known
	if known && s.room.has(use) && s.nobodyBefore(use) {
		s.room.asking++
		s.mu.Unlock()
		return true
	}
	s.mu.Unlock()
	s.glance(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.room.known || !s.room.has(use) || !s.nobodyBefore(use) {
		return false
	}
	s.room.asking++
	return true
}

// glance finds out whether permits have freed since the last look. It costs a
// request, so it is worth it only if that look is some time ago and nobody
// stands in line: the line looks by itself.
func (s *Shared) glance(ctx context.Context) {
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	case <-ctx.Done():
		return
	}
	s.mu.Lock()
	needless := s.room.known && !s.room.stale(glanceAfter) || !s.line.empty()
	s.mu.Unlock()
	if !needless {
		s.look(ctx)
	}
}

// nobodyBefore reports whether use may pass the line: only customers pass
// others.
func (s *Shared) nobodyBefore(use Use) bool {
	if use == ForCustomer {
		return s.line.count[ForCustomer] == 0
	}
	return s.line.empty() && !s.pacing
}

func (s *Shared) answered() {
	s.mu.Lock()
	s.room.asking--
	s.mu.Unlock()
	s.tellPace()
}

// tellPace makes what serves the line think again.
func (s *Shared) tellPace() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// ask asks the fence for one permit.
func (s *Shared) ask(ctx context.Context, use Use, n note) (Permit, bool, error) {
	timed, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	p := Permit{Granted: time.Now(), MaxAge: s.age}
	n.Use, n.By = use.String(), s.self
	seq, granted, err := s.fence.publish(timed, n)
	s.mu.Lock()
	s.note(ctx, err)
	s.room.granted(seq)
	if err == nil && !granted {
		s.room.full()
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		s.metrics.troubles.Inc()
	case granted:
		s.metrics.granted[use].Inc()
		p.used = s.owed()
	default:
		s.metrics.refused.Inc()
	}
	return p, granted, err
}

// owed counts a permit until it is used or thrown away, which it is told, or
// too old to be: nobody need use a permit.
func (s *Shared) owed() (used func(fresh bool)) {
	s.mu.Lock()
	s.room.unused++
	s.mu.Unlock()
	var once sync.Once
	settle := func() {
		once.Do(func() {
			s.mu.Lock()
			s.room.unused--
			s.mu.Unlock()
			s.tellPace()
		})
	}
	late := time.AfterFunc(s.age, settle)
	return func(fresh bool) {
		if !fresh {
			s.metrics.thrown.Inc()
		}
		late.Stop()
		settle()
	}
}

// note keeps why the fence gave no answer, unless it is that nobody waited for
// one any more.
func (s *Shared) note(ctx context.Context, err error) {
	if err == nil || ctx.Err() == nil {
		s.trouble = err
	}
}

// look asks the fence for its state.
func (s *Shared) look(ctx context.Context) (fenceState, bool) {
	timed, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	s.mu.Lock()
	s.room.begins()
	s.mu.Unlock()
	state, err := s.fence.state(timed)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(ctx, err)
	if err != nil {
		s.metrics.troubles.Inc()
		s.log.Warn().Err(err).Msg("the permits cannot be seen")
		// What limits nothing would grant whatever is asked of it.
		s.room.known = s.room.known && !errors.Is(err, errNoLimit)
		return state, false
	}
	if state.limit > s.room.limit {
		s.turning = false // there is room that nobody has taken turns for
	}
	s.room.saw(state)
	return state, true
}
