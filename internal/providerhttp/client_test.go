package providerhttp_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
)

func TestCreate_WithoutGuardSendsNothing(t *testing.T) {
	t.Parallel()
	w := serveWire(t, say(okAnswer))
	_, err := newClient(t, longTimeout).Create(t.Context(), post(w.URL))
	mustFail(t, err, providers.Retryable, providers.CodeNotSent)
	if w.conns.Load() != 0 {
		t.Error("a connection was opened for a request that may never be sent")
	}
}

func TestCreate_RefusingGuardLetsNoByteOut(t *testing.T) {
	t.Parallel()
	tooOld := errors.New("the permit is too old")
	for _, warm := range []bool{false, true} {
		t.Run(fmt.Sprintf("reused=%v", warm), func(t *testing.T) {
			t.Parallel()
			w := serveWire(t, say(okAnswer))
			c := newClient(t, longTimeout)
			if warm {
				if _, err := c.Read(t.Context(), post(w.URL)); err != nil {
					t.Fatal(err)
				}
			}
			before := w.bytes.Load()
			ctx := providers.WithSendGuard(t.Context(), func() error { return tooOld })
			_, err := c.Create(ctx, post(w.URL))
			mustFail(t, err, providers.Retryable, providers.CodeNotSent)
			if !errors.Is(err, tooOld) {
				t.Errorf("%v does not say why the guard refused", err)
			}
			// The refused connection is closed by the client; a new request is the
			// proof that everything before it has been read by the server.
			if _, err := c.Create(allowed(t), post(w.URL)); err != nil {
				t.Fatal(err)
			}
			if got := w.bytes.Load() - before; got > 400 {
				t.Errorf("%d bytes arrived, more than one request", got)
			}
			if want := w.requests.Load(); want != map[bool]int64{false: 1, true: 2}[warm] {
				t.Errorf("%d requests arrived", want)
			}
		})
	}
}

func TestCreate_GuardIsAskedLastAndOnce(t *testing.T) {
	t.Parallel()
	w := serveWire(t, say(okAnswer))
	var asked atomic.Int64
	ctx := providers.WithSendGuard(t.Context(), func() error {
		asked.Add(1)
		if w.bytes.Load() != 0 {
			return errors.New("bytes went out before the guard was asked")
		}
		return nil
	})
	r := post(w.URL)
	r.Body = []byte(strings.Repeat("x", 64<<10)) // several writes
	if _, err := newClient(t, longTimeout).Create(ctx, r); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 1 || w.requests.Load() != 1 {
		t.Errorf("guard asked %d times, %d requests, want 1 and 1", asked.Load(), w.requests.Load())
	}
}

func TestCreate_AfterSendingEveryFailureIsAmbiguous(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		answer func(net.Conn, int64) bool
		code   string
	}{
		{"reset", reset, providers.CodeConnectionReset},
		{"closed", sayAndClose(""), providers.CodeConnectionReset},
		{"closed in the status line", sayAndClose("HTTP/1.1 20"), providers.CodeConnectionReset},
		{"not HTTP", sayAndClose("CANARY\r\n\r\n"), providers.CodeConnectionReset},
		{"bad header", sayAndClose("HTTP/1.1 200 OK\r\nCANARY\r\n\r\n"), providers.CodeConnectionReset},
		{"endless header", sayAndClose("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 200<<10) + "\r\n\r\n"), providers.CodeConnectionReset},
		{"truncated body", sayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":1"), providers.CodeUnreadable},
		{"bad chunk", sayAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nCANARY\r\n{}"), providers.CodeUnreadable},
		{"cut chunk", sayAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{}"), providers.CodeUnreadable},
		{"huge body", sayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat(" ", 300000)), providers.CodeUnreadable},
		{"other protocol", sayAndClose("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: CANARY\r\n\r\n"), providers.CodeUnreadable},
	}
	for _, reused := range []bool{false, true} {
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s/reused=%v", c.name, reused), func(t *testing.T) {
				t.Parallel()
				var warm int64
				if reused {
					warm = 1
				}
				w := serveWire(t, func(conn net.Conn, n int64) bool {
					if n <= warm {
						return say(okAnswer)(conn, n)
					}
					return c.answer(conn, n)
				})
				client := newClient(t, longTimeout)
				if reused {
					if _, err := client.Read(t.Context(), post(w.URL)); err != nil {
						t.Fatal(err)
					}
				}
				_, err := client.Create(allowed(t), post(w.URL))
				mustFail(t, err, providers.Ambiguous, c.code)
				if strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "127.0.0.1") {
					t.Errorf("%q repeats what the server sent, or the URL", err)
				}
				if got := w.requests.Load() - warm; got != 1 {
					t.Errorf("the server counted %d requests, want 1", got)
				}
			})
		}
	}
}

