package worker

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/logkey"
)

// calm is how often as many as are let in at once must arrive in time before one
// more is. Each try at one too many costs the orders that are on the way with it.
const calm = 4

// passage is the stretch between a permit and the request that it allows: a
// write to the ledger and perhaps a handshake. A permit that grows old on it is
// lost, and so is the intent: the order is put off, and comes again with two
// events and a timer more than if it had waited. On a machine with too much to
// do that would feed itself: the more orders are on the passage at once, the
// longer each takes, until none arrives in time and all come again and again.
//
// So the passage narrows: each time a permit grew old on it half as many orders
// are let in at once, and one more after it has been filled and emptied in time a
// few times. One always is. The others wait before they take a permit.
//
// It decides nothing: whether a request may be sent is asked at the last moment
// and not here.
type passage struct {
	most int
	log  zerolog.Logger

	mu       sync.Mutex
	width    int // orders that are let in at once
	arrived  int // in time since the width last changed
	inside   int
	waiting  []chan struct{} // those that came first first; closed when let in
	narrowed time.Time       // when it last narrowed
}

func newPassage(most int, log zerolog.Logger) *passage {
	return &passage{most: most, width: most, log: log}
}

// crossing is one order on the passage. The zero value is none.
type crossing struct {
	p     *passage
	begun time.Time
}

// enter waits until there is room, or ctx ends.
func (p *passage) enter(ctx context.Context) (*crossing, error) {
	p.mu.Lock()
	if len(p.waiting) == 0 && p.inside < p.width {
		p.inside++
		p.mu.Unlock()
		return &crossing{p, time.Now()}, nil
	}
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return &crossing{p, time.Now()}, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.waiting {
		if w == turn {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return nil, ctx.Err()
		}
	}
	p.inside-- // it was let in at the same moment
	p.letIn()
	return nil, ctx.Err()
}

// letIn opens to those who wait, as far as there is room. The lock is held.
func (p *passage) letIn() {
	for len(p.waiting) > 0 && p.inside < p.width {
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
		p.inside++
	}
}

// arrive ends a crossing at the moment before the request: in time, or with a
// permit that had grown old. Only the first end counts.
func (c *crossing) arrive(inTime bool) {
	c.end(func(p *passage) {
		switch {
		case inTime && p.width < p.most:
			if p.arrived++; p.arrived >= calm*p.width {
				p.width, p.arrived = p.width+1, 0
			}
		case !inTime && c.begun.After(p.narrowed): // those who were let in before tell of a width that is no more
			p.width, p.arrived, p.narrowed = max(p.width/2, 1), 0, time.Now()
			p.log.Warn().Int(logkey.Count, p.width).Msg("a permit grew old before its request could be sent; fewer orders are placed at once")
		}
	})
}

// leave ends a crossing that came to no request, if it has not ended yet.
func (c *crossing) leave() { c.end(func(*passage) {}) }

func (c *crossing) end(learn func(*passage)) {
	if c == nil || c.p == nil {
		return
	}
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.begun.IsZero() {
		return
	}
	p.inside--
	learn(p)
	c.begun = time.Time{}
	p.letIn()
}
