package main_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// trap listens where nobody has any business, and counts who comes.
func trap(t *testing.T) (addr string, visits *atomic.Int64) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	visits = new(atomic.Int64)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			visits.Add(1)
			_ = c.Close()
		}
	}()
	return l.Addr().String(), visits
}

// shopThatPoints stands before the shop, makes every address in its answers one
// of the trap. It counts its answers, and those in which there was an address.
func shopThatPoints(t *testing.T, shop, to string, asked, pointed *atomic.Int64) *httptest.Server {
	t.Helper()
	target, err := url.Parse(shop)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
	proxy.ModifyResponse = func(res *http.Response) error {
		asked.Add(1)
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		body = bytes.ReplaceAll(body, []byte(`\/`), []byte("/"))
		changed := bytes.ReplaceAll(body, []byte("https://skinsback.com/"), []byte("http://"+to+"/"))
		if !bytes.Equal(changed, body) {
			pointed.Add(1)
		}
		res.Body = io.NopCloser(bytes.NewReader(changed))
		res.ContentLength = int64(len(changed))
		res.Header.Set("Content-Length", strconv.Itoa(len(changed)))
		res.Header.Set("Location", "http://"+to+"/moved") // with 200, too
		return nil
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	return front
}

// Upstream and the shop both put addresses into what they send. From where our
// programs stand such an address may lead to what nobody outside can reach, so
// none of them is ever asked: they are for the customer's browser.
func TestForeign_NoAddressThatCameInDataIsAsked(t *testing.T) {
	t.Parallel()
	addr, visits := trap(t)
	srv := natstest.Start(t, natstest.WithListener())
	shop := skinsbacktest.New(skinsbacktest.WithCredentials("77", "canary-client-secret"))
	t.Cleanup(shop.Close)
	var asked, pointed atomic.Int64
	front := shopThatPoints(t, shop.URL(), addr, &asked, &pointed)
	address, err := url.Parse(shop.URL())
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"NATS_URL": srv.URL(), "EVENTS_MAX_BYTES": "64MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
		"SKINSBACK_RATE_LIMIT": "1000/1s", "POLL_FIRST": "20ms", "POLL_MAX": "50ms",
	}
	own := maps.Clone(env)
	maps.Copy(own, map[string]string{
		"SKINSBACK_URL": front.URL + address.Path, "SKINSBACK_CLIENT_ID": "77", "SKINSBACK_CLIENT_SECRET": "canary-client-secret",
	})
	run(t, programs.Dispatcher(), env, nil)
	run(t, programs.SkinsBack(), own, nil)
	js := srv.JS(t)
	r := &rotation{t: t, js: js}
	body := fmt.Sprintf(`{"v":1,"id":"o-1","provider":"skinsback","kind":"deposit","params":{"steam_id":"76561198000000001",`+
		`"trade_token":"AbCdEf12","success_url":"http://%[1]s/ok","fail_url":"http://%[1]s/no"},"metadata":{"link":"http://%[1]s/meta"}}`, addr)
	r.until("the order is stored", func() bool {
		_, err := js.Publish(t.Context(), "orders.acme.submit", []byte(body))
		return err == nil
	})
	// The customer is sent there, so the address has been through all of us; and
	// after that the order is polled some times more.
	r.until("upstream is told where the customer pays", func() bool {
		events, err := js.Stream(t.Context(), "EVENTS")
		if err != nil {
			return false
		}
		m, err := events.GetLastMsgForSubject(t.Context(), "events.skinsback.acme.o-1.action_required")
		return err == nil && strings.Contains(string(m.Data), "http://"+addr+"/")
	})
	before := asked.Load()
	r.until("the order is polled", func() bool { return asked.Load() >= before+3 })
	if pointed.Load() == 0 {
		t.Error("no answer named the trap: the test shows nothing")
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("%d connections to an address that came in data", n)
	}
}
