package providerhttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/ratelimit"
)

// Reasons why a write is refused. They never leave a request half sent: a
// refused write hands over no byte.
var (
	errNoGuard    = errors.New("no send guard: nothing may be created")
	errNoExchange = errors.New("the connection belongs to no request")
	errOver       = errors.New("the request was given up before it was sent")
	errSecondTime = errors.New("the request has been sent on another connection")
)

// exchange is one request's right to write. It outlives no request: once
// concluded it lets nothing through, even if net/http's writer comes late.
type exchange struct {
	ctx    context.Context
	guard  func() error
	method string

	mu      sync.Mutex
	over    bool
	refused error // why the first write was refused
	sentOn  *conn // where the first write was let through
	sentAt  time.Time
}

// attach gives the connection to this exchange. net/http calls it when it has
// chosen a connection, before it writes.
func (x *exchange) attach(info httptrace.GotConnInfo) {
	if c, ok := info.Conn.(*conn); ok {
		c.exchange.Store(x)
	}
}

// allow decides whether bytes may be written to c. The first write is what
// asks the guard, and what marks the request as sent: a byte handed to the
// connection may arrive, whatever the connection says afterwards.
func (x *exchange) allow(c *conn) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.sentOn == c && !x.over:
		return nil
	case x.sentOn != nil && x.sentOn != c && !mutant.Is("M15") && !mutant.Is("M19"):
		return errSecondTime
	case x.refused != nil:
		return x.refused
	case x.over:
		return errOver
	}
	if err := x.ctx.Err(); err != nil {
		x.refused = err
		return err
	}
	if err := x.guard(); err != nil {
		x.refused = err
		return err
	}
	x.sentOn, x.sentAt = c, time.Now()
	return nil
}

// conclude ends the exchange and reports whether anything was sent, and if
// not, why a write was refused.
func (x *exchange) conclude() (sent bool, refused error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	return x.sentOn != nil, x.refused
}

// conn is a connection that writes only for the exchange it was given to. It
// lies above TLS, so that a handshake is not taken for a request.
type conn struct {
	net.Conn
	exchange atomic.Pointer[exchange]
	spares   *spares // takes it over if it was dialled in vain; may be nil
	dialled  string  // what the dialer was asked for

	reading sync.Mutex // held by a Read
	used    atomic.Bool
	inVain  atomic.Bool // a permit that had grown old kept a request from it
	kept    atomic.Bool // it is with the spares, and no longer net/http's
}

// Write writes b if the exchange allows it, and nothing otherwise.
func (c *conn) Write(b []byte) (int, error) {
	x := c.exchange.Load()
	if x == nil {
		return 0, errNoExchange
	}
	if err := x.allow(c); err != nil {
		if errors.Is(err, ratelimit.ErrStale) {
			c.inVain.Store(true)
		}
		return 0, err
	}
	c.used.Store(true)
	// The guard has let it go, and not one byte has left.
	failpoint.HitOf("http.write.before", x.method)
	n, err := c.Conn.Write(b)
	failpoint.HitOf("http.write.after", x.method)
	return n, err
}

// dialer opens connections. net/http lets a dial outlive its request, so it
// needs a time-out of its own.
type dialer struct {
	timeout time.Duration
	roots   *x509.CertPool
	spares  spares
}

func (d *dialer) open(ctx context.Context, network, addr string) (net.Conn, error) {
	return (&net.Dialer{Timeout: d.timeout}).DialContext(ctx, network, addr)
}

func (d *dialer) plain(ctx context.Context, network, addr string) (net.Conn, error) {
	key := "plain " + network + " " + addr
	if spare := d.spares.take(key); spare != nil {
		return d.wrap(spare, key), nil
	}
	raw, err := d.open(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return d.wrap(raw, key), nil
}

func (d *dialer) wrap(raw net.Conn, key string) *conn {
	return &conn{Conn: raw, spares: &d.spares, dialled: key}
}

func (d *dialer) tls(ctx context.Context, network, addr string) (net.Conn, error) {
	key := "tls " + network + " " + addr
	if spare := d.spares.take(key); spare != nil {
		return d.wrap(spare, key), nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	raw, err := d.open(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(raw, &tls.Config{ServerName: host, RootCAs: d.roots, MinVersion: tls.VersionTLS12})
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return d.wrap(secured, key), nil
}
