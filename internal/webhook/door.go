package webhook

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Ledger is what the door needs of the ledger: it cannot write to it.
type Ledger interface {
	Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error)
}

// Queue is what the door needs of the queue.
type Queue interface {
	Send(ctx context.Context, p messages.Provider, v messages.Verb, c messages.Command) error
	Bury(ctx context.Context, subject string, body []byte, reason messages.Reason, cause, origin, orderID string) error
}

// Options configure a [Door]. All are required unless said otherwise.
type Options struct {
	Provider messages.Provider
	// Addr is where the door listens.
	Addr string
	// PublicURL is how the provider reaches it. It may have a path.
	PublicURL string
	// Secrets are the keys of the tokens: the first makes them, all are
	// accepted. To replace a key, put the new one before the old one, and leave
	// that out when no order made under it can be called back for any more.
	Secrets []secret.String
	// Renewed returns the keys as they are now, where they can be replaced while
	// the door is open; nil: they stay what Secrets says.
	Renewed func() []secret.String
	// Verify checks the provider's own signature, where it has one. contentType
	// is the bare media type, of a form or of JSON. Any error means that the
	// provider did not send this; its text goes nowhere.
	Verify func(body []byte, contentType string) (Callback, error)
	// Limits bound the door; what is zero has a default.
	Limits Limits
	Log    zerolog.Logger
	// Registerer takes the door's metrics; nil for none.
	Registerer prometheus.Registerer
	// Now is the clock; nil for the system's.
	Now func() time.Time
}

// Callback is what a verifier has read of a genuine callback.
type Callback struct {
	// Fields may be stored; nothing else of the body is.
	Fields map[string]string
	// Sent is when the provider says that it sent this; zero where it says
	// nothing of it. Only a time that the signature covers belongs here.
	Sent time.Time
	// After is a time before which it cannot have been sent, such as that of the
	// latest thing that it tells of; zero where it names none.
	After time.Time
}

// misdated reports whether the callback bears a time that cannot be its own: it
// was sent more than skew ago, or tells of what is yet to come.
func (c Callback) misdated(now time.Time, skew time.Duration) bool {
	return !c.Sent.IsZero() && now.Sub(c.Sent).Abs() > skew || c.After.Sub(now) > skew
}

// Limits bound what callers can use of the process.
type Limits struct {
	Connections int   // open at once (256)
	HeaderBytes int   // of one request (8 KiB; the server adds 4)
	BodyBytes   int64 // of one request (64 KiB)

	Header time.Duration // to send the headers (2 s)
	Body   time.Duration // to send all of a request (5 s)
	Idle   time.Duration // between two requests (30 s)
	Store  time.Duration // to store a callback; then it is answered with 503 (10 s)

	Stranger Rate // requests of one peer without a valid token (5 each second, 50 at once)
	Peer     Rate // callbacks from one peer (50 each second, 200 at once)
	Order    Rate // callbacks for one order (1 each 3 s, 20 at once)

	Skew    time.Duration // between the provider's clock and ours (5 min)
	Repeats time.Duration // how long an equal callback is not stored again (1 min)
	Tracked int           // peers and orders that are remembered (8192 of each)
}

func (l Limits) withDefaults() Limits {
	or(&l.Connections, 256)
	or(&l.HeaderBytes, 8<<10)
	or(&l.BodyBytes, 64<<10)
	or(&l.Header, 2*time.Second)
	or(&l.Body, 5*time.Second)
	or(&l.Idle, 30*time.Second)
	or(&l.Store, 10*time.Second)
	or(&l.Stranger, Rate{Every: 200 * time.Millisecond, Burst: 50})
	or(&l.Peer, Rate{Every: 20 * time.Millisecond, Burst: 200})
	or(&l.Order, Rate{Every: 3 * time.Second, Burst: 20})
	or(&l.Skew, 5*time.Minute)
	or(&l.Repeats, time.Minute)
	or(&l.Tracked, 8192)
	return l
}

func or[T comparable](v *T, fallback T) {
	var zero T
	if *v == zero {
		*v = fallback
	}
}

// Door receives the callbacks of one provider.
type Door struct {
	o      Options
	ledger Ledger
	queue  Queue

	public, prefix string // the public URL and its path, without a slash at the end
	keys           keyring
	strangers      *limiter
	peers, orders  *limiter
	memory         *memory
	metrics        *metrics
	log            zerolog.Logger

	mu      sync.Mutex
	address string // where it listens; empty while it does not
}

