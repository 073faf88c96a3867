package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/pkg/messages"
)

// A worker that dies takes all commands down that it has in hand, and nothing
// tells which of them killed it, if any did. So a command is blamed only for
// deaths at which it was worked on apart from other suspects, and there are two
// steps to that: of those that were there at one death few are worked on at one
// time, and those that were there at another death one by one. A command that
// kills is apart from all others after two such deaths, however many there
// were; those that are innocent pass, and are suspects no longer.
//
// Deliveries are not counted: commands are given back and delivered again in
// normal work.
const (
	// deadlyDeliveries is how many deaths a command is blamed for before it is set aside.
	deadlyDeliveries = 3
	// From this delivery on a command is suspect: its count is raised before it
	// is worked on and taken back after, so that a death leaves it raised.
	suspectDelivery = 4
)

// deaths are those of workers that had a command of the order in hand.
type deaths struct {
	among int // it was worked on among many suspects, or among few
	alone int // it was the only suspect, or it is known to have done it
}

// String is the value of an order's key.
func (d deaths) String() string {
	if d.among == 0 {
		return strconv.Itoa(d.alone)
	}
	return strconv.Itoa(d.alone) + "+" + strconv.Itoa(d.among)
}

// deathsOf reads a value of a key. What cannot be read counts as none: it only
// takes longer.
func deathsOf(value string) deaths {
	alone, among, _ := strings.Cut(value, "+")
	var d deaths
	d.alone, _ = strconv.Atoi(alone)
	d.among, _ = strconv.Atoi(among)
	return d
}

// suspects keeps the counts in KV, where they survive the worker. They are
// counted by order and not by command, because an order that was placed goes
// on with another command, which meets the same fault.
type suspects struct {
	provider messages.Provider
	kv       jetstream.KeyValue
	few      chan struct{} // slots of those that were there at one death
	one      chan struct{} // the slot of those that were there at more
}

// newSuspects makes room for suspects where atOnce commands are worked on at one
// time: two deaths lead from all to a few to one, and they do so soonest where a
// few is the root of all.
func newSuspects(p messages.Provider, atOnce int) *suspects {
	few := 1
	for few*few < atOnce {
		few++
	}
	return &suspects{provider: p, few: make(chan struct{}, few), one: make(chan struct{}, 1)}
}

func (s *suspects) key(a messages.CommandAddress) string {
	return "suspect." + string(s.provider) + "." + a.Tenant + "." + a.OrderID
}

// stay is a command that is worked on.
type stay struct {
	suspects *suspects
	address  messages.CommandAddress
	was      deaths // before it was worked on
	revision uint64 // of what was written then; 0 where the command is no suspect
	slots    chan struct{}
	// tooOften: its order has killed its worker too often. Nothing is counted.
	tooOften bool
}

// enter is called before a command is worked on. Where too many suspects are
// worked on already it fails with *errLater: whoever waited here would keep
// others from their work.
func (s *suspects) enter(ctx context.Context, a messages.CommandAddress, meta *jetstream.MsgMetadata) (*stay, error) {
	in := &stay{suspects: s, address: a}
	if meta.NumDelivered < 2 {
		return in, nil
	}
	revision := uint64(0)
	var err error
	if in.was, revision, err = s.read(ctx, a); err != nil {
		return nil, err
	}
	if in.was.alone >= deadlyDeliveries {
		in.tooOften = true
		return in, nil
	}
	if meta.NumDelivered < suspectDelivery {
		return in, nil
	}
	raised := in.was
	switch {
	case in.was == deaths{}:
		raised.among++
	case in.was == deaths{among: 1}:
		raised.among++
		in.slots = s.few
	default:
		raised.alone++
		in.slots = s.one
	}
	if !in.take() {
		return nil, &errLater{soon(meta.NumDelivered), "other suspects come first"}
	}
	if in.revision, err = s.write(ctx, a, raised, revision); err != nil {
		in.free()
		if errors.Is(err, jetstream.ErrKeyExists) {
			return nil, &errLater{soon(meta.NumDelivered), "another delivery of the order is suspect too"}
		}
		return nil, err
	}
	return in, nil
}

// take takes a slot if there is one.
func (in *stay) take() bool {
	if in.slots == nil {
		return true
	}
	select {
	case in.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (in *stay) free() {
	if in.slots != nil {
		<-in.slots
	}
}

// soon is when a suspect that has to wait is delivered again: later each time,
// and never together with the others.
func soon(delivered uint64) time.Duration {
	const step, longest = 20 * time.Millisecond, time.Second
	d := min(time.Duration(min(delivered, 100))*step, longest) //nolint:gosec // at most 100
	return d/2 + time.Duration(rand.Int64N(int64(d)))          // #nosec G404 -- spreads load, guards nothing
}

// leave is called when the command is done with, and the worker lives. cleared:
// the order has come further than its deaths, so that they do not add up over
// the days in which it is watched, each time a worker dies of something else.
func (in *stay) leave(ctx context.Context, cleared bool) {
	if in.revision == 0 {
		return
	}
	defer in.free()
	if in.was == (deaths{}) || cleared {
		in.suspects.clear(ctx, in.address, jetstream.LastRevision(in.revision))
		return
	}
	_, _ = in.suspects.write(ctx, in.address, in.was, in.revision)
}

// blame counts a death by panic: it is known whose it was.
func (in *stay) blame(ctx context.Context) {
	was, revision := in.was, in.revision
	if revision == 0 {
		var err error
		if was, revision, err = in.suspects.read(ctx, in.address); err != nil {
			return // a lost count costs one more delivery
		}
	} else {
		defer in.free()
	}
	was.alone++
	_, _ = in.suspects.write(ctx, in.address, was, revision)
}

// forget is called when the order was set aside.
func (in *stay) forget(ctx context.Context) { in.suspects.clear(ctx, in.address) }

func (s *suspects) read(ctx context.Context, a messages.CommandAddress) (d deaths, revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	entry, err := s.kv.Get(ctx, s.key(a))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return deaths{}, 0, nil
	}
	if err != nil {
		return deaths{}, 0, err
	}
	return deathsOf(string(entry.Value())), entry.Revision(), nil
}

func (s *suspects) write(ctx context.Context, a messages.CommandAddress, d deaths, revision uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	failpoint.Hit("suspect.write.before")
	var err error
	if revision == 0 {
		revision, err = s.kv.Create(ctx, s.key(a), []byte(d.String()))
	} else {
		revision, err = s.kv.Update(ctx, s.key(a), []byte(d.String()), revision)
	}
	failpoint.Hit("suspect.write.after")
	return revision, err
}

// clear forgets the count. One that stays costs a look at the next delivery.
func (s *suspects) clear(ctx context.Context, a messages.CommandAddress, o ...jetstream.KVDeleteOpt) {
	failpoint.Hit("suspect.clear.before")
	_ = s.kv.Delete(ctx, s.key(a), o...)
	failpoint.Hit("suspect.clear.after")
}
