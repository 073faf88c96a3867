package groupcommit

import (
	"errors"
	"time"
)

// What is believed before anything was seen, and bounds for it.
const (
	fewest      = 16                     // never fewer in a batch
	leastEnough = 2 * fewest             // always waited for by one that is let fill
	guess       = 4 * time.Millisecond   // of a batch
	dearest     = 2 * guess              // that a batch counts for while it is faster than its members alone
	longest     = 50 * time.Millisecond  // between two answers; more is a hiccup and no pace
	widest      = 256                    // messages on their way alone
	memory      = 256                    // answers that the pace is the mean of
	forgetAfter = 5 * time.Second        // what a batch took, where none was tried since
	leastWary   = 100 * time.Millisecond // after a batch was let fill in vain,
	mostVain    = 5                      // and twice as long so often
	probeEvery  = 8                      // bargains, of which one is not followed by a fill
	disabledFor = time.Minute            // until a stream that takes none is tried again
)

// pace is what the server was seen to take for messages that come alone, and
// for batches.
type pace struct {
	// Time in which the server had messages of ours to store, and how many it
	// answered in it. Answers come in bursts, so that only a mean of many says
	// anything; both are halved when they are enough.
	busyFor time.Duration
	answers int
	last    time.Time // when one was answered
	busy    bool      // others were on their way then, so that the server had no break since

	whole time.Duration // for a batch
	part  time.Duration // for each of its members; zero where that is not known
	tried time.Time     // when the last batch ended
	off   time.Time     // until then the stream takes no batches
	eager bool          // nothing is learnt: see Committer.Eager

	bargains int       // so far: see probeEvery
	vain     int       // batches in a row that were let fill and did not
	wary     time.Time // until then none is let fill
}

func newPace() pace { return pace{whole: guess} }

// each is what a message takes that is sent alone while others are on their
// way; zero before that was seen.
func (p *pace) each() time.Duration {
	if p.answers < 4*fewest {
		return 0
	}
	return p.busyFor / time.Duration(p.answers)
}

// window is how many messages are sent alone before the next one waits: about
// as many as the server stores in the time of a batch. So whoever waits is
// answered no later than had it been sent, and comes to be in a batch.
func (p *pace) window() int {
	each := p.each()
	switch {
	case p.eager:
		return 1
	case each <= 0:
		return widest
	}
	return min(max(int(p.batch()/each), fewest), widest)
}

// worth reports whether a batch of n would be faster than n messages alone: it
// costs much before its first member, and each member costs something.
func (p *pace) worth(n int, now time.Time) bool {
	if p.eager {
		return n > 1
	}
	if now.Sub(p.tried) > forgetAfter { // the disk may have been busy with something else
		p.whole, p.part = guess, 0
	}
	each := p.each()
	return each > 0 && n >= fewest && time.Duration(n)*each >= p.batch() && p.part <= each && !now.Before(p.off)
}

// bargain reports whether a batch of n, which took so long with the time in which
// it was let fill, was faster than n messages alone, so that the next one is worth
// waiting for. Where orders go round, each asking for its next event when it has
// got its last one, nearly all of them wait for the batch that is on its way, and
// few would be there for the one after it.
//
// Not every bargain is followed by one: what goes alone in between shows whether
// it still is one.
func (p *pace) bargain(n int, took time.Duration, now time.Time) bool {
	if p.eager || n < fewest || took >= time.Duration(n)*p.each() || now.Before(p.wary) {
		return false
	}
	p.bargains++
	return p.bargains%probeEvery != 0
}

// filled notes whether a batch that was let fill did. Where orders come one by
// one, and a batch was only what a hiccup had dammed up, it is in vain, and tried
// less and less often.
func (p *pace) filled(full bool, now time.Time) {
	if full {
		p.vain = 0
		return
	}
	p.wary = now.Add(leastWary << p.vain)
	p.vain = min(p.vain+1, mostVain)
}

// fillFor bounds how long a batch is let fill.
func (p *pace) fillFor() time.Duration { return 2 * min(p.whole, dearest) }

// batch is what a batch takes, as far as the choice goes. Where much goes alone
// it takes a multiple of that, because each of its syncs waits for those of the
// others; if that counted, all would go on alone for ever. Where its members are
// slower than alone all the same, batches are slow, and that counts.
func (p *pace) batch() time.Duration {
	if p.part > p.each() {
		return p.whole
	}
	return min(p.whole, dearest)
}

// answered notes an answer to a message that was sent alone; left are still on
// their way.
func (p *pace) answered(now time.Time, left int, ok bool) {
	if p.busy && ok {
		p.busyFor += min(now.Sub(p.last), longest)
		if p.answers++; p.answers >= memory {
			p.busyFor, p.answers = p.busyFor/2, p.answers/2
		}
	}
	p.last, p.busy = now, left > 0
}

// committed notes a batch of n.
func (p *pace) committed(n int, now, begun time.Time, err error) {
	took := now.Sub(begun)
	p.busy, p.tried = false, now
	switch {
	case disabled(err), partly(err): // the latter leaves doubts that nobody needs
		p.off = now.Add(disabledFor)
	case errors.Is(err, ErrNotSent), errors.Is(err, errApart): // it says nothing of the server
	case err != nil: // a batch that was for nothing takes its time twice, and is no bargain where that is short
		took = 2 * max(took, p.whole)
		fallthrough
	default:
		p.whole += (took - p.whole) / 8
		if p.part == 0 {
			p.part = took / time.Duration(n)
		}
		p.part += (took/time.Duration(n) - p.part) / 8
	}
}
