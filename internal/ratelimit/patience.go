package ratelimit

import (
	"context"
	"sync/atomic"
	"time"
)

// Patience bounds how long the reading requests of a context wait for their
// permits, apart from how long they wait for their answers.
type Patience struct {
	wait time.Duration
	over atomic.Bool
}

// Over reports whether a permit was waited for in vain.
func (p *Patience) Over() bool { return p.over.Load() }

type patienceKey struct{}

// WithPatience returns a context whose reading requests wait for a permit no
// longer than wait. It bounds a [Patient] limiter only.
func WithPatience(ctx context.Context, wait time.Duration) (context.Context, *Patience) {
	p := &Patience{wait: wait}
	return context.WithValue(ctx, patienceKey{}, p), p
}

// Patient returns the limiter, heeding [WithPatience].
func Patient(l Limiter) Limiter { return patient{l} }

type patient struct{ Limiter }

// Take waits for a permit until ctx, or its patience, ends.
func (l patient) Take(ctx context.Context, use Use) (Permit, error) {
	p, _ := ctx.Value(patienceKey{}).(*Patience)
	if p == nil {
		return l.Limiter.Take(ctx, use)
	}
	short, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	permit, err := l.Limiter.Take(short, use)
	if err != nil && ctx.Err() == nil {
		p.over.Store(true)
	}
	return permit, err
}
