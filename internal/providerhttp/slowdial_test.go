package providerhttp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/providers"
)

// slowListener lets connections wait before anything is read from them, as a
// long way to the provider makes a handshake wait.
type slowListener struct {
	net.Listener
	wait time.Duration
}

type slowConn struct {
	net.Conn
	ready <-chan time.Time
}

func (c *slowConn) Read(b []byte) (int, error) {
	if c.ready != nil {
		<-c.ready
		c.ready = nil
	}
	return c.Conn.Read(b)
}

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slowConn{Conn: c, ready: time.After(l.wait)}, nil
}

// shortlived grants permits that grow old before such a handshake is over.
type shortlived struct{ maxAge time.Duration }

func (l shortlived) Take(context.Context, ratelimit.Use) (ratelimit.Permit, error) {
	return ratelimit.Permit{Granted: time.Now(), MaxAge: l.maxAge}, nil
}

// What a stale permit kept a request from is a connection for the next one, and
// for no longer than the client lives.
func TestCreate_AConnectionThatAStalePermitLeftUnusedServesTheNext(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	w := serveWire(t, func(c net.Conn, _ int64) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		return true
	})
	closing := closingServer(t, ended)
	c := newClient(t, longTimeout)
	stale := providers.WithSendGuard(t.Context(), func() error { return ratelimit.ErrStale })
	for _, url := range []string{w.URL, closing} {
		if _, err := c.Create(stale, post(url)); !errors.Is(err, ratelimit.ErrStale) {
			t.Fatal(err)
		}
	}
	if _, err := c.Create(allowed(t), post(w.URL)); err != nil {
		t.Fatal(err)
	}
	if n, sent := w.conns.Load(), w.requests.Load(); n != 1 || sent != 1 {
		t.Errorf("%d connections and %d requests, want one of each", n, sent)
	}
	c.Close()
	select {
	case <-ended:
	case <-time.After(longTimeout):
		t.Error("a connection that was kept outlives its client")
	}
}

// closingServer accepts one connection and says when it has ended.
func closingServer(t *testing.T, ended chan<- struct{}) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		defer close(ended)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(io.Discard, c)
	}()
	return "http://" + l.Addr().String()
}

// Where every handshake takes longer than a permit may grow old, requests are
// sent all the same.
func TestCreate_BehindASlowHandshakeTheNextAttemptIsSent(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("{}"))
	}))
	s.Listener = slowListener{s.Listener, 2 * time.Second}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	l := shortlived{time.Second}
	c := providerhttp.New(providerhttp.Config{Name: "shop", Timeout: longTimeout, Limiter: l, RootCAs: roots})
	t.Cleanup(c.Close)

	var err error
	for range 5 {
		p, _ := l.Take(t.Context(), ratelimit.ForPlace)
		_, err = c.Create(providers.WithSendGuard(t.Context(), p.Check), post(s.URL))
		if err == nil {
			return
		}
		if !errors.Is(err, ratelimit.ErrStale) {
			t.Fatal(err)
		}
	}
	t.Errorf("nothing is ever sent: %v", err)
}
