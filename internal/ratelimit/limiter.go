package ratelimit

import (
	"context"
	"errors"
	"time"

	"github.com/beltline-io/beltline/internal/mutant"
)

// Margin is how much longer than its window a permit lives in its stream. The
// provider counts arrivals, which come later than grants: a request may arrive
// until Margin after its grant, and is still out of the window of the one that
// takes its place.
const Margin = 500 * time.Millisecond

// greatestAge is the age above which a permit is thrown away when its request
// is about to be written. It is less than Margin: the request still has its way
// to the provider before it.
const greatestAge = 400 * time.Millisecond

// ErrStale says that a permit grew too old before its request was written.
var ErrStale = errors.New("the permit grew too old before the request could be sent")

// Use says what a permit is for, and so who goes first.
type Use uint8

// The uses of a permit. A customer who confirms or cancels goes before all
// others. A create goes before the checks and prices that prepare other orders,
// so that a price is not old when it is paid. Polls and lookups get what is
// left, and always a share.
const (
	ForCheck Use = iota
	ForPrepare
	ForPlace
	ForCustomer
	uses
)

// String is the name that metrics and the permits themselves bear.
func (u Use) String() string {
	switch u {
	case ForPrepare:
		return "prepare"
	case ForPlace:
		return "place"
	case ForCustomer:
		return "customer"
	default:
		return "check"
	}
}

type useKey struct{}

// WithUse says what the reading requests made under ctx are for.
func WithUse(ctx context.Context, u Use) context.Context { return context.WithValue(ctx, useKey{}, u) }

// UseOf returns what ctx says the reading requests are for, or ForCheck.
func UseOf(ctx context.Context) Use {
	u, _ := ctx.Value(useKey{}).(Use)
	return u
}

// Permit allows one request. It is never given back: a crash burns it.
type Permit struct {
	// Granted is from before the permit was asked for, and so never after its
	// grant. It bears its monotonic clock reading.
	Granted time.Time
	MaxAge  time.Duration    // older than this it is thrown away unused
	used    func(fresh bool) // is told when it is used or thrown away; may be nil
}

// Fresh reports whether the permit may still be used at now. The wall clock is
// asked as well: the monotonic one stands still while a machine sleeps.
func (p Permit) Fresh(now time.Time) bool {
	return now.Sub(p.Granted) <= p.MaxAge && now.Round(0).Sub(p.Granted.Round(0)) <= p.MaxAge
}

// Check returns ErrStale for a permit that must not be used any more. It is to
// be asked once, at the last moment before the request is written: it counts
// the permits that are thrown away.
func (p Permit) Check() error {
	fresh := p.Fresh(time.Now()) || mutant.Is("M9")
	if p.used != nil {
		p.used(fresh)
	}
	if fresh {
		return nil
	}
	return ErrStale
}

// Limiter grants permits, waiting for them where it must.
type Limiter interface {
	// Take waits for a permit until ctx ends, and then returns its error.
	Take(ctx context.Context, use Use) (Permit, error)
}
