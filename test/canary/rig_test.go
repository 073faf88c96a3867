package canary_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/programs/programstest"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

const (
	// patience is for what must come; never a wait of fixed length.
	patience = 2 * time.Minute
	tenant   = "acme"
)

// credentials are ours: they may be told nowhere.
var credentials = map[string]string{
	"the password of NATS":        "canary-nats-9f27c1d4",
	"the key of BalanceSteam":     "canary/steam+key==41d8",
	"the secret of SkinsBack":     "canary-skins-secret-77e0b2",
	"the token of GamesDrop":      "canaryc0ffee1234567890abcdef5521",
	"the API login of the site":   "canary0login89abcdefghijklmnop33",
	"the API key of the site":     "canary0key0vutsrqponmlkjihgfe344",
	"the key of callbacks' links": "canary-hook-secret-4b1d77-a-long-one",
}

// rig is everything in one process.
type rig struct {
	t     *testing.T
	store string // the server's directory
	nc    *nats.Conn
	js    jetstream.JetStream

	steam *balancesteamtest.Server
	skins *skinsbacktest.Server
	games *gamesdroptest.Server
	site  *exchangertest.Server

	logs   []*log
	traces *traces
	stops  []func()

	mu      sync.Mutex
	last    map[string]*messages.Event
	changed chan struct{} // closed and replaced at every event
}

// log is what one program has written.
type log struct {
	name string
	mu   sync.Mutex
	text bytes.Buffer
	addr chan string // where its metrics are
	door atomic.Pointer[url.URL]
}

func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var said struct{ Message, Addr string }
	if json.Unmarshal(line, &said) == nil {
		switch said.Message {
		case "health and metrics were served":
			l.addr <- said.Addr
		case "door for callbacks opened":
			l.door.Store(&url.URL{Scheme: "http", Host: said.Addr})
		}
	}
	return l.text.Write(line)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, last: map[string]*messages.Event{}, changed: make(chan struct{})}
	user := nats.UserInfo("beltline", credentials["the password of NATS"])
	srv := natstest.Start(t, natstest.WithListener(), natstest.Configure(func(o *server.Options) {
		o.Username, o.Password = "beltline", credentials["the password of NATS"]
		r.store = o.StoreDir
	}))
	r.nc = srv.Conn(t, user)
	var err error
	if r.js, err = jetstream.New(r.nc); err != nil {
		t.Fatal(err)
	}
	r.steam = balancesteamtest.New(balancesteamtest.WithAPIKey(credentials["the key of BalanceSteam"]))
	r.skins = skinsbacktest.New(skinsbacktest.WithCredentials("canary-client", credentials["the secret of SkinsBack"]),
		skinsbacktest.WithWebhooks(skinsbacktest.Form, ""))
	r.games = gamesdroptest.New(gamesdroptest.WithToken(credentials["the token of GamesDrop"]))
	r.site = exchangertest.New(exchangertest.WithCredentials(credentials["the API login of the site"], credentials["the API key of the site"]))
	for _, shut := range []func(){r.steam.Close, r.skins.Close, r.games.Close, r.site.Close} {
		t.Cleanup(shut)
	}
	r.traces = collect(t)
	env := settings("nats://beltline:" + credentials["the password of NATS"] + "@" + srv.URL()[len("nats://"):])
	env["OTEL_EXPORTER_OTLP_ENDPOINT"] = r.traces.url
	r.run(programs.Dispatcher(), env, nil)
	r.follow()
	r.run(programs.BalanceSteam(), env, map[string]string{
		"BALANCESTEAM_URL": r.steam.URL(), "BALANCESTEAM_API_KEY": credentials["the key of BalanceSteam"], "BALANCESTEAM_WITNESS": "record",
	})
	hooks := map[string]string{
		"WEBHOOK_ADDR": "127.0.0.1:0", "WEBHOOK_PUBLIC_URL": r.front(), "WEBHOOK_SECRET": credentials["the key of callbacks' links"],
	}
	skins := map[string]string{
		"SKINSBACK_URL": r.skins.URL(), "SKINSBACK_CLIENT_ID": "canary-client", "SKINSBACK_CLIENT_SECRET": credentials["the secret of SkinsBack"],
	}
	maps.Copy(skins, hooks)
	r.run(programs.SkinsBack(), env, skins)
	r.run(programs.GamesDrop(), env, map[string]string{
		"GAMESDROP_URL": r.games.URL(), "GAMESDROP_TELEGRAM_URL": r.games.TelegramURL(), "GAMESDROP_TOKEN": credentials["the token of GamesDrop"],
	})
	site := map[string]string{
		"EXCHANGER_URL": r.site.APIURL(), "EXCHANGER_API_LOGIN": credentials["the API login of the site"],
		"EXCHANGER_API_KEY": credentials["the API key of the site"],
	}
	maps.Copy(site, hooks)
	r.run(programs.Exchanger(), env, site)
	return r
}

