package groupcommit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrNotSent is returned by Publish for a message that never left this process:
// its context ended while it waited for its turn, or the connection was lost.
var ErrNotSent = errors.New("not sent")

// Request sends one message and waits for one answer, for as long as patience
// or until ctx ends. What it returns as an error is returned by Publish for all
// messages that were sent by it.
type Request func(ctx context.Context, m *nats.Msg, patience time.Duration) (*nats.Msg, error)

// Ack is the server's word that a message is stored.
type Ack struct {
	Stream string
	Seq    uint64 // of this message
}

// Committer stores messages in one stream. It is safe for concurrent use.
type Committer struct {
	nc      *nats.Conn
	request Request
	now     func() time.Time // monotonic
	after   func(time.Duration, func()) *time.Timer

	mu       sync.Mutex
	waiting  []*member
	alone    int  // messages on their way by themselves
	together bool // a batch is on its way
	filling  *filling
	pace     pace
}

// filling is a batch that is let fill, because the one before it was a bargain:
// until it goes nothing else does that could be in it.
type filling struct {
	begun  time.Time
	enough int // members for which it goes at once
	timer  *time.Timer
	over   bool // it has waited for long enough
}

// New returns a committer for one stream. A nil request is one over nc that
// ends after its patience; any other must use nc too.
func New(nc *nats.Conn, request Request) *Committer {
	if request == nil {
		request = plain(nc)
	}
	c := &Committer{nc: nc, request: request, now: time.Now, after: time.AfterFunc, pace: newPace()}
	if alwaysEager() {
		c.Eager()
	}
	return c
}

// Eager makes c send together whatever waits, and one message alone at most. It
// is slower than what c chooses by itself, and there for tests and for rigs that
// kill programs in the middle of batches.
func (c *Committer) Eager() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pace.eager = true
}

// member is one message, from Publish until its answer.
type member struct {
	msg      *nats.Msg
	key      string
	patience time.Duration
	large    bool // has no place in a batch
	single   bool // for good: large, or was in a batch that was refused
	partly   bool // was in a batch of which a part may be stored, or may be later
	gone     bool // nobody waits for it any more
	told     chan order
}

// order tells a waiting goroutine how it goes on.
type order struct {
	send bool // go and send it yourself
	ack  Ack
	err  error
}

// Publish stores m and returns where. Two messages with the same key never
// share a batch, which one of them would spoil: give those the same that exclude
// each other, and "" to what nothing excludes.
//
// The error wraps [ErrNotSent] where the message never left, is the server's
// *jetstream.APIError where it was refused, and everything else leaves open
// whether it is stored. m is not changed, and must not be after an error: a copy
// may still be on its way.
func (c *Committer) Publish(ctx context.Context, m *nats.Msg, key string, patience time.Duration) (Ack, error) {
	large := int64(m.Size()+roomForHeaders) > min(c.nc.MaxPayload(), mostBytes)
	p := &member{msg: m, key: key, patience: patience, large: large, single: large}
	c.mu.Lock()
	if !c.together && c.filling == nil && len(c.waiting) == 0 && c.alone < c.pace.window() {
		c.alone++
		c.mu.Unlock()
		return c.sendAlone(ctx, p)
	}
	p.told = make(chan order, 1)
	c.waiting = append(c.waiting, p)
	c.next()
	c.mu.Unlock()
	var o order
	select {
	case o = <-p.told:
	case <-ctx.Done():
		o = c.leave(p, context.Cause(ctx))
	}
	if o.send {
		return c.sendAlone(ctx, p)
	}
	return o.ack, o.err
}

// leave gives up waiting for the sake of cause.
func (c *Committer) leave(p *member, cause error) order {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.gone = true
	if at := slices.Index(c.waiting, p); at >= 0 {
		c.waiting = slices.Delete(c.waiting, at, at+1)
		if p.single && !p.large { // its batch was refused, but it was sent
			return order{err: cause}
		}
		return order{err: fmt.Errorf("%w: %w", ErrNotSent, cause)}
	}
	select {
	case o := <-p.told:
		return o // sending by itself finds out that the time is over
	default:
		return order{err: cause} // in a batch that is on its way
	}
}

