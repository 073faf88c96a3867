package topology

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
)

// closedLimit is the limit of a permit stream that grants nothing while any
// permit lives.
const closedLimit = 1

// widen makes the window of a permit stream longer without an overrun. The
// stream remembers the permits of its present window only, so nobody knows how
// many requests the longer one holds already. Nothing is granted until that
// window has passed; then the new limit may follow.
//
// A setup that dies in between leaves the stream closed, which the next one
// takes up.
func (b *builder) widen(ctx context.Context, want jetstream.StreamConfig) error {
	if !isPermits(want) {
		return nil
	}
	info := new(jetstream.StreamInfo)
	err := b.try(ctx, func(ctx context.Context) error {
		s, err := b.js.Stream(ctx, want.Name)
		if err == nil {
			info = s.CachedInfo()
		}
		return err
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	have, idle := info.Config, info.TimeStamp.Sub(info.State.LastTime)
	closed := have.MaxMsgs == closedLimit && want.MaxMsgs > closedLimit && have.MaxAge == want.MaxAge
	if have.MaxMsgs < 1 || !closed && have.MaxAge >= want.MaxAge {
		return nil
	}
	if info.State.LastSeq == 0 || idle > want.MaxAge {
		return nil // the longer window is empty as well
	}
	if !closed {
		if err := b.shut(ctx, have, want); err != nil {
			return err
		}
	}
	if b.progress != nil {
		b.progress(fmt.Sprintf("stream %s gets a longer window: nothing is granted for up to %s, until the requests of the old limit have left it",
			want.Name, want.MaxAge))
	}
	if err := b.drained(ctx, want.Name); err != nil {
		return err
	}
	b.until = time.Now().Add(settleTime) // the wait was on purpose
	return nil
}

// shut makes a permit stream refuse everything while a permit of the longer
// window lives.
func (b *builder) shut(ctx context.Context, have, want jetstream.StreamConfig) error {
	return b.try(ctx, func(ctx context.Context) error {
		// One more permit, or a refusal because there are as many as there may
		// be: from now on at least one lives.
		failpoint.Hit("setup.shut.before")
		_, _ = b.js.Publish(ctx, want.Subjects[0], []byte(`{"use":"setup"}`))
		shut, _ := mergeStream(have, want)
		shut.MaxMsgs = closedLimit
		_, err := b.js.UpdateStream(ctx, shut)
		failpoint.Hit("setup.shut.after")
		return err
	})
}

// drained waits until no permit of the old limit lives. Those that wait for one
// take the closed limit's single permit whenever it frees, so an empty stream
// may never be seen: a whole window is enough.
func (b *builder) drained(ctx context.Context, name string) error {
	var end time.Time // by the server's clock
	for {
		timed, cancel := context.WithTimeout(ctx, requestTimeout)
		s, err := b.js.Stream(timed, name)
		cancel()
		if err != nil {
			return err
		}
		i := s.CachedInfo()
		if end.IsZero() {
			end = i.TimeStamp.Add(i.Config.MaxAge)
		}
		left := end.Sub(i.TimeStamp)
		if i.State.Msgs == 0 || left <= 0 {
			return nil
		}
		select {
		case <-time.After(min(left, longPause)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
