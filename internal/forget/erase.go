package forget

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/pkg/messages"
)

// MetaErasedTo is the key of the metadata of EVENTS that says up to which
// sequence of a tombstone erased events are counted in fence.MetaErased. It is
// written together with that count: so a run that goes on after another one
// knows whether what it still has to erase was counted.
const MetaErasedTo = "beltline.erased_to"

// once bounds one request to the server.
const once = 10 * time.Second

// counter is what the metadata of the stream says was erased.
type counter struct{ erased, to uint64 }

func counterOf(meta map[string]string) counter {
	read := func(key string) uint64 {
		n, err := strconv.ParseUint(meta[key], 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	return counter{read(fence.MetaErased), read(MetaErasedTo)}
}

// erase takes all events before their tombstones out of the ledger. The rows
// must be all that are forgotten and not erased, in the order of the tombstones:
// what is counted up to the last of them is counted.
func (e *Eraser) erase(ctx context.Context, rows []*row) (erased uint64, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	if err := e.announce(ctx, rows); err != nil {
		return 0, err
	}
	for _, r := range rows {
		if err := e.eraseOne(ctx, r); err != nil {
			return erased, fmt.Errorf("events of %s/%s: %w", r.tenant, r.id, err)
		}
		erased += uint64(len(r.seqs))
	}
	e.o.at("erased")
	return erased, e.insist(ctx) // setup may have written over it what it had read before
}

// announce counts what is about to be erased, so that nobody takes it for lost.
func (e *Eraser) announce(ctx context.Context, rows []*row) error {
	e.o.at("announce")
	if err := e.lease.check(ctx); err != nil {
		return err
	}
	info, err := e.info(ctx)
	if err != nil {
		return err
	}
	e.count = counterOf(info.Config.Metadata)
	to := e.count.to
	for _, r := range rows {
		if r.tombstone > to {
			e.count.erased += uint64(len(r.seqs))
			e.count.to = max(e.count.to, r.tombstone)
		}
	}
	return e.insist(ctx)
}

// insist writes the count until it stands there. Whatever became of a request
// whose answer was lost, the count is the same: it is no sum.
func (e *Eraser) insist(ctx context.Context) error {
	var failed error
	for {
		info, err := e.info(ctx)
		if err != nil {
			return errors.Join(err, failed)
		}
		have := counterOf(info.Config.Metadata)
		if have.to >= e.count.to && have.erased >= e.count.erased {
			return nil
		}
		config := info.Config
		if config.Metadata == nil {
			config.Metadata = make(map[string]string)
		}
		config.Metadata[fence.MetaErased] = strconv.FormatUint(e.count.erased, 10)
		config.Metadata[MetaErasedTo] = strconv.FormatUint(e.count.to, 10)
		one, cancel := context.WithTimeout(ctx, once)
		failpoint.Hit("forget.announce.before")
		_, failed = e.js.UpdateStream(one, config)
		failpoint.Hit("forget.announce.after")
		cancel()
		if failed != nil && !pause(ctx, time.Second) {
			return errors.Join(context.Cause(ctx), failed)
		}
	}
}

// info asks for the stream as it is now, through short trouble.
func (e *Eraser) info(ctx context.Context) (info *jetstream.StreamInfo, err error) {
	for range 3 {
		one, cancel := context.WithTimeout(ctx, once)
		info, err = e.stream.Info(one)
		cancel()
		if err == nil || !pause(ctx, time.Second) {
			return info, err
		}
	}
	return nil, err
}

// eraseOne takes the events of one order out, and never its tombstone.
func (e *Eraser) eraseOne(ctx context.Context, r *row) error {
	if e.denied {
		e.o.at("erase")
		return e.again(ctx, func(ctx context.Context) error {
			failpoint.Hit("forget.purge.before")
			err := e.stream.Purge(ctx, jetstream.WithPurgeSubject(messages.OrderEvents(r.tenant, r.id)), jetstream.WithPurgeSequence(r.tombstone))
			failpoint.Hit("forget.purge.after")
			return err
		})
	}
	for _, seq := range r.seqs {
		e.o.at("erase")
		err := e.again(ctx, func(ctx context.Context) error {
			failpoint.Hit("forget.erase.before")
			err := e.stream.SecureDeleteMsg(ctx, seq)
			failpoint.Hit("forget.erase.after")
			if err == nil {
				return nil
			}
			if _, gone := e.stream.GetMsg(ctx, seq); errors.Is(gone, jetstream.ErrMsgNotFound) {
				return nil // erased before, and the answer was lost
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// again repeats what may be repeated without harm.
func (e *Eraser) again(ctx context.Context, do func(context.Context) error) (err error) {
	for range 3 {
		one, cancel := context.WithTimeout(ctx, once)
		err = do(one)
		cancel()
		if err == nil || !pause(ctx, time.Second) {
			return err
		}
	}
	return err
}

// pause waits for t and reports whether ctx is still alive.
func pause(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