// sendAlone sends a message that has been counted in.
func (c *Committer) sendAlone(ctx context.Context, p *member) (Ack, error) {
	answer, err := c.request(ctx, p.msg, p.patience)
	c.landed(err == nil)
	var ack Ack
	if err == nil {
		ack, err = read(answer.Data)
	}
	if err != nil && p.partly {
		// Not wrapped: no refusal of this copy proves anything about the first.
		err = fmt.Errorf("%w, and then alone: %v", errPartly, err)
	}
	return ack, err
}

// landed counts out a message that was sent alone.
func (c *Committer) landed(answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alone--
	c.pace.answered(c.now(), c.alone, answered)
	c.next()
}

// next sends on what waits, as far as it is time. The lock is held.
func (c *Committer) next() {
	if c.together {
		return
	}
	n, worth, now := c.joinable(), false, c.now()
	begun := now
	if f := c.filling; f != nil {
		if n < f.enough && !f.over {
			c.releaseSingles()
			return
		}
		f.timer.Stop()
		worth = n >= fewest
		c.pace.filled(worth, now)
		begun, c.filling = f.begun, nil
	}
	if worth || c.pace.worth(n, now) {
		// Those that are on their way alone end first: what comes meanwhile still
		// joins. Some may not be answered at all, and are not waited for.
		if !worth && c.alone > c.pace.window()/4 {
			return
		}
		if batch := c.gather(); len(batch) > 1 {
			c.together = true
			go c.commit(batch, begun)
			c.releaseSingles()
			return
		}
	}
	c.waiting = slices.DeleteFunc(c.waiting, c.release)
}

// joinable counts those that a batch may take. The lock is held.
func (c *Committer) joinable() (n int) {
	for _, p := range c.waiting {
		if !p.single {
			n++
		}
	}
	return n
}

// releaseSingles lets go those that can only go alone: batch after batch passes
// them by. The lock is held.
func (c *Committer) releaseSingles() {
	c.waiting = slices.DeleteFunc(c.waiting, func(p *member) bool { return p.single && c.release(p) })
}

// fill lets the batch after one of n fill. The lock is held.
func (c *Committer) fill(n int) {
	f := &filling{begun: c.now(), enough: max(leastEnough, n/2)}
	f.timer = c.after(c.pace.fillFor(), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		f.over = true
		if c.filling == f {
			c.next()
		}
	})
	c.filling = f
}

// release lets a message go alone, if there is room for it. The lock is held.
func (c *Committer) release(p *member) bool {
	if c.alone >= c.pace.window() {
		return false
	}
	c.alone++
	p.told <- order{send: true}
	return true
}

// Limits of a batch: the server takes 1,000 messages.
const (
	mostMembers = 500
	mostBytes   = 4 << 20

	roomForHeaders = 256 // what a batch adds to a message
)

// gather takes the members of a batch out of the line, the oldest first. The
// lock is held.
func (c *Committer) gather() []*member {
	batch, rest := make([]*member, 0, len(c.waiting)), c.waiting[:0:0]
	keys, bytes := make(map[string]bool, len(c.waiting)), 0
	for _, p := range c.waiting {
		size := p.msg.Size()
		if p.single || p.key != "" && keys[p.key] || len(batch) == mostMembers || bytes+size > mostBytes {
			rest = append(rest, p)
			continue
		}
		keys[p.key] = true
		bytes += size
		batch = append(batch, p)
	}
	if len(batch) < 2 {
		return nil
	}
	c.waiting = rest
	return batch
}

// commit sends a batch and tells each member what became of it. Nothing else was
// sent since begun.
func (c *Committer) commit(batch []*member, begun time.Time) {
	sent := c.now()
	ack, err := c.send(batch)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.together = false
	refused := refusal(err)
	c.pace.committed(len(batch), c.now(), sent, err)
	var again []*member
	for i, p := range batch {
		switch {
		case refused && p.gone:
		case refused:
			p.single, p.partly = true, partly(err)
			again = append(again, p)
		case err != nil:
			p.told <- order{err: err}
		default:
			p.told <- order{ack: Ack{Stream: ack.Stream, Seq: ack.Seq - uint64(len(batch)-1-i)}} //nolint:gosec // never negative
		}
	}
	c.waiting = append(again, c.waiting...)
	if err == nil && c.pace.bargain(len(batch), c.now().Sub(begun), c.now()) {
		c.fill(len(batch))
	}
	c.next()
}