// traces is a collector: it keeps what it is sent as it is.
type traces struct {
	url string

	mu    sync.Mutex
	spans [][]byte
}

func collect(t *testing.T) *traces {
	t.Helper()
	c := new(traces)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || req.Header.Get("Content-Encoding") != "" {
			t.Errorf("a batch of spans cannot be read: %v, %v", err, req.Header)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.spans = append(c.spans, append(body, fmt.Sprint(req.Header)...))
	}))
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

// front hands callbacks on to the door of whichever worker knows their path.
func (r *rig) front() string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for _, l := range r.logs {
			if door := l.door.Load(); door != nil && strings.Contains(l.name, strings.Split(req.URL.Path, "/")[2]) {
				proxy := httputil.NewSingleHostReverseProxy(door)
				proxy.Transport = &http.Transport{DisableKeepAlives: true}
				proxy.ServeHTTP(w, req)
				return
			}
		}
		http.NotFound(w, req)
	}))
	r.t.Cleanup(s.Close)
	return s.URL
}

// settings keep the order of production's times at a fraction of their length.
func settings(natsURL string) map[string]string {
	env := map[string]string{
		"NATS_URL": natsURL, "LOG_LEVEL": "debug", "LOG_FORMAT": "json", "HTTP_ADDR": "127.0.0.1:0",
		"LEASE": "5s", "ACK_WAIT": "7s", "POLL_FIRST": "100ms", "POLL_MAX": "500ms", "ABSENCE_WAIT": "9s", "HOLD_DOWN": "30s",
		"EVENTS_MAX_BYTES": "256MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB", "DRAIN_TIMEOUT": "10s",
	}
	for _, p := range []string{"BALANCESTEAM", "SKINSBACK", "GAMESDROP", "EXCHANGER"} {
		env[p+"_RATE_LIMIT"], env[p+"_TIMEOUT"] = "100000/1s", "4s"
	}
	return env
}

// run starts a program and waits until it says that it is ready.
func (r *rig) run(p app.Program, env, own map[string]string) {
	r.t.Helper()
	env = maps.Clone(env)
	maps.Copy(env, own)
	out := &log{name: p.Name, addr: make(chan string, 1)}
	r.logs = append(r.logs, out)
	running := programstest.Ready(r.t, p, app.Process{Environ: env, Stdout: out, Stderr: out})
	r.stops = append(r.stops, running.Stop)
}

// follow reads all events as they come.
func (r *rig) follow() {
	r.t.Helper()
	c, err := r.js.OrderedConsumer(r.t.Context(), messages.StreamEvents, jetstream.OrderedConsumerConfig{})
	if err != nil {
		r.t.Fatal(err)
	}
	reading, err := c.Consume(func(m jetstream.Msg) {
		e, err := messages.DecodeEvent(m.Data())
		if err != nil {
			r.t.Errorf("%s: %v", m.Subject(), err)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if last := r.last[e.OrderID]; last == nil || last.N < e.N {
			r.last[e.OrderID] = e
		}
		close(r.changed)
		r.changed = make(chan struct{})
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(reading.Stop)
}

// until waits for an order's last event to be one that fits.
func (r *rig) until(id, what string, fits func(*messages.Event) bool) *messages.Event {
	r.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		last, changed := r.last[id], r.changed
		r.mu.Unlock()
		if last != nil && fits(last) {
			return last
		}
		select {
		case <-changed:
		case <-deadline.C:
			if last == nil {
				last = &messages.Event{}
			}
			r.t.Fatalf("%s never was %s; it is %s, %+v, %v", id, what, last.State, last.Error, last.Evidence)
		}
	}
}
