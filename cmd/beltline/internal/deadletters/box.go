package deadletters

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/pkg/messages"
)

// ErrNotFound is returned when there is no letter at a sequence.
var ErrNotFound = errors.New("no such dead letter")

const (
	bite      = 500              // letters asked for at once
	biteFor   = 5 * time.Second  // how long they may take
	idleFor   = 30 * time.Second // after that the server forgets a reader that died
	scanTries = 4                // in a row that brought nothing
)

// headerSize is what a message without its body bears instead.
const headerSize = "Nats-Msg-Size"

// Box is the stream of dead letters.
type Box struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	queue  *queue.Queue
}

// Open finds the stream.
func Open(ctx context.Context, js jetstream.JetStream) (*Box, error) {
	stream, err := js.Stream(ctx, messages.StreamDLQ)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("stream %s is missing: run `beltline setup`", messages.StreamDLQ)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", messages.StreamDLQ, err)
	}
	return &Box{js: js, stream: stream, queue: queue.New(js)}, nil
}

// Get reads one letter, with its body.
func (b *Box) Get(ctx context.Context, seq uint64) (*Letter, error) {
	m, err := b.stream.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("%w: %d", ErrNotFound, seq)
	}
	if err != nil {
		return nil, fmt.Errorf("dead letter %d: %w", seq, err)
	}
	l := newLetter(m.Sequence, m.Time, m.Subject, m.Header)
	l.Body, l.Size = m.Data, len(m.Data)
	return &l, nil
}

// Remove takes a letter out. secure: its bytes are overwritten, which takes the
// server longer. One that is gone already is no error.
func (b *Box) Remove(ctx context.Context, seq uint64, secure bool) error {
	remove := b.stream.DeleteMsg
	if secure {
		remove = b.stream.SecureDeleteMsg
	}
	if err := remove(ctx, seq); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("dead letter %d was not removed: %w", seq, err)
	}
	return nil
}

// Filter says which letters are meant; zero values mean all.
type Filter struct {
	Kind          Kind
	Tenant        string
	Provider      messages.Provider
	Reason        messages.Reason
	OrderID       string
	Since, Before time.Time
}

// Any reports whether the filter leaves out anything.
func (f Filter) Any() bool { return f != (Filter{}) }

// subjects are the subjects of the letters that are meant, for the server to
// pick. What it cannot see in a subject is left to fits.
func (f Filter) subjects() []string {
	last := "*"
	if f.Provider != "" {
		last = string(f.Provider)
	}
	var all []string
	for _, k := range Kinds() {
		switch {
		case f.Kind != "" && f.Kind != k, k == Orders && f.Provider != "":
		case k != Orders:
			all = append(all, "dlq."+string(k)+"."+last)
		case f.Tenant != "":
			all = append(all, messages.DeadOrders(f.Tenant))
		default:
			all = append(all, "dlq.orders.*")
		}
	}
	return all
}

func (f Filter) fits(l Letter) bool {
	return (f.Tenant == "" || l.Tenant() == f.Tenant || l.Subject == messages.DeadOrders(f.Tenant)) &&
		(f.Reason == "" || l.Reason == f.Reason) &&
		(f.OrderID == "" || l.OrderID == f.OrderID) &&
		(f.Since.IsZero() || !l.Time.Before(f.Since)) &&
		(f.Before.IsZero() || l.Time.Before(f.Before))
}

// Each tells of all letters that fit and were there when it began, the oldest
// first, without their bodies; until next returns false. left is how many may
// still come.
func (b *Box) Each(ctx context.Context, f Filter, next func(l Letter, left uint64) bool) error {
	if len(f.subjects()) == 0 {
		return nil // orders of a provider: no subject tells of them
	}
	r := reading{box: b, filter: f, next: next}
	for tries := 0; tries < scanTries; tries++ {
		before := r.last
		done, err := r.read(ctx)
		switch {
		case done:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case r.last > before:
			tries = 0
		}
		r.err = err
	}
	return fmt.Errorf("the dead letters could not be read on: %w", r.err)
}

// reading is one walk through the letters, by one consumer after the other: one
// that is cut off half-way is not trusted to deliver the rest.
type reading struct {
	box    *Box
	filter Filter
	next   func(Letter, uint64) bool
	last   uint64
	end    uint64 // no letter after that is told of
	err    error
}

func (r *reading) read(ctx context.Context) (done bool, err error) {
	if r.end == 0 {
		info, err := r.box.stream.Info(ctx)
		if err != nil {
			return false, err
		}
		r.end = info.State.LastSeq
	}
	config := jetstream.ConsumerConfig{
		FilterSubjects: r.filter.subjects(), AckPolicy: jetstream.AckNonePolicy, HeadersOnly: true,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: idleFor,
	}
	switch {
	case r.last > 0:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.last+1
	case !r.filter.Since.IsZero():
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &r.filter.Since
	}
	c, err := r.box.stream.CreateConsumer(ctx, config)
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), biteFor)
		defer cancel()
		_ = r.box.stream.DeleteConsumer(ctx, c.CachedInfo().Name) // else it ends by itself
	}()
	for left := c.CachedInfo().NumPending; left > 0; {
		got, rest, done, err := r.bite(c, left)
		if err != nil || done || got == 0 {
			return done, err
		}
		left = rest
	}
	return true, nil
}

// bite reads some letters.
func (r *reading) bite(c jetstream.Consumer, most uint64) (got int, left uint64, done bool, err error) {
	batch, err := c.Fetch(int(min(most, bite)), jetstream.FetchMaxWait(biteFor)) //nolint:gosec // small
	if err != nil {
		return 0, 0, false, err
	}
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return got, left, false, err
		}
		got++
		left, r.last = meta.NumPending, meta.Sequence.Stream
		if r.last > r.end || !r.filter.Before.IsZero() && !meta.Timestamp.Before(r.filter.Before) {
			return got, left, true, nil // times rise with the sequence
		}
		l := newLetter(r.last, meta.Timestamp, m.Subject(), m.Headers())
		l.Size, _ = strconv.Atoi(m.Headers().Get(headerSize))
		if r.filter.fits(l) && !r.next(l, left) {
			return got, left, true, nil
		}
	}
	return got, left, false, batch.Error()
}

// Collect returns the letters that fit, at most limit of them where that is not
// 0, and how many more there may be.
func (b *Box) Collect(ctx context.Context, f Filter, limit int, told func(found int, left uint64)) (all []Letter, more uint64, err error) {
	err = b.Each(ctx, f, func(l Letter, left uint64) bool {
		all, more = append(all, l), left
		if told != nil {
			told(len(all), left)
		}
		return limit == 0 || len(all) < limit
	})
	return slices.Clip(all), more, err
}