// New joins the parts of a door. It does not listen before Run.
func New(l Ledger, q Queue, o Options) (*Door, error) {
	public, err := checked(o)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Renewed == nil {
		o.Renewed = func() []secret.String { return o.Secrets }
	}
	o.Limits = o.Limits.withDefaults()
	return &Door{
		o: o, ledger: l, queue: q,
		public: strings.TrimRight(public.String(), "/"), prefix: strings.TrimRight(public.Path, "/"),
		keys:      newKeyring(o.Provider, o.Renewed),
		strangers: newLimiter(o.Limits.Stranger, o.Limits.Tracked),
		peers:     newLimiter(o.Limits.Peer, o.Limits.Tracked),
		orders:    newLimiter(o.Limits.Order, o.Limits.Tracked),
		memory:    newMemory(o.Limits.Repeats, o.Limits.Tracked, o.Now),
		metrics:   newMetrics(o.Registerer, o.Provider),
		log:       o.Log.With().Str(logkey.Provider, string(o.Provider)).Logger(),
	}, nil
}

// checked refuses options with which the door would be open to everybody, or
// to nobody. Its errors show no secret and no URL.
func checked(o Options) (*url.URL, error) {
	if !o.Provider.Known() {
		return nil, fmt.Errorf("unknown provider %q", o.Provider)
	}
	if len(o.Secrets) == 0 {
		return nil, errors.New("no secret to make tokens with")
	}
	for _, s := range o.Secrets {
		if s.Empty() {
			return nil, errors.New("an empty secret: anybody could make its tokens")
		}
	}
	if o.Verify == nil {
		return nil, errors.New("nothing to verify callbacks with")
	}
	u, err := url.Parse(o.PublicURL)
	if err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http") ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.RawPath != "" {
		return nil, errors.New("the public URL is not of the form https://host/path")
	}
	return u, nil
}

// Address is where the door listens, empty while it does not.
func (d *Door) Address() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.address
}

func (d *Door) setAddress(a string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.address = a
}

// Ready returns nil while the door listens.
func (d *Door) Ready() error {
	if d.Address() == "" {
		return errors.New("not listening for callbacks")
	}
	return nil
}

// Run listens until ctx ends, and then until the callbacks in hand are stored
// and answered.
func (d *Door) Run(ctx context.Context) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", d.o.Addr)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it began
		}
		return fmt.Errorf("webhook: listen on %s: %w", d.o.Addr, err)
	}
	if d.keys.short() {
		d.log.Warn().Msg("secret of the callback addresses has fewer than 16 bytes; whoever finds it can send callbacks")
	}
	server := d.server()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(limit(listener, d.o.Limits.Connections, d.metrics.open)) }()
	d.setAddress(listener.Addr().String())
	defer d.setAddress("")
	d.log.Info().Str(logkey.Addr, listener.Addr().String()).Msg("door for callbacks opened")

	select {
	case err := <-ended:
		return fmt.Errorf("webhook: serve: %w", err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.o.Limits.Body+d.o.Limits.Store)
	defer cancel()
	if server.Shutdown(patience) != nil {
		_ = server.Close() // what is cut off here was not answered, and is sent again
	}
	<-ended
	d.log.Info().Msg("door for callbacks closed")
	return nil
}

func (d *Door) server() *http.Server {
	limits := d.o.Limits
	return &http.Server{
		Handler:           http.HandlerFunc(d.serve),
		ReadHeaderTimeout: limits.Header,
		ReadTimeout:       limits.Body,
		WriteTimeout:      limits.Body + limits.Store + limits.Header, // begins with the request, so it holds them all
		IdleTimeout:       limits.Idle,
		MaxHeaderBytes:    limits.HeaderBytes,
		ErrorLog:          log.New(serverLog{d.log}, "", 0),
	}
}

// serverLog takes what net/http itself has to say, such as that no connection
// can be accepted because the process has no more file descriptors.
type serverLog struct{ log zerolog.Logger }

// Write implements io.Writer.
func (s serverLog) Write(p []byte) (int, error) {
	s.log.Warn().Str(logkey.Reason, strings.TrimSpace(string(p))).Msg("http server reported")
	return len(p), nil
}
