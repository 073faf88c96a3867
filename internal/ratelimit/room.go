package ratelimit

import (
	"math"
	"time"
)

const (
	// glanceAfter is how old a look at the fence must be before another may be
	// worth its request.
	glanceAfter = 50 * time.Millisecond
	// lateness is how much later than due the server may let a permit go: it
	// looks for old messages at most four times a second, by a clock that ticks
	// ten times a second.
	lateness = 350 * time.Millisecond
	// soon: if no permit frees within this, what is left must last until one does.
	soon = 400 * time.Millisecond
	// farOff: if no permit frees within this, nobody's turn has come.
	farOff = time.Second
	// lookAgain is how old a look at the fence may grow while a replica waits for
	// a permit that frees much later: the limit may have been changed meanwhile.
	lookAgain = 15 * time.Second
	// fewUnused is how many permits a replica may have that are not used yet, and
	// still go on with a burst.
	fewUnused = 2
	// arrears is how many permits in arrears are made up for.
	arrears = 4
)

// room is what a replica believes is free. It learns of other replicas' permits
// from the sequence numbers of its own. It is not safe for concurrent use.
type room struct {
	known  bool
	limit  int
	life   time.Duration
	live   int
	seq    uint64    // the last permit when looked at
	acked  uint64    // the highest sequence heard of since
	lately uint64    // and since the last look was begun
	frees  time.Time // when the oldest permit frees, by the server's clock
	server time.Time // the server's clock when looked at
	at     time.Time // ours, then
	shut   bool      // refused since
	asking int       // questions on their way
	unused int       // permits granted and neither used nor thrown away yet

	// next is when the next permit is to be taken if they are spread evenly, by
	// our clock: an interval after the last one, whoever took it.
	next time.Time
	last time.Time // when we heard of the last permit
}

// saw takes in a look at the fence.
func (r *room) saw(s fenceState) {
	r.known, r.shut = true, false
	r.limit, r.life, r.live, r.seq = s.limit, s.life, s.live, s.lastSeq
	// What was heard of before is in the look, or was not true: somebody made it
	// up, or the stream was made anew.
	r.acked = max(r.lately, r.seq)
	r.server, r.at = s.now, time.Now()
	r.frees = s.now.Add(s.life) // of the next one, if none lives
	if s.live > 0 {
		r.frees = s.oldest.Add(s.life)
	}
}

// granted takes in the sequence of a permit, once from its own answer and once
// as all replicas hear of it.
func (r *room) granted(seq uint64) {
	r.lately = max(r.lately, seq)
	if seq <= r.acked {
		return
	}
	r.acked = seq
	if r.known {
		// What comes late is made up for, but not by a burst; and a burst is not
		// paid for, but by what it has left.
		now := time.Now()
		from := latest(r.next, now.Add(-arrears*r.interval()))
		if from.After(now) {
			from = now
		}
		r.next, r.last = from.Add(r.interval()), now
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// interval is the time between permits that are spread evenly.
func (r *room) interval() time.Duration { return r.life / time.Duration(r.limit) }

// full takes in a refusal.
func (r *room) full() { r.shut = true }

func (r *room) stale(after time.Duration) bool { return time.Since(r.at) >= after }

// outdated reports whether so little is free, as far as is known, that it
// matters when the next permit frees, and that has not been seen lately.
func (r *room) outdated() bool {
	switch {
	case r.free() > r.cushion():
		return false
	case r.free() <= r.reserve() && (r.shut || r.acked > r.seq):
		return true
	default:
		return r.stale(farOff) || r.serverNow().After(r.frees)
	}
}

// free is how many permits are free at least. Those that have freed since the
// last look are not counted.
func (r *room) free() int {
	if r.shut {
		return 0
	}
	return r.limit - r.live - int(min(r.acked-r.seq, math.MaxInt32))
}

// begins a look: what is heard of from now on may not be in it.
func (r *room) begins() { r.lately = 0 }

// doubtful reports whether what is known had better be looked at again though
// nothing is due: more permits were heard of than the limit has, or it is long
// ago. Those behind others leave that to them for longer.
func (r *room) doubtful(rank int) bool {
	if r.stale(lookAgain * time.Duration(1+rank)) {
		return true
	}
	return r.free() < 0 && !r.serverNow().After(r.frees) && r.stale(farOff)
}

// cushion is what a burst leaves. It is spread over the time until the burst's
// permits free again: otherwise nothing could be asked for a whole window. In a
// small limit it is half, because replicas that burst at the same moment do not
// see each other's questions.
func (r *room) cushion() int { return min(max(r.limit/5, min(r.limit/2, 32)), r.limit-1) }

// reserve is what even paced slots leave for customers, while permits do not
// free at the pace at which they are used.
func (r *room) reserve() int { return min(max(r.limit/100, min(r.limit/10, 3), 1), r.limit-1) }

// burst is how many questions more may be sent at once. Other replicas learn of
// them only by their answers, so there are fewer on their way the less is left.
// Those whose permits cannot be used as fast as they come wait: what grows too
// old is missing for a whole window.
func (r *room) burst() int {
	left := r.free() - r.cushion()
	if left <= 0 {
		return 0
	}
	return min(max(left/64, 1), max(left/128, fewUnused)-r.unused) - r.asking
}

// has reports whether a permit may be asked for at once.
func (r *room) has(u Use) bool {
	if u == ForCustomer {
		return r.free() > r.asking
	}
	return r.burst() > 0
}

// due is when the next permit may be taken in turn, by our clock. Where permits
// free all the time they are taken at the pace of the limit, so that there is
// always one that frees soon. After a burst they free only much later: what is
// left is spread until then, but for the reserve.
func (r *room) due() time.Time {
	until := r.frees.Sub(r.serverNow())
	switch spare := r.free() - r.reserve(); {
	case until <= soon && r.free() > 0:
		return r.next
	case until <= soon, spare <= 0:
		return latest(r.next, r.ours(r.frees))
	default:
		return r.last.Add(max(r.interval(), until/time.Duration(spare)))
	}
}

// serverNow is the server's clock. It goes by our monotonic one since the last
// look, so that a wrong or stepping clock of ours does not matter.
func (r *room) serverNow() time.Time { return r.server.Add(time.Since(r.at)) }

// ours turns a time of the server into one of ours.
func (r *room) ours(server time.Time) time.Time { return r.at.Add(server.Sub(r.server)) }
