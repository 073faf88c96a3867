package app

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"github.com/synadia-io/orbit.go/natscontext"

	"github.com/beltline-io/beltline/internal/logkey"
)

// waitLine is how often a program says that it is still waiting for NATS.
const waitLine = 10 * time.Second

// Connect opens a connection by settings. It returns an error only for what
// waiting cannot mend, such as a context that does not exist; a server that
// cannot be reached is for the options to decide.
func Connect(n NATS, name string, opts ...nats.Option) (*nats.Conn, jetstream.JetStream, error) {
	// What cannot be sent now must fail now. The client would keep it and send it
	// once it is connected again, when its caller has long given up: an intent
	// that is stored after its worker has let go of the order looks like the
	// intent of a worker that died, and leaves a doubt to an operator.
	opts = append([]nats.Option{nats.Name(name), nats.ReconnectBufSize(-1)}, opts...)
	if n.InboxPrefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(n.InboxPrefix))
	}
	prefix, domain := n.APIPrefix, ""
	var nc *nats.Conn
	var err error
	if n.Context != "" {
		var settings natscontext.Settings
		nc, settings, err = natscontext.Connect(n.Context, opts...)
		if prefix == "" {
			prefix, domain = settings.JSAPIPrefix, settings.JSDomain
		}
	} else {
		if n.Creds != "" {
			opts = append(opts, nats.UserCredentials(n.Creds))
		}
		nc, err = nats.Connect(n.URL.Reveal(), opts...)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("connect to NATS: %w", err)
	}
	js, err := openJetStream(nc, prefix, domain)
	if err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("open JetStream: %w", err)
	}
	return nc, js, nil
}

// errLoaded stops a connection before it is begun.
var errLoaded = errors.New("loaded")

// loadContext reads a context and the files that it names, and connects to
// nothing: options are applied in their order, and the last of them refuses.
func loadContext(name string) error {
	_, _, err := natscontext.Connect(name, func(o *nats.Options) error {
		if o.UserJWT != nil {
			if _, err := o.UserJWT(); err != nil {
				return err
			}
		}
		return errLoaded
	})
	if errors.Is(err, errLoaded) {
		return nil
	}
	return err
}

func openJetStream(nc *nats.Conn, prefix, domain string) (jetstream.JetStream, error) {
	switch {
	case prefix != "":
		return jetstream.NewWithAPIPrefix(nc, prefix)
	case domain != "":
		return jetstream.NewWithDomain(nc, domain)
	default:
		return jetstream.New(nc)
	}
}

// watcher follows the life of a connection: log, metrics, readiness.
type watcher struct {
	log       zerolog.Logger
	metrics   connMetrics
	ready     *Component
	connected chan struct{} // closed at the first connection
	lost      chan error    // gets the reason when the client gave up for good

	mu       sync.Mutex
	once     sync.Once
	closing  atomic.Bool
	lastLine time.Time
}

func newWatcher(log zerolog.Logger, m connMetrics, ready *Component) *watcher {
	return &watcher{log: log, metrics: m, ready: ready, connected: make(chan struct{}), lost: make(chan error, 1)}
}

// options makes the client wait for ever, and say so.
func (w *watcher) options() []nats.Option {
	return []nats.Option{
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(time.Second),
		nats.ReconnectJitter(500*time.Millisecond, time.Second),
		nats.ConnectHandler(w.up("connected to NATS")),
		nats.ReconnectHandler(w.up("reconnected to NATS")),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { w.waiting(err) }),
		nats.DisconnectErrHandler(w.down),
		nats.ErrorHandler(w.failed),
		nats.ClosedHandler(w.closed),
	}
}

func (w *watcher) up(msg string) nats.ConnHandler {
	return func(nc *nats.Conn) {
		w.metrics.connected.Set(1)
		w.ready.Ready()
		w.log.Info().Str(logkey.URL, nc.ConnectedUrlRedacted()).Msg(msg)
		w.once.Do(func() { close(w.connected) })
	}
}

// waiting says that no server was reached, at most once every waitLine.
func (w *watcher) waiting(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); now.Sub(w.lastLine) >= waitLine {
		w.lastLine = now
		w.log.Warn().Err(err).Msg("NATS was not reached, trying on")
	}
}

func (w *watcher) down(_ *nats.Conn, err error) {
	w.metrics.connected.Set(0)
	w.ready.NotReady("not connected to NATS")
	if err != nil { // nil when we closed it ourselves
		w.metrics.disconnects.Inc()
		w.log.Warn().Err(err).Msg("connection to NATS was lost")
	}
}

func (w *watcher) failed(_ *nats.Conn, sub *nats.Subscription, err error) {
	w.metrics.errors.Inc()
	line := w.log.Warn().Err(err)
	if sub != nil {
		line = line.Str(logkey.Subject, sub.Subject)
	}
	line.Msg("NATS reported an error")
}

// end closes the connection on purpose.
func (w *watcher) end(nc *nats.Conn) {
	w.closing.Store(true)
	nc.Close()
}

// closed hears that the client gave up, which it does when the server refuses
// the credentials twice. Waiting would be for nothing.
func (w *watcher) closed(nc *nats.Conn) {
	if w.closing.Load() {
		return
	}
	err := nc.LastError()
	if err == nil {
		err = errors.New("connection closed")
	}
	select {
	case w.lost <- fmt.Errorf("NATS: %w", err):
	default:
	}
}
