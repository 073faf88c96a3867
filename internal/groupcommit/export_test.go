package groupcommit

import (
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Waiting is how many messages stand in line.
func Waiting(c *Committer) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// Dear makes c believe that a message takes a second alone. What is let fill has
// time until over is called; by its clock that was as long after.
func Dear(c *Committer) (over func(after time.Duration)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pace.answers, c.pace.busyFor = memory/2, memory/2*time.Second
	var (
		end     func()
		skipped atomic.Int64
	)
	c.now = func() time.Time { return time.Now().Add(time.Duration(skipped.Load())) }
	c.after = func(_ time.Duration, f func()) *time.Timer { // the lock is held
		end = f
		return time.NewTimer(time.Hour)
	}
	return func(after time.Duration) {
		skipped.Add(int64(after))
		c.mu.Lock()
		f := end
		c.mu.Unlock()
		f()
	}
}

// Pace is what the choice depends on, with a clock of its own.
type Pace struct {
	p   pace
	now time.Time
}

// NewPace returns one that has seen nothing.
func NewPace() *Pace { return &Pace{p: newPace(), now: time.Now()} }

// Alone plays n answers to messages that were sent alone together, each after took.
func (p *Pace) Alone(n int, took time.Duration) {
	for left := n - 1; left >= 0; left-- {
		p.now = p.now.Add(took)
		p.p.answered(p.now, left, true)
	}
}

// Burst plays n answers that come together, after as long as each of them takes.
func (p *Pace) Burst(n int, each time.Duration) {
	p.now = p.now.Add(time.Duration(n) * each)
	for range n { // more is on its way all the time
		p.p.answered(p.now, n, true)
		p.now = p.now.Add(5 * time.Microsecond)
	}
}

// Batch plays one of n messages.
func (p *Pace) Batch(n int, took time.Duration, err error) {
	begun := p.now
	p.now = p.now.Add(took)
	p.p.committed(n, p.now, begun, err)
}

// Worth is what is decided now.
func (p *Pace) Worth(n int) bool { return p.p.worth(n, p.now) }

// Window is how many are sent alone now.
func (p *Pace) Window() int { return p.p.window() }

// Bargain is whether the batch after one of n that took so long is let fill.
func (p *Pace) Bargain(n int, took time.Duration) bool { return p.p.bargain(n, took, p.now) }

// Filled plays the end of a batch that was let fill.
func (p *Pace) Filled(full bool) { p.p.filled(full, p.now) }

// Rest lets time pass.
func (p *Pace) Rest(d time.Duration) { p.now = p.now.Add(d) }

// Headers of a batch.
const (
	HeaderBatch  = headerBatch
	HeaderCommit = headerCommit
)

// InBatch is the copy of a message that belongs to a batch.
func InBatch(m *nats.Msg, id string, n int) *nats.Msg { return inBatch(m, id, n) }

// PlainAck reads an answer without a decoder, or leaves it to one.
func PlainAck(data []byte) (Ack, bool) { return plainAck(data) }

// Decode reads an answer with the decoder.
func Decode(data []byte) (Ack, error) {
	a, err := decode(data)
	return Ack{Stream: a.Stream, Seq: a.Seq}, err
}
