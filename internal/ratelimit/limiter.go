package ratelimit

import (
	"context"
	"time"
)

// Use says what a permit is for. Placing goes before checking.
type Use uint8

// The uses of a permit.
const (
	ForCheck Use = iota
	ForPlace
)

// Permit allows one request. It is never given back: a crash burns it.
type Permit struct {
	Granted time.Time     // with its monotonic clock reading
	MaxAge  time.Duration // older than this it is thrown away unused
}

// Fresh reports whether the permit may still be used at now.
func (p Permit) Fresh(now time.Time) bool { return now.Sub(p.Granted) <= p.MaxAge }

// Limiter grants permits, waiting for them where it must.
type Limiter interface {
	// Take waits for a permit until ctx ends, and then returns its error.
	Take(ctx context.Context, use Use) (Permit, error)
}
