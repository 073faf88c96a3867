package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// floorFor is how long an answer about a consumer is good for: whoever asks for
// thousands of orders in a row asks for few consumers.
const floorFor = time.Second

// floor is up to where a consumer has done with its commands.
type floor struct {
	seq uint64
	at  time.Time
}

// ghost reports whether a command lies in the stream that its consumer has done
// with: nobody will ever be given it. So it is where the end of the stream was
// lost, and with it what the server had noted of the removal of commands.
func (q *Queue) ghost(ctx context.Context, p messages.Provider, m *jetstream.RawStreamMsg) (bool, error) {
	address, err := messages.ParseCommandSubject(m.Subject)
	if err != nil {
		return false, nil // a timer: it belongs to no consumer
	}
	name := p.FollowConsumer()
	if address.Verb == messages.Place {
		name = p.PlaceConsumer()
	}
	seq, err := q.doneUpTo(ctx, name)
	return m.Sequence <= seq, err
}

func (q *Queue) doneUpTo(ctx context.Context, consumer string) (uint64, error) {
	q.mu.Lock()
	known, ok := q.floors[consumer]
	q.mu.Unlock()
	if ok && time.Since(known.at) < floorFor {
		return known.seq, nil
	}
	now := time.Now()
	c, err := q.js.Consumer(ctx, messages.StreamCommands, consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, nil // setup makes it anew, and it is given all that there is
	}
	if err != nil {
		return 0, fmt.Errorf("consumer %s: %w", consumer, err)
	}
	info := c.CachedInfo()
	known = floor{seq: info.AckFloor.Stream, at: now}
	if info.NumAckPending == 0 {
		known.seq = max(known.seq, info.Delivered.Stream)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.floors == nil {
		q.floors = make(map[string]floor)
	}
	q.floors[consumer] = known
	return known.seq, nil
}
