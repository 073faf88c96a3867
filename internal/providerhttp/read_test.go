package providerhttp_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
)

func TestRead_TakesOnePermitForEachRequest(t *testing.T) {
	t.Parallel()
	w := serveWire(t, say(okAnswer))
	l := &limiter{}
	c := providerhttp.New(providerhttp.Config{Timeout: longTimeout, Limiter: l})
	t.Cleanup(c.Close)
	for range 3 {
		if _, err := c.Read(t.Context(), post(w.URL)); err != nil {
			t.Fatal(err)
		}
	}
	if l.taken.Load() != 3 || w.requests.Load() != 3 {
		t.Errorf("%d permits for %d requests, want 3 and 3", l.taken.Load(), w.requests.Load())
	}
	if w.conns.Load() != 1 {
		t.Errorf("%d connections, want 1: they must be used again", w.conns.Load())
	}
}

func TestRead_WithoutPermitSendsNothing(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	cases := map[string]struct {
		ctx context.Context
		cfg providerhttp.Config
	}{
		"no limiter":       {t.Context(), providerhttp.Config{}},
		"no permit":        {ended, providerhttp.Config{Limiter: &limiter{block: true}}},
		"permit too old":   {t.Context(), providerhttp.Config{Limiter: &limiter{age: time.Hour}}},
		"guard is no help": {allowed(t), providerhttp.Config{Limiter: &limiter{age: time.Hour}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := serveWire(t, say(okAnswer))
			client := providerhttp.New(c.cfg)
			t.Cleanup(client.Close)
			_, err := client.Read(c.ctx, post(w.URL))
			mustFail(t, err, providers.Retryable, providers.CodeNotSent)
			if w.requests.Load() != 0 || w.bytes.Load() != 0 {
				t.Error("something was sent")
			}
		})
	}
}

func TestRead_IsNotSentAgainEither(t *testing.T) {
	t.Parallel()
	w := serveWire(t, func(c net.Conn, n int64) bool {
		if n == 1 {
			return say(okAnswer)(c, n)
		}
		return reset(c, n)
	})
	c := newClient(t, longTimeout)
	r := providerhttp.Request{Op: "shop.balance", Method: http.MethodGet, URL: w.URL}
	if _, err := c.Read(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(t.Context(), r)
	mustFail(t, err, providers.Ambiguous, providers.CodeConnectionReset)
	if w.requests.Load() != 2 {
		t.Errorf("%d requests for two permits", w.requests.Load())
	}
}

func TestRead_DoesNotUncompress(t *testing.T) {
	t.Parallel()
	s := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("asked for %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "\x1f\x8bbomb")
	})
	res, err := newClient(t, longTimeout).Read(t.Context(), post(s.URL))
	if err != nil || string(res.Body) != "\x1f\x8bbomb" {
		t.Errorf("got %v, %v", res, err)
	}
}

func TestRead_SendsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	type request struct{ Method, Path, Body, Type, Auth, Accept string }
	got := make(chan request, 1)
	s := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- request{r.Method, r.URL.Path, string(b), r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.Header.Get("Accept")}
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "tea")
	})
	header := http.Header{"Authorization": {"token"}}
	res, err := newClient(t, longTimeout).Read(t.Context(), providerhttp.Request{
		Op: "shop.x", Method: http.MethodPut, URL: s.URL + "/a/b", Header: header, Body: []byte("{}"), ContentType: "application/json",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := request{http.MethodPut, "/a/b", "{}", "application/json", "token", "application/json"}
	if diff := cmp.Diff(want, <-got); diff != "" {
		t.Error(diff)
	}
	if res.Status != http.StatusTeapot || string(res.Body) != "tea" || res.Header.Get("X-Answer") != "yes" {
		t.Errorf("got %+v", res)
	}
	if len(header) != 1 {
		t.Error("the caller's header was changed")
	}
}

func TestObserve_IsToldOfEveryRequestOnce(t *testing.T) {
	t.Parallel()
	w := serveWire(t, func(c net.Conn, n int64) bool {
		if n == 1 {
			return say(okAnswer)(c, n)
		}
		return sayAndClose("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\n")(c, n)
	})
	var calls []providerhttp.Call
	c := providerhttp.New(providerhttp.Config{Limiter: &limiter{}, Timeout: longTimeout, Observe: func(call providerhttp.Call) {
		if call.Sent != (call.Duration > 0) {
			t.Errorf("%+v: a request that was sent takes time", call)
		}
		call.Duration = 0
		calls = append(calls, call)
	}})
	t.Cleanup(c.Close)
	_, _ = c.Read(t.Context(), post(w.URL))
	_, _ = c.Create(t.Context(), post(w.URL)) // no guard
	_, _ = c.Create(allowed(t), post(w.URL))
	want := []providerhttp.Call{
		{Op: "shop.buy", Method: "read", Status: 200, Class: "answered", Sent: true},
		{Op: "shop.buy", Method: "create", Class: "retryable"},
		{Op: "shop.buy", Method: "create", Status: 502, Class: "ambiguous", Sent: true},
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
}
