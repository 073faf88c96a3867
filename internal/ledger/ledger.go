package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/groupcommit"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Errors that callers branch on.
var (
	// ErrConflict is returned by Append when the order's last event is not the
	// expected one: somebody else wrote. This event is not stored and never will be.
	ErrConflict = errors.New("the order has moved on")
	// ErrNotFound is returned by Last, At and History when there is no such
	// event. A server that is just closing its store may say so wrongly; the
	// compare-and-set of the next Append finds that out.
	ErrNotFound = errors.New("no such event")
	// ErrNoRoom is returned by Append when the stream has no room, or only the
	// room that is kept for outcomes. This event is not stored and never will be.
	ErrNoRoom = errors.New("no room in the ledger")
	// ErrUnknown is returned by Append when its context ended before the server
	// said whether the event is stored. It may be stored, or be stored later: to
	// find out, append the very same event again.
	ErrUnknown = errors.New("not known whether the event is stored")
	// ErrInvalid is returned by Append for an event that breaks the contract
	// (nothing was written), and by the reads for a stored message that is not
	// the event its subject promises.
	ErrInvalid = errors.New("not a valid event")
)

// Options changes how a ledger works. The zero value is fit for production.
type Options struct {
	// Log hears of what is retried. The zero value is silent.
	Log zerolog.Logger
	// Prefix of the JetStream API, where the account imports it under another
	// one than js was made with.
	Prefix string
	// FillInterval is how often the fill of the stream is looked up (1 s).
	FillInterval time.Duration
	// Timeout is how long one request waits for its answer at most before it is
	// repeated (4 s). The first waits a sixteenth of that, because a leader
	// that resigns drops what it is asked; each further one twice as long, because a
	// slow server is not helped by repetitions.
	Timeout time.Duration
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
}

// Entry is an event as it is stored.
type Entry struct {
	Seq    uint64 // in EVENTS; what the next Append expects
	Event  *messages.Event
	Stored time.Time // by the server's clock
	// Trace holds the headers of the trace that the event was written in; nil for
	// none, and where this process has written the event itself.
	Trace nats.Header
}

// Ledger appends events and reads them. It is safe for concurrent use; many
// appends share one connection, and none waits for another.
type Ledger struct {
	nc   *nats.Conn
	js   jetstream.JetStream
	opts Options
	api  string // prefix of the JetStream API, with its final dot

	metrics *metrics

	commits *groupcommit.Committer

	room room
	link link

	stop context.CancelFunc
	done sync.WaitGroup
}

// Open waits until EVENTS answers, or ctx ends. A stream that does not exist
// is an error at once (setup creates it). The ledger uses nc for its own
// requests and never closes it; Close ends the ledger's own goroutines.
func Open(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, o Options) (*Ledger, error) {
	if o.FillInterval <= 0 {
		o.FillInterval = time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 4 * time.Second
	}
	l := &Ledger{nc: nc, js: js, opts: o, api: apiPrefix(js, o.Prefix), metrics: newMetrics(o.Registerer)}
	l.commits = groupcommit.New(nc, l.request)
	background, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.link.watch(background, nc, &l.done)
	for wait := l.newBackoff(); ; {
		err := l.measure(ctx)
		if err == nil {
			break
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) || nc.IsClosed() || !wait.pause(ctx) {
			l.Close()
			return nil, fmt.Errorf("ledger: open %s: %w", messages.StreamEvents, err)
		}
		l.opts.Log.Warn().Err(err).Msg("events stream did not answer")
	}
	l.done.Go(func() { l.keepMeasuring(background) })
	return l, nil
}

func apiPrefix(js jetstream.JetStream, override string) string {
	o := js.Options()
	p := override
	switch {
	case p != "":
	case o.APIPrefix != "":
		p = o.APIPrefix
	case o.Domain != "":
		p = "$JS." + o.Domain + ".API"
	default:
		p = jetstream.DefaultAPIPrefix
	}
	return strings.TrimSuffix(p, ".") + "."
}

// Close ends the ledger's background work. Appends and reads that run go on.
func (l *Ledger) Close() {
	l.stop()
	l.done.Wait()
}

// link knows when the connection was lost, so that a request whose answer
// cannot come any more is given up at once and not after its time-out.
type link struct {
	mu   sync.Mutex
	down context.Context // ends when the connection is lost next
	lose context.CancelFunc
}

func (k *link) watch(ctx context.Context, nc *nats.Conn, done *sync.WaitGroup) {
	k.renew()
	lost := nc.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	done.Go(func() {
		defer nc.RemoveStatusListener(lost)
		for {
			select {
			case <-lost:
				k.renew()
			case <-ctx.Done():
				return
			}
		}
	})
}

func (k *link) renew() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lose != nil {
		k.lose()
	}
	k.down, k.lose = context.WithCancel(context.Background())
}

// bind returns a context for one request: it ends with ctx, after timeout, and
// when the connection is lost.
func (k *link) bind(ctx context.Context, timeout time.Duration) (context.Context, func()) {
	k.mu.Lock()
	down := k.down
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	unbind := context.AfterFunc(down, cancel)
	return ctx, func() { unbind(); cancel() }
}

// up reports whether a request would leave at once. While the client
// reconnects it would be buffered, and every repetition with it.
func up(nc *nats.Conn) bool {
	switch nc.Status() {
	case nats.CONNECTED, nats.DRAINING_SUBS, nats.DRAINING_PUBS:
		return true
	case nats.DISCONNECTED, nats.CLOSED, nats.RECONNECTING, nats.CONNECTING:
		return false
	default:
		return false
	}
}

// errOffline: nothing was sent. The client's own errors cannot say that: it
// uses the same ones for requests that were on their way.
var errOffline = errors.New("not connected")

// request sends msg and waits for one answer, until the connection is lost.
func (l *Ledger) request(ctx context.Context, msg *nats.Msg, patience time.Duration) (*nats.Msg, error) {
	if ctx.Err() != nil || !up(l.nc) {
		return nil, errOffline
	}
	ctx, release := l.link.bind(ctx, patience)
	defer release()
	return l.nc.RequestMsgWithContext(ctx, msg)
}

// backoff is the time between repetitions of one request: short first, since
// most trouble is an election, then longer, and never in step with others.
type backoff struct {
	next     time.Duration
	patience time.Duration // for the next request
	limit    time.Duration // of patience
}

const (
	firstPause   = 5 * time.Millisecond
	longestPause = 400 * time.Millisecond

	firstPatience = 16 // the part of Options.Timeout that the first request waits
)

func (l *Ledger) newBackoff() *backoff {
	return &backoff{next: firstPause, patience: l.opts.Timeout / firstPatience, limit: l.opts.Timeout}
}

// pause waits, and reports false if ctx ended first.
func (b *backoff) pause(ctx context.Context) bool {
	d := b.next/2 + rand.N(b.next) // #nosec G404 -- spreads load, guards nothing
	b.next, b.patience = min(2*b.next, longestPause), min(2*b.patience, b.limit)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
