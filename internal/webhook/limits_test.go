package webhook_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/webhook"
)

// request is a whole callback as it stands on the wire.
func request(path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, form, len(body), body)
}

func statusOf(t testing.TB, conn net.Conn) int {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(natstest.Patience)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	_ = resp.Body.Close() // not read to its end: a request that was refused unread ends in a reset
	return resp.StatusCode
}

// dial sends raw bytes, of which the door may refuse to read the rest.
func (d *running) dial(t testing.TB, raw []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", d.Address())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	go func() { _, _ = conn.Write(raw) }()
	return conn
}

// ended waits until the door has closed the connection without a word.
func ended(t testing.TB, conn net.Conn) {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(natstest.Patience)))
	rest, err := io.ReadAll(conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the connection was left open")
	}
	if strings.Contains(string(rest), "200 OK") {
		t.Errorf("answered %q", rest)
	}
}

func TestH8_BodiesAreLimited(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t)
	p := path(t, d.Door, "o-1")
	padded := func(total int) string {
		short := signed("success", "77", "skins", "")
		return strings.Replace(short, "skins=", "skins="+strings.Repeat("x", total-len(short)), 1)
	}
	d.post(t, p, padded(64<<10)).is(t, http.StatusOK)
	for name, raw := range map[string][]byte{
		"one byte more":   request(p, padded(64<<10+1)),
		"a megabyte":      request(p, padded(1<<20)),
		"a false length":  fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1073741824\r\n\r\nx", p, form),
		"no length given": chunked(p, padded(1<<20)),
	} {
		if got := statusOf(t, d.dial(t, raw)); got != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := r.commands(t, "o-1"); len(got) != 1 || len(got[0].Hint) > webhook.MaxHintBytes {
		t.Errorf("%d commands", len(got))
	}
}

func chunked(path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", path, form, len(body), body)
}

func TestH8_OnlyPOSTOnEveryPathAlike(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t)
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "post"} {
		for _, p := range []string{path(t, d.Door, "o-1"), "/", "/hook/skinsback/acme/o-1/x"} {
			a := d.do(t, method, p, form, "")
			if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
				t.Errorf("%s %s: %d, Allow %q", method, p, a.status, a.header.Get("Allow"))
			}
		}
	}
	if len(r.commands(t, "o-1")) != 0 {
		t.Error("something was stored")
	}
}

func TestH8_OnlyFormsAndJSON(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	kinds := make(chan string, 9)
	d := r.open(t, func(o *webhook.Options) {
		o.Verify = func(_ []byte, kind string) (webhook.Callback, error) { kinds <- kind; return webhook.Callback{}, nil }
	})
	p := path(t, d.Door, "o-1")
	for _, kind := range []string{
		"", "text/plain", "multipart/form-data", "multipart/mixed; boundary=x", "application/xml", "application/jsonp", "text/json",
		"application/x-www-form-urlencoded, text/html", "application/json; charset", "*/*", "application/octet-stream",
	} {
		if a := d.do(t, http.MethodPost, p, kind, "x"); a.status != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d", kind, a.status)
		}
	}
	for _, raw := range []string{
		"Content-Type: application/json\r\nContent-Type: text/html\r\n", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
	} {
		conn := d.dial(t, fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: 1\r\n\r\nx", p, raw))
		if got := statusOf(t, conn); got != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d", raw, got)
		}
	}
	for given, want := range map[string]string{
		"application/json": "application/json", "Application/JSON; charset=utf-8": "application/json",
		form + "; charset=windows-1251": form,
	} {
		d.do(t, http.MethodPost, p, given, given).is(t, http.StatusOK)
		if got := <-kinds; got != want {
			t.Errorf("%q was handed on as %q", given, got)
		}
	}
}

func TestH8_PathsAreTakenLiterally(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t, func(o *webhook.Options) { o.Limits.Stranger = webhook.Rate{Every: time.Nanosecond, Burst: 1000} })
	good := path(t, d.Door, "o-1")
	token := good[strings.LastIndex(good, "/")+1:]
	for _, p := range []string{
		"/", "", "//", "/hook", "/hook/", "/hook/skinsback", "/metrics", "/healthz", "/debug/pprof/",
		"/" + good, good + "/", good + "/x", "/x" + good, "/hook/../hook" + strings.TrimPrefix(good, "/hook"),
		"/./" + good, "/hook//skinsback/acme/o-1/" + token, "/hook/skinsback/acme/../acme/o-1/" + token,
		"/hook/skinsback/acme/o%2D1/" + token, "/hook/skinsback/acme/o-1%00/" + token, "/hook/skinsback/acme%2Fo-1/" + token,
		"/hook/skinsback/acme/*/" + token, "/hook/skinsback/>/o-1/" + token, "/hook/skinsback/acme/o.1/" + token,
		"/hook/skinsback/unknown/o-1/" + token, "/hook/skinsback/_acme/o-1/" + token,
		"/hook/skinsback/acme/" + strings.Repeat("a", 65) + "/" + token, "/hook/SKINSBACK/acme/o-1/" + token, "/HOOK" + strings.TrimPrefix(good, "/hook"),
		"/..%2f..%2fetc/passwd", "/hook/skinsback/acme/o-1;x/" + token, "/hook/skinsback/acme/o-1/" + token + "%20",
	} {
		conn := d.dial(t, request(p, signed("success", "77")))
		if got := statusOf(t, conn); got != http.StatusNotFound && got != http.StatusBadRequest {
			t.Errorf("%q: %d", p, got)
		}
	}
	if len(r.commands(t, "o-1")) != 0 || len(r.dead(t)) != 0 {
		t.Error("something was stored")
	}
	d.post(t, good+"?from=the+provider", signed("success", "77")).is(t, http.StatusOK) // a query is none of our business
}

