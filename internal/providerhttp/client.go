package providerhttp

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/providers"
)

// MaxBody is the greatest answer that is read. A longer one is unreadable.
const MaxBody = 256 << 10

// ErrTooLong is inside the error of an answer that is longer than that.
var ErrTooLong = fmt.Errorf("the body is longer than %d bytes", MaxBody)

const (
	maxResponseHeader = 64 << 10
	maxIdlePerHost    = 128
	// idleTimeout is shorter than the keep-alive of common servers (5 s and up):
	// a request written to a connection that the server is just closing is lost
	// with its outcome unknown, so we close first.
	idleTimeout    = 4 * time.Second
	defaultTimeout = 20 * time.Second
)

// The methods of a [Call].
const (
	MethodRead   = "read"
	MethodCreate = "create"
)

// Answered is the class of a [Call] whose answer was read completely, whatever
// it says.
const Answered = "answered"

// Config configures a [Client].
type Config struct {
	Name    string            // the provider, such as "gamesdrop"
	Timeout time.Duration     // of one request, the body included; 0 is 20 s
	Limiter ratelimit.Limiter // where reading requests take their permits
	Observe func(Call)        // called once for each request; may be nil
	RootCAs *x509.CertPool    // nil: the system's
}

// Call is what an observer is told of a request.
type Call struct {
	Op       string
	Method   string // MethodRead or MethodCreate
	Status   int    // of HTTP; 0 where there was no answer
	Class    string // Answered, or the class of the error
	Duration time.Duration
	Sent     bool
}

// Request is one request.
type Request struct {
	Op          string // names the endpoint in errors, such as "gamesdrop.create_order"
	Method, URL string
	Header      http.Header
	Body        []byte
	ContentType string
	Disclose    *Disclosure // what a record may show of the bodies; nil for nothing
}

// Response is an answer that was read completely.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Client sends requests to one provider. It is safe for concurrent use.
type Client struct {
	cfg       Config
	transport *http.Transport
	dial      *dialer
}

// New returns a client. It opens no connection.
func New(cfg Config) *Client {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	dial := &dialer{timeout: cfg.Timeout, roots: cfg.RootCAs}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // HTTP/2 shares connections: no Write would belong to one request
	return &Client{cfg: cfg, dial: dial, transport: &http.Transport{
		Proxy:                  nil,
		DialContext:            dial.plain,
		DialTLSContext:         dial.tls,
		Protocols:              protocols,
		DisableCompression:     true, // no gzip bombs: what is counted is what was sent
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
	}}
}

// Close closes the idle connections.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.dial.spares.close()
}

// Read sends a request that changes nothing at the provider. It takes a permit
// first, for the use that ctx bears (see ratelimit.WithUse), and waits for one
// until ctx ends.
func (c *Client) Read(ctx context.Context, r Request) (*Response, error) {
	if c.cfg.Limiter == nil {
		return nil, c.unsent(r, MethodRead, errors.New("no limiter is configured"))
	}
	if mutant.Is("M10") {
		return c.send(ctx, r, MethodRead, func() error { return nil })
	}
	permit, err := c.cfg.Limiter.Take(ctx, ratelimit.UseOf(ctx))
	if err != nil {
		return nil, c.unsent(r, MethodRead, fmt.Errorf("no permit: %w", scrub(err)))
	}
	return c.send(ctx, r, MethodRead, permit.Check)
}

// Create sends a request that may buy something. It needs a guard in ctx and
// takes no permit: the worker took it before the intent, and the guard checks
// it. At most one request leaves, whatever happens to the connection.
func (c *Client) Create(ctx context.Context, r Request) (*Response, error) {
	guard := providers.SendGuard(ctx)
	if guard == nil {
		return nil, c.unsent(r, MethodCreate, errNoGuard)
	}
	return c.send(ctx, r, MethodCreate, guard)
}

// send sends r once. The guard is asked just before the first byte is written.
func (c *Client) send(ctx context.Context, r Request, method string, guard func() error) (*Response, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	x := &exchange{ctx: ctx, guard: guard, method: method}
	res, err := c.roundTrip(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: x.attach}), r)

	// From here on nothing more can be written for this request, so what is
	// said about it stays true.
	sent, refused := x.conclude()
	if sent {
		failpoint.HitOf("http.answer", method)
	}
	call := Call{Op: r.Op, Method: method, Class: Answered, Sent: sent}
	var failure *providers.Error
	switch {
	case !sent:
		// An "answer" that came without a request is not an answer.
		failure = notSent(r.Op, refused, err)
	case err != nil:
		failure = lost(r.Op, ctx, err)
	}
	if failure != nil {
		if mutant.Is("M13") {
			failure.Message = fmt.Sprint(failure.Message, " ", r.Header, " ", string(r.Body))
		}
		if res != nil && sent {
			failure.HTTPStatus = res.Status
		}
		call.Class = failure.Class.String()
	}
	if res != nil && sent {
		call.Status = res.Status
	}
	call.Duration = time.Since(start)
	c.observe(call)
	j := journal{request: r, method: method, sent: x.sentAt, over: time.Now(), failure: failure}
	if sent {
		j.answer = res
	}
	providers.RecorderOf(ctx).Add(j.record)
	if failure != nil {
		return nil, failure
	}
	return res, nil
}

// roundTrip sends one request and reads the whole answer. With an error of the
// body it returns what is known of the answer as well.
func (c *Client) roundTrip(ctx context.Context, r Request) (*Response, error) {
	req, err := newRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	// The transport itself, not http.Client: there is no code that could follow
	// a redirect and send the body a second time.
	answer, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if to := answer.Header.Get("Location"); to != "" && mutant.Is("M19") {
		r.URL = to
		return c.roundTrip(ctx, r)
	}
	res := &Response{Status: answer.StatusCode, Header: answer.Header}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return res, &bodyError{errors.New("the server switched protocols")}
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, MaxBody+1))
	switch {
	case err != nil:
		return res, &bodyError{err}
	case len(body) > MaxBody:
		return res, &bodyError{ErrTooLong}
	}
	res.Body = body
	return res, nil
}

// newRequest builds the request so that net/http has nothing to send it again
// with: no GetBody, and none of the headers that declare a POST repeatable.
func newRequest(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader
	if len(r.Body) > 0 {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return nil, errors.New("the request cannot be built") // the cause would quote the URL
	}
	if !mutant.Is("M15") {
		req.GetBody = nil
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	req.Header.Del("Idempotency-Key")
	req.Header.Del("X-Idempotency-Key")
	if mutant.Is("M15") {
		req.Header.Set("Idempotency-Key", "1")
	}
	if r.ContentType != "" {
		req.Header.Set("Content-Type", r.ContentType)
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	return req, nil
}

func (c *Client) observe(call Call) {
	if c.cfg.Observe != nil {
		c.cfg.Observe(call)
	}
}

// unsent reports a request that was given up before it was begun.
func (c *Client) unsent(r Request, method string, cause error) *providers.Error {
	e := notSent(r.Op, cause, nil)
	c.observe(Call{Op: r.Op, Method: method, Class: e.Class.String()})
	return e
}
