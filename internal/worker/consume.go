package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/logkey"
)

// consume reads one consumer until ctx ends. A gated consumer is read only
// while the lane is open, and message by message while it is being probed.
func (w *Worker) consume(ctx, work context.Context, c jetstream.Consumer, gated bool) {
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
}

// consumeWhileOpen reads until ctx ends, reading fails, or the lane closes; or
// until as many commands wait here as may be worked on, and then until none
// waits any more.
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
	// Drain, not Stop: what is buffered is still handed out, so that it can be
	// given back at once instead of after its ack wait.
	stopDrain := context.AfterFunc(open, it.Drain)
	defer stopDrain()
	q := &line{Worker: w, slots: slots, open: open, work: work}
	for {
		msg, err := it.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			q.entering.Wait()
			return nil
		}
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue // the client pulls again by itself
		}
		if err != nil {
			it.Stop()
			return err
		}
		if q.join(msg) >= w.o.MaxInFlight {
			it.Drain() // enough; what is on the way is still taken in
		}
	}
}

// line is where commands wait for a slot. They are in hand while they wait: a
// command that lay in the client's buffer unknown to the server would be
// delivered again after its ack wait, and prepared twice.
type line struct {
	*Worker
	slots      chan struct{}
	open, work context.Context
	waiting    atomic.Int64
	entering   sync.WaitGroup // of those that wait
}

// join takes a command in and returns how many wait.
func (q *line) join(msg jetstream.Msg) int {
	waiting := q.waiting.Add(1)
	q.entering.Add(1)
	q.inHand.add(msg)
	q.busy.Go(func() {
		defer q.inHand.remove(msg)
		entered := q.enter()
		q.waiting.Add(-1)
		q.entering.Done()
		if !entered {
			q.giveBack(msg)
			return
		}
		defer func() { <-q.slots }()
		q.handle(q.work, msg, false)
	})
	return int(waiting)
}

// enter waits for a slot; false when nothing more is begun.
func (q *line) enter() bool {
	select {
	case <-q.open.Done():
		return false
	case q.slots <- struct{}{}:
	}
	if q.open.Err() != nil { // both were ready
		<-q.slots
		return false
	}
	return true
}

// probe takes place commands one by one while the lane is closed and its time
// is over, until an answer of the provider decides whether the lane opens. Most
// of the queue's head may be leftovers of orders that have ended meanwhile;
// with one of them a probe has found out nothing, and goes on.
func (w *Worker) probe(ctx, work context.Context, c jetstream.Consumer) error {
	for probing := false; ; probing = true {
		msg, err := w.fetchOne(ctx, c)
		if err != nil || msg == nil {
			if probing {
				w.lane.endProbe(work)
			}
			return err
		}
		if !probing && !w.lane.tryProbe(ctx) {
			w.giveBack(msg)
			pause(ctx, w.lane.first/4) // what the other writes is about to be seen here
			return nil
		}
		more := make(chan bool, 1)
		w.busy.Go(func() { more <- w.probeWith(work, msg) })
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
	w.inHand.add(msg)
	defer w.inHand.remove(msg)
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
