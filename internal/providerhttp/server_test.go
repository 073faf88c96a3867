package providerhttp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/providers"
)

const (
	// longTimeout is for requests that are answered; it never passes.
	longTimeout = 20 * time.Second
	// shortTimeout is for those that are not. It must be enough to send one on
	// a busy machine, or the failure would be not_sent.
	shortTimeout = 700 * time.Millisecond
)

// limiter grants permits at once and counts them.
type limiter struct {
	taken atomic.Int64
	age   time.Duration // how old a permit already is when it is granted
	block bool          // grant nothing until ctx ends
}

var _ ratelimit.Limiter = (*limiter)(nil)

func (l *limiter) Take(ctx context.Context, use ratelimit.Use) (ratelimit.Permit, error) {
	if use != ratelimit.ForCheck {
		return ratelimit.Permit{}, errors.New("a read must not take a permit for placing")
	}
	if l.block {
		<-ctx.Done()
		return ratelimit.Permit{}, ctx.Err()
	}
	l.taken.Add(1)
	return ratelimit.Permit{Granted: time.Now().Add(-l.age), MaxAge: 10 * time.Second}, nil
}

func newClient(t *testing.T, timeout time.Duration) *providerhttp.Client {
	t.Helper()
	c := providerhttp.New(providerhttp.Config{Name: "shop", Timeout: timeout, Limiter: &limiter{}})
	t.Cleanup(c.Close)
	return c
}

// allowed is a context in which creating is allowed.
func allowed(t *testing.T) context.Context {
	t.Helper()
	return providers.WithSendGuard(t.Context(), func() error { return nil })
}

func post(url string) providerhttp.Request {
	return providerhttp.Request{Op: "shop.buy", Method: http.MethodPost, URL: url, Body: []byte("apikey=CANARY"), ContentType: "application/x-www-form-urlencoded"}
}

// wire is a server on bare TCP that counts what reaches it.
type wire struct {
	URL      string
	requests atomic.Int64
	bytes    atomic.Int64
	conns    atomic.Int64
}

// serveWire answers every complete request with answer, which may do to the
// connection what it likes; n counts the requests of all connections from 1.
// The connection is closed when answer returns false.
func serveWire(t *testing.T, answer func(c net.Conn, n int64) bool) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{URL: "http://" + l.Addr().String()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.conns.Add(1)
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() { w.serve(c, answer) })
		}
	})
	return w
}

func (w *wire) serve(c net.Conn, answer func(c net.Conn, n int64) bool) {
	defer c.Close()
	r := bufio.NewReader(&counting{Reader: c, n: &w.bytes})
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		if !answer(c, w.requests.Add(1)) {
			return
		}
	}
}

type counting struct {
	io.Reader
	n *atomic.Int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// say answers with a text on the wire and keeps the connection open.
func say(text string) func(net.Conn, int64) bool {
	return func(c net.Conn, _ int64) bool {
		_, err := io.WriteString(c, text)
		return err == nil
	}
}

// sayAndClose answers with a text on the wire and closes the connection.
func sayAndClose(text string) func(net.Conn, int64) bool {
	return func(c net.Conn, _ int64) bool {
		_, _ = io.WriteString(c, text)
		return false
	}
}

func reset(c net.Conn, _ int64) bool {
	_ = c.(*net.TCPConn).SetLinger(0)
	return false
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

func serveHTTP(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// mustFail checks class and code of a failure.
func mustFail(t *testing.T, err error, class providers.Class, code string) *providers.Error {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *providers.Error", err)
	}
	if e.Class != class || e.Code != code {
		t.Fatalf("got %v, want %v %s", err, class, code)
	}
	return e
}
