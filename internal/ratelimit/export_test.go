package ratelimit

import (
	"context"
	"time"
)

// Seams of the tests: a fence and a book of their own.
type (
	FenceState struct {
		Limit, Live int
		Life        time.Duration
		LastSeq     uint64
		Oldest, Now time.Time
	}
	Note  = note
	Fence interface {
		Publish(ctx context.Context, n Note) (seq uint64, granted bool, err error)
		State(ctx context.Context) (FenceState, error)
		Call(n Note)
		Follow(heard func(n Note, seq uint64)) (stop func(), err error)
	}
)

const GreatestAge = greatestAge

type seam struct{ Fence }

func (f seam) publish(ctx context.Context, n note) (uint64, bool, error) { return f.Publish(ctx, n) }

func (f seam) state(ctx context.Context) (fenceState, error) {
	s, err := f.State(ctx)
	return fenceState{limit: s.Limit, live: s.Live, life: s.Life, lastSeq: s.LastSeq, oldest: s.Oldest, now: s.Now}, err
}

func (f seam) call(n note) { f.Call(n) }

func (f seam) follow(heard func(note, uint64)) (func(), error) { return f.Follow(heard) }

// NewOver returns a limiter over a fence of the test.
func NewOver(f Fence, o Options) *Shared { return newShared(seam{f}, o) }

// Turns is the order of the replicas as one of them knows it.
type Turns struct{ t turns }

// NewTurns returns what a replica knows at first.
func NewTurns(self string) *Turns { return &Turns{turns{self: self}} }

// MayCall says whether it is to call, and notes that it does.
func (t *Turns) MayCall(now time.Time) bool { return t.t.mayCall(now) }

// Called takes in a call.
func (t *Turns) Called(by string) { t.t.called(by) }

// Passed takes in a turn.
func (t *Turns) Passed(n Note) { t.t.passed(n) }

// Take takes a turn and wants another.
func (t *Turns) Take() []string { return t.t.take(true) }

// First is whose turn it is.
func (t *Turns) First() string { return t.t.order[0] }
