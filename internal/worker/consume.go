package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/logkey"
)

// consume reads one consumer until ctx ends. A gated consumer is read only
// while the lane is open, and message by message while it is being probed.
func (w *Worker) consume(ctx, work context.Context, c jetstream.Consumer, gated bool) error {
	slots := make(chan struct{}, w.o.MaxInFlight)
	w.consuming.Add(1)
	defer w.consuming.Add(-1)
	for ctx.Err() == nil {
		err := w.consumeWhileOpen(ctx, work, c, slots, gated)
		if err != nil && ctx.Err() == nil {
			w.log.Warn().Err(err).Str(logkey.Consumer, c.CachedInfo().Name).Msg("reading commands was interrupted")
			pause(ctx, time.Second)
		}
	}
	return nil
}

// consumeWhileOpen reads until ctx ends, reading fails, or the lane closes.
func (w *Worker) consumeWhileOpen(ctx, work context.Context, c jetstream.Consumer, slots chan struct{}, gated bool) error {
	open, cancel := context.WithCancel(ctx)
	defer cancel()
	if gated {
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
	it, err := c.Messages(jetstream.PullMaxMessages(w.o.MaxInFlight))
	if err != nil {
		return err
	}
	// Drain, not Stop: what is buffered here is still handed out, so that it can
	// be given back at once instead of after AckWait.
	stopDrain := context.AfterFunc(open, it.Drain)
	defer stopDrain()
	for {
		msg, err := it.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue // the client pulls again by itself
		}
		if err != nil {
			it.Stop()
			return err
		}
		select {
		case <-open.Done():
			w.giveBack(msg)
			continue
		case slots <- struct{}{}:
		}
		w.busy.Go(func() {
			defer func() { <-slots }()
			w.handle(work, msg, false)
		})
	}
}

// probe takes one place command while the lane is closed and its time is over,
// and lets the answer decide whether the lane opens.
func (w *Worker) probe(ctx, work context.Context, c jetstream.Consumer) error {
	batch, err := c.Fetch(1, jetstream.FetchMaxWait(w.o.Times.PollFirst+100*time.Millisecond))
	if err != nil {
		return err
	}
	for msg := range batch.Messages() {
		if ctx.Err() != nil || !w.lane.tryProbe(ctx) {
			w.giveBack(msg)
			continue
		}
		var done sync.WaitGroup
		w.busy.Add(1)
		done.Go(func() {
			defer w.busy.Done()
			w.handle(work, msg, true)
			w.lane.endProbe(work)
		})
		done.Wait()
	}
	return batch.Error()
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