func TestCreate_IdempotencyHeadersAndEmptyBodiesAreNotSentTwice(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := serveWire(t, func(c net.Conn, n int64) bool {
				if n == 1 {
					return say(okAnswer)(c, n)
				}
				return reset(c, n)
			})
			c := newClient(t, longTimeout)
			r := post(w.URL)
			r.Method, r.Body = method, nil
			r.Header = http.Header{"Idempotency-Key": {"k"}, "X-Idempotency-Key": {"k"}}
			if _, err := c.Create(allowed(t), r); err != nil {
				t.Fatal(err)
			}
			_, err := c.Create(allowed(t), r)
			mustFail(t, err, providers.Ambiguous, providers.CodeConnectionReset)
			if got := w.requests.Load(); got != 2 {
				t.Errorf("the server counted %d requests, want 2: net/http sent one again", got)
			}
		})
	}
}

func TestCreate_DeadlineIsTotal(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"no answer":   "",
		"no body":     "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
		"half a body": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":",
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := serveWire(t, say(text))
			_, err := newClient(t, shortTimeout).Create(allowed(t), post(w.URL))
			e := mustFail(t, err, providers.Ambiguous, providers.CodeTimeout)
			if !errors.Is(e, context.DeadlineExceeded) {
				t.Errorf("%v does not wrap the deadline", err)
			}
		})
	}
}

func TestCreate_DripOfBytesDoesNotExtendTheDeadline(t *testing.T) {
	t.Parallel()
	s := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	})
	_, err := newClient(t, shortTimeout).Create(allowed(t), post(s.URL))
	mustFail(t, err, providers.Ambiguous, providers.CodeTimeout)
}

func TestCreate_CancelAfterSendingIsAmbiguous(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(allowed(t))
	defer cancel()
	w := serveWire(t, func(net.Conn, int64) bool { cancel(); return true })
	_, err := newClient(t, longTimeout).Create(ctx, post(w.URL))
	mustFail(t, err, providers.Ambiguous, providers.CodeConnectionReset)
}

func TestCreate_CancelBeforeSendingIsNotSent(t *testing.T) {
	t.Parallel()
	w := serveWire(t, say(okAnswer))
	ctx, cancel := context.WithCancel(allowed(t))
	cancel()
	_, err := newClient(t, longTimeout).Create(ctx, post(w.URL))
	mustFail(t, err, providers.Retryable, providers.CodeNotSent)
	if w.requests.Load() != 0 {
		t.Error("a request arrived")
	}
}

func TestCreate_WithoutConnectionIsNotSent(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	plain := serveHTTP(t, func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") })
	unknownCA := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") }))
	t.Cleanup(unknownCA.Close)
	unknownCA.Config.ErrorLog = nil
	cases := map[string]string{
		"refused":           "http://" + closed,
		"no TLS there":      strings.Replace(plain.URL, "http://", "https://", 1),
		"unknown authority": unknownCA.URL,
		"not a URL":         "http://127.0.0.1:port/CANARY",
		"no host":           "http:///CANARY",
	}
	for name, url := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, longTimeout).Create(allowed(t), post(url))
			mustFail(t, err, providers.Retryable, providers.CodeNotSent)
			if strings.Contains(err.Error(), "CANARY") {
				t.Errorf("%q holds the URL", err)
			}
		})
	}
}

func TestCreate_WorksAboveTLSWithTheGuard(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.ProtoMajor != 1 {
			t.Errorf("spoke %s", r.Proto)
		}
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := providerhttp.New(providerhttp.Config{Name: "shop", Timeout: longTimeout, RootCAs: roots})
	t.Cleanup(c.Close)

	refuse := providers.WithSendGuard(t.Context(), func() error { return errors.New("no") })
	_, err := c.Create(refuse, post(s.URL))
	mustFail(t, err, providers.Retryable, providers.CodeNotSent) // the handshake is not the request
	if res, err := c.Create(allowed(t), post(s.URL)); err != nil || res.Status != 200 {
		t.Fatalf("got %v, %v", res, err)
	}
	if requests.Load() != 1 {
		t.Errorf("%d requests arrived, want 1", requests.Load())
	}
}

func TestCreate_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	for _, code := range []int{301, 302, 303, 307, 308} {
		var requests atomic.Int64
		s := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			http.Redirect(w, r, "/elsewhere", code)
		})
		res, err := newClient(t, longTimeout).Create(allowed(t), post(s.URL))
		if err != nil || res.Status != code || requests.Load() != 1 {
			t.Errorf("%d: got %v, %v after %d requests", code, res, err, requests.Load())
		}
	}
}

func TestCreate_AnswerThatCameWithoutARequestIsNoAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, okAnswer)
		}
	}()
	ctx := providers.WithSendGuard(t.Context(), func() error { return errors.New("no") })
	for range 50 {
		_, err = newClient(t, longTimeout).Create(ctx, post("http://"+l.Addr().String()))
		mustFail(t, err, providers.Retryable, providers.CodeNotSent)
	}
}
