package groupcommit

import "time"

// What is believed before anything was seen, and bounds for it.
const (
	fewest      = 16                   // never fewer in a batch
	most        = 4096                 // never demand more
	guess       = 4 * time.Millisecond // of a batch
	longest     = 5 * time.Millisecond // one message alone; more is a hiccup and no pace
	widest      = 256                  // messages on their way alone
	forgetAfter = 10 * time.Second     // a lesson that batches are slow
	disabledFor = time.Minute          // until a stream that takes none is tried again
)

// pace is what the server was seen to take for messages that come alone, and
// for batches.
type pace struct {
	each   time.Duration // for one message alone, while others were on their way; zero before it was seen
	last   time.Time     // when one was answered
	busy   bool          // others were on their way then, so that the server had no break since
	whole  time.Duration // for a batch
	demand int           // so many must wait for a batch
	learnt time.Time     // when demand was last raised
	off    time.Time     // until then the stream takes no batches
	eager  bool          // nothing is learnt: see Committer.Eager
}

func newPace() pace { return pace{whole: guess, demand: fewest} }

// window is how many messages are sent alone before the next one waits: about
// as many as the server stores in the time of a batch. So whoever waits is
// answered no later than had it been sent, and comes to be in a batch.
func (p *pace) window() int {
	switch {
	case p.eager:
		return 1
	case p.each <= 0:
		return widest
	}
	return min(max(int(p.whole/p.each), fewest), widest)
}

// worth reports whether a batch of n would be faster than n messages alone.
func (p *pace) worth(n int, now time.Time) bool {
	if p.eager {
		return n > 1
	}
	if p.demand > fewest && now.Sub(p.learnt) > forgetAfter {
		p.demand, p.learnt = max(p.demand/2, fewest), now
	}
	return p.each > 0 && n >= p.demand && time.Duration(n)*p.each >= p.whole && !now.Before(p.off)
}

// answered notes an answer to a message that was sent alone; left are still on
// their way.
func (p *pace) answered(now time.Time, left int, ok bool) {
	if p.busy && ok {
		took := min(now.Sub(p.last), longest)
		if p.each == 0 {
			p.each = took
		}
		p.each += (took - p.each) / 16
	}
	p.last, p.busy = now, left > 0
}

// committed notes a batch of n. One that took longer than its members would
// have taken alone raises what the next one must promise, for a while.
func (p *pace) committed(n int, now, begun time.Time, err error) {
	took := now.Sub(begun)
	p.busy = false
	switch {
	case disabled(err):
		p.off = now.Add(disabledFor)
		return
	case err == nil:
		p.whole += (took - p.whole) / 8
	}
	if err != nil || took > time.Duration(n)*p.each {
		p.demand, p.learnt = min(2*max(n, p.demand), most), now
		return
	}
	p.demand = max(p.demand*3/4, fewest)
}