func TestH8_SlowHeadersAreCutOff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.open(t, func(o *webhook.Options) { o.Limits.Header, o.Limits.Body = 50*time.Millisecond, time.Hour })
	for _, raw := range []string{"", "POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "} {
		ended(t, d.dial(t, []byte(raw)))
	}
}

func TestH8_ASlowBodyIsAnswered408(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t, func(o *webhook.Options) { o.Limits.Body = time.Second })
	body := signed("success", "77")
	whole := request(path(t, d.Door, "o-1"), body)
	conn := d.dial(t, whole[:len(whole)-5])
	if got := statusOf(t, conn); got != http.StatusRequestTimeout {
		t.Errorf("answered %d", got)
	}
	ended(t, conn)
	if d.counted(t, "too_slow") != 1 || len(r.commands(t, "o-1")) != 0 {
		t.Error("half a body was used")
	}
}

// The time for reading must not be taken from the time for storing.
func TestH8_StoringMayTakeLongerThanReading(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	q := &gate{Queue: r.queue, entered: make(chan struct{}, 1), release: make(chan struct{})}
	d := open(t, r.ledger, q, func(o *webhook.Options) { o.Limits.Body = 500 * time.Millisecond })
	conn := d.dial(t, request(path(t, d.Door, "o-1"), signed("success", "77")))
	<-q.entered
	time.AfterFunc(time.Second, func() { close(q.release) })
	if got := statusOf(t, conn); got != http.StatusOK || len(r.commands(t, "o-1")) != 1 {
		t.Errorf("answered %d", got)
	}
}

func TestH8_HeadersAreLimited(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.open(t)
	raw := "POST / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 64<<10) + "\r\n\r\n"
	if got := statusOf(t, d.dial(t, []byte(raw))); got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answered %d", got)
	}
}

func TestH8_IdleConnectionsAreClosedAndStrangersKeepNone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t, func(o *webhook.Options) { o.Limits.Idle, o.Limits.Body = 50*time.Millisecond, time.Hour })
	known := d.dial(t, request(path(t, d.Door, "o-1"), signed("success", "77")))
	if got := statusOf(t, known); got != http.StatusOK {
		t.Errorf("answered %d", got)
	}
	ended(t, known)
	patient := r.open(t, func(o *webhook.Options) { o.Limits.Idle = time.Hour })
	stranger := patient.dial(t, request("/", ""))
	if got := statusOf(t, stranger); got != http.StatusNotFound {
		t.Errorf("answered %d", got)
	}
	ended(t, stranger)
}

// More connections than the door takes wait for their turn: those who hold the
// slots and say nothing lose them, and the callback behind them gets in.
func TestH8_ConnectionsBeyondTheCapWaitAndAreServed(t *testing.T) {
	t.Parallel()
	const most, attackers = 20, 60
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t, func(o *webhook.Options) {
		o.Limits.Connections, o.Limits.Header = most, 250*time.Millisecond
	})
	for range attackers {
		d.dial(t, []byte("POST / HTTP/1.1\r\nHost:"))
	}
	eventually(t, "all slots are taken", func() bool { return d.connections(t) == most })
	conn := d.dial(t, request(path(t, d.Door, "o-1"), signed("success", "77")))
	if got := statusOf(t, conn); got != http.StatusOK {
		t.Errorf("answered %d", got)
	}
	_ = conn.Close()
	eventually(t, "all slots are free", func() bool {
		if n := d.connections(t); n > most {
			t.Fatalf("%d connections at once", n)
		}
		return d.connections(t) == 0
	})
}

func (d *running) connections(t testing.TB) int {
	t.Helper()
	families, err := d.metrics.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == "beltline_webhook_connections" {
			return int(f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	t.Fatal("no such metric")
	return 0
}

func TestListener_CloseEndsAnAcceptThatWaitsForASlot(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l := webhook.Limit(inner, 1)
	client, err := net.Dial("tcp", inner.Addr().String())
	must(t, err)
	defer client.Close()
	held, err := l.Accept()
	must(t, err)
	ended := make(chan error, 1)
	go func() { _, err := l.Accept(); ended <- err }()
	must(t, l.Close())
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	case <-time.After(natstest.Patience):
		t.Error("Accept goes on after Close")
	}
	_ = held.Close()
	_ = held.Close() // must not free a slot that it no longer has
	_ = l.Close()
}
