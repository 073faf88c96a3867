package worker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/pull"
	"github.com/beltline-io/beltline/pkg/messages"
)

// consume reads one consumer until ctx ends. A gated consumer is read only
// while the lane is open, and message by message while it is being probed.
func (w *Worker) consume(ctx, work context.Context, c jetstream.Consumer, gated bool) {
	line := pull.NewLine(&w.inHand, w.o.MaxInFlight)
	if !gated {
		line.Express(ofCustomer, max(4*w.o.MaxInFlight, followAhead))
	}
	w.consuming.Add(1)
	defer w.consuming.Add(-1)
	for ctx.Err() == nil {
		err := w.consumeWhileOpen(ctx, work, c, line, gated)
		if err != nil && ctx.Err() == nil {
			w.log.Warn().Err(err).Str(logkey.Consumer, c.CachedInfo().Name).Msg("reading commands was interrupted")
			pause(ctx, time.Second)
			c = w.refind(ctx, c)
		}
	}
}

// followAhead is how many checks are held at least while they wait. A customer's
// request comes behind the checks in their common consumer, and is not to wait
// until they have got their permits.
const followAhead = 256

// ofCustomer reports whether a command is a request of the customer.
func ofCustomer(subject string) bool {
	address, err := messages.ParseCommandSubject(subject)
	return err == nil && (address.Verb == messages.Cancel || address.Verb == messages.Confirm)
}

// refind waits until a consumer is there, whoever has deleted it. Its commands
// lie in their stream meanwhile, and what is unfinished is driven again; but only
// setup may make it anew, so somebody must be told.
func (w *Worker) refind(ctx context.Context, c jetstream.Consumer) jetstream.Consumer {
	name := c.CachedInfo().Name
	for gone := false; ; pause(ctx, time.Second) {
		timed, cancel := context.WithTimeout(ctx, 5*time.Second)
		found, err := w.js.Consumer(timed, messages.StreamCommands, name)
		cancel()
		missing := errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound)
		switch {
		case missing && !gone && ctx.Err() == nil:
			gone = true
			w.missing.Add(1)
			defer w.missing.Add(-1)
			w.log.Error().Err(err).Str(logkey.Consumer, name).Msg("consumer of commands is missing; run `beltline setup`")
		case missing && ctx.Err() == nil:
		case err != nil: // no answer: reading finds out
			return c
		default:
			return found
		}
	}
}

// consumeWhileOpen reads until ctx ends, reading fails, or the lane closes.
func (w *Worker) consumeWhileOpen(ctx, work context.Context, c jetstream.Consumer, line *pull.Line, gated bool) error {
	open, cancel := context.WithCancel(ctx)
	defer cancel()
	if gated {
		if !w.o.Fence.Wait(ctx) {
			return nil
		}
		halted := context.AfterFunc(w.o.Fence.Halted(), cancel)
		defer halted()
		probe, ok := w.lane.wait(ctx)
		if !ok {
			return nil
		}
		if probe {
			return w.probe(ctx, work, c)
		}
		stop := context.AfterFunc(w.lane.closing(), cancel)
		defer stop()
	}
	return line.Read(open, w.js, c, func(msg jetstream.Msg) { w.handle(work, msg, false) })
}

// probe takes place commands one by one while the lane is closed and its time
// is over, until an answer of the provider decides whether the lane opens. Most
// of the queue's head may be leftovers of orders that have ended meanwhile;
// with one of them a probe has found out nothing, and goes on. Where there is no
// command, a lane that closed only because we had asked too often opens without.
func (w *Worker) probe(ctx, work context.Context, c jetstream.Consumer) error {
	for probing := false; ; probing = true {
		msg, err := w.fetchOne(ctx, c)
		if err != nil || msg == nil {
			switch {
			case probing:
				w.lane.endProbe(work)
			case err == nil:
				w.lane.rest(ctx)
			}
			return err
		}
		if !probing && !w.lane.tryProbe(ctx) {
			w.giveBack(msg)
			pause(ctx, w.lane.first/4) // what the other writes is about to be seen here
			return nil
		}
		more := make(chan bool, 1)
		w.inHand.Go(msg, func() { more <- w.probeWith(work, msg) })
		select {
		case <-ctx.Done():
			return nil // the call goes on, and ends the probe
		case goOn := <-more:
			if !goOn {
				return nil
			}
		}
	}
}

// probeWith works on one command of a probe, and reports whether the probe
// needs another.
func (w *Worker) probeWith(work context.Context, msg jetstream.Msg) (goOn bool) {
	w.handle(work, msg, true)
	if w.lane.probing() && w.stopping.Err() == nil {
		return true
	}
	w.lane.endProbe(work)
	return false
}

// fetchOne waits a little for one command; nil if there is none. It does not
// end with ctx, because a command that the server sends at that moment would
// lie idle for its ack wait.
func (w *Worker) fetchOne(ctx context.Context, c jetstream.Consumer) (jetstream.Msg, error) {
	batch, err := c.Fetch(1, jetstream.FetchMaxWait(min(w.lane.first, time.Second)))
	if err != nil {
		return nil, err
	}
	msg := <-batch.Messages()
	if msg != nil && ctx.Err() != nil {
		w.giveBack(msg)
		return nil, nil
	}
	return msg, batch.Error()
}

// giveBack returns a message that was not begun.
func (w *Worker) giveBack(msg jetstream.Msg) {
	if err := msg.Nak(); err != nil {
		w.log.Debug().Err(err).Msg("a command could not be given back; it returns after its ack wait")
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
