package ratelimit

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// lookEvery: of so many refusals in a row one is worth a look at the fence.
	lookEvery = 4
	// grace is how long a replica has for its turn before the next goes ahead.
	grace = 200 * time.Millisecond
	// mostMissed is how many turns in a row are waited for at most: an order of
	// replicas that are all gone must not hold up the others for long.
	mostMissed = 25
	// hurriedPause is the least pause after a customer's permit was refused. It
	// is short: whoever's turn it is looks less often, and so comes later.
	hurriedPause = 15 * time.Millisecond
	// nap is how long waiting goes on at most before it is thought over.
	nap = 500 * time.Millisecond
)

// pace serves the line until nobody stands in it: when it is this replica's turn
// it asks for a permit, and hands it to the one whose turn it is here.
func (s *Shared) pace() {
	ctx := context.Background()
	stop, err := s.fence.follow(s.heard)
	if err != nil {
		s.log.Warn().Err(err).Msg("the turns of other replicas cannot be followed; permits are asked for out of turn")
		stop = func() {}
	}
	defer stop()
	for {
		s.burst(ctx)
		wait, on := s.turn(ctx)
		switch {
		case !on:
			return
		case wait > 0:
			s.await(wait)
		default:
			s.serve(ctx)
		}
	}
}

// burst asks at once for those in line, while the limit is far from used up.
func (s *Shared) burst(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.room.known && s.room.free() <= s.room.cushion() {
		s.turning = true // until nobody waits: a second burst would pass others by
	}
	for s.room.known && !s.turning && s.room.burst() > 0 {
		w := s.line.next()
		if w == nil {
			return
		}
		s.room.asking++
		go func() {
			defer s.answered()
			p, granted, err := s.ask(ctx, w.use, note{})
			if granted {
				s.hand(p, w)
				return
			}
			if err != nil {
				s.log.Warn().Err(err).Msg("no permit: its stream did not answer")
				// Without a connection every question fails at once, and would be asked
				// again at once, without end.
				pause(ctx, troubled)
			}
			s.putBack(w)
		}()
	}
}

// heard takes in what other replicas, and this one, say of their turns.
func (s *Shared) heard(n note, seq uint64) {
	s.mu.Lock()
	switch {
	case seq == 0:
		s.turns.called(n.By)
	default:
		s.room.granted(seq)
		if n.Turn {
			s.turns.passed(n)
			s.turns.moved = time.Now()
		}
	}
	s.mu.Unlock()
	s.tellPace()
}

// turn says how long this replica is to wait before it asks for a permit. It is
// not on when nobody waits any more.
func (s *Shared) turn(ctx context.Context) (wait time.Duration, on bool) {
	s.mu.Lock()
	if s.line.waiting() == 0 {
		s.pacing, s.turning = false, false
		s.mu.Unlock()
		return 0, false
	}
	call := s.turns.mayCall(time.Now())
	wait, on = s.untilTurn(), s.room.known
	old := s.room.outdated()
	doubtful := on && s.room.doubtful(s.turns.rank())
	s.mu.Unlock()
	if call {
		s.fence.call(note{By: s.self})
	}
	// What was seen before the last permit was taken does not say when the next
	// one frees. The one whose turn it is finds out, and the others if it seems
	// to have missed it.
	if on && !doubtful && (wait > 0 || !old) {
		return wait, true
	}
	if _, ok := s.look(ctx); !ok {
		return troubled, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.untilTurn(), true
}

// untilTurn is how long it is until this replica may ask: those before it in the
// order get their time first.
func (s *Shared) untilTurn() time.Duration {
	if !s.room.known {
		return 0
	}
	due := s.room.due()
	if rank := s.turns.rank(); rank > 0 {
		due = latest(due, s.turns.moved).Add(lateness + time.Duration(min(rank, mostMissed))*grace)
	}
	return time.Until(due)
}

// await waits for news, but not longer than d.
func (s *Shared) await(d time.Duration) {
	timer := time.NewTimer(min(d, nap))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.news:
	}
}

// serve takes this replica's turn: it asks until there is a permit, and hands it
// over.
func (s *Shared) serve(ctx context.Context) {
	s.mu.Lock()
	w := s.line.next()
	s.mu.Unlock()
	for tries := 1; w != nil; tries++ {
		s.mu.Lock()
		n := note{Turn: true, Next: s.turns.take(s.line.waiting() > 0)}
		s.mu.Unlock()
		p, granted, err := s.ask(ctx, w.use, n)
		if granted {
			s.mu.Lock()
			s.turns.passed(note{By: s.self, Next: n.Next})
			s.turns.moved = time.Now()
			s.mu.Unlock()
			s.hand(p, w)
			return
		}
		switch {
		case err != nil:
			s.log.Warn().Err(err).Msg("no permit: its stream did not answer")
			pause(ctx, troubled)
		case tries%lookEvery == 0 && s.untilFree(ctx) > farOff:
			s.putBack(w)
			return
		default: // due, and the server has not let it go yet
			pause(ctx, refusedPause+rand.N(refusedPause)) // #nosec G404 -- spreads load, guards nothing
		}
		w = s.stillWanted(w)
	}
}

// untilFree looks when the next permit frees.
func (s *Shared) untilFree(ctx context.Context) time.Duration {
	state, ok := s.look(ctx)
	if !ok {
		return troubled
	}
	return max(state.freesAt().Sub(state.now), 0)
}

// hurry serves the customers in the line. They book no slot: they take what
// frees next.
func (s *Shared) hurry() {
	ctx := context.Background()
	for refusals := 0; ; {
		w := s.customer()
		if w == nil {
			return
		}
		wait := troubled
		if s.seen(ctx) {
			p, granted, err := s.ask(ctx, w.use, note{})
			switch {
			case granted:
				refusals = 0
				s.hand(p, w)
				continue
			case err != nil:
			case refusals%lookEvery == 0:
				wait = min(max(s.untilFree(ctx), hurriedPause), nap)
				refusals++
			default:
				wait = hurriedPause
				refusals++
			}
		}
		s.putBack(w)
		pause(ctx, wait)
	}
}

// customer takes the first customer in line; nil if there is none, and then
// nobody serves them any more.
func (s *Shared) customer() *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.line.pop(ForCustomer)
	if w == nil {
		s.hurried = false
	}
	return w
}

// seen reports whether it is known what the fence allows. Nobody asks before: a
// stream that limits nothing would grant.
func (s *Shared) seen(ctx context.Context) bool {
	s.mu.Lock()
	known := s.room.known
	s.mu.Unlock()
	if !known {
		_, known = s.look(ctx)
	}
	return known
}

// hand gives a permit to w, or to the next if w has given up meanwhile. One
// that nobody wants is burnt.
func (s *Shared) hand(p Permit, w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.gone {
		w = s.line.next()
	}
	if w != nil {
		w.granted <- p
	}
}

// stillWanted returns w, or the next if w has given up; nil if nobody waits.
func (s *Shared) stillWanted(w *waiter) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.gone {
		return s.line.next()
	}
	return w
}

// putBack lets w stand first in line again.
func (s *Shared) putBack(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line.putBack(w); !w.gone {
		s.attend(w.use) // who serves the line may have seen it empty meanwhile
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
