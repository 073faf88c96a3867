package dispatcher

import (
	"context"
	"sync"
	"time"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
)

// pressure decides whether orders are taken. It closes the intake while too
// many place commands wait for a provider, and for some seconds after the
// ledger had no room.
//
// It stops pulling rather than putting messages back: a hundred thousand
// delayed messages would hold places in the consumer and cost the server time,
// and ORDERS is where upstream sees the pressure. Cancels and confirmations,
// which stand in the same stream, are taken past the consumer meanwhile (aside.go).
type pressure struct {
	d *Dispatcher

	mu      sync.Mutex
	backlog map[messages.Provider]uint64 // as the server said
	since   map[messages.Provider]uint64 // sent after it was asked
	over    map[messages.Provider]bool
	full    time.Time     // until then the ledger is taken to be full
	changed chan struct{} // closed and replaced when the intake opens or closes
}

func newPressure(d *Dispatcher) *pressure {
	return &pressure{
		d: d, changed: make(chan struct{}), backlog: make(map[messages.Provider]uint64),
		since: make(map[messages.Provider]uint64), over: make(map[messages.Provider]bool),
	}
}

func (p *pressure) openLocked() bool { return len(p.over) == 0 && p.full.IsZero() }

// update runs f and tells those who wait if it opened or closed the intake.
func (p *pressure) update(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.openLocked()
	f()
	if p.openLocked() != before {
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

func (p *pressure) look() (open bool, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.openLocked(), p.changed
}

// waitOpen returns when orders may be taken, or false when ctx has ended.
func (p *pressure) waitOpen(ctx context.Context) bool { return p.wait(ctx, true) }

// waitClosed returns when no orders may be taken, or false when ctx has ended.
func (p *pressure) waitClosed(ctx context.Context) bool { return p.wait(ctx, false) }

func (p *pressure) wait(ctx context.Context, open bool) bool {
	for ctx.Err() == nil {
		is, changed := p.look()
		if is == open {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return false
}

// whileOpen returns a context that ends when no more orders may be taken.
func (p *pressure) whileOpen(ctx context.Context) (context.Context, context.CancelFunc) {
	open, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		for open.Err() == nil {
			isOpen, changed := p.look()
			if !isOpen {
				return
			}
			select {
			case <-changed:
			case <-open.Done():
			}
		}
	}()
	return open, cancel
}

// sent counts a place command that the last answer cannot have counted.
func (p *pressure) sent(provider messages.Provider) {
	p.update(func() {
		p.since[provider]++
		p.judgeLocked(provider)
	})
}

// judgeLocked compares one provider's backlog with the limit. Both edges are logged.
func (p *pressure) judgeLocked(provider messages.Provider) {
	waiting := p.backlog[provider] + p.since[provider]
	over := waiting > uint64(p.d.o.PlaceBacklogMax) //nolint:gosec // never negative
	if over == p.over[provider] {
		return
	}
	if over {
		p.over[provider] = true
		p.d.metrics.paused.WithLabelValues(string(provider)).Set(1)
		p.d.log.Warn().Str(logkey.Provider, string(provider)).Uint64(logkey.Count, waiting).
			Msg("too many orders wait to be placed; no more are taken")
		return
	}
	delete(p.over, provider)
	p.d.metrics.paused.WithLabelValues(string(provider)).Set(0)
	p.d.log.Info().Str(logkey.Provider, string(provider)).Uint64(logkey.Count, waiting).
		Msg("fewer orders wait to be placed; they are taken again")
}

// noRoom closes the intake for a while. Every order that tries afterwards
// finds out whether there is room by itself, so nothing has to be asked.
func (p *pressure) noRoom(err error) {
	p.update(func() {
		if p.full.IsZero() {
			p.d.metrics.full.Set(1)
			p.d.log.Error().Err(err).Msg("the ledger has no room; orders are not taken until it has: raise EVENTS_MAX_BYTES")
		}
		p.full = time.Now().Add(p.d.pace.room)
	})
}

// watch looks at the backlogs until ctx ends.
func (p *pressure) watch(ctx context.Context) {
	for {
		for _, provider := range messages.Providers() {
			p.poll(ctx, provider)
		}
		p.update(func() {
			if !p.full.IsZero() && time.Now().After(p.full) {
				p.full = time.Time{}
				p.d.metrics.full.Set(0)
				p.d.log.Info().Msg("taking orders again, to see whether the ledger has room")
			}
		})
		if !pause(ctx, p.d.pace.pressure) {
			return
		}
	}
}

// poll asks for one backlog. While the server does not answer, the last figure
// and our own count stand, so that the count can only be too high.
func (p *pressure) poll(ctx context.Context, provider messages.Provider) {
	p.mu.Lock()
	counted := p.since[provider] // before the question, so that the answer has it all
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.d.o.HandleFor)
	defer cancel()
	n, err := p.d.queue.PlaceBacklog(ctx, provider)
	if err != nil {
		if ctx.Err() == nil {
			p.d.log.Warn().Err(err).Str(logkey.Provider, string(provider)).Msg("backlog was not measured")
		}
		return
	}
	p.update(func() {
		p.backlog[provider] = n
		p.since[provider] -= counted
		p.judgeLocked(provider)
	})
	p.d.metrics.backlog.WithLabelValues(string(provider)).Set(float64(n))
}
