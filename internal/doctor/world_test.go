package doctor_test

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/doctor"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/programs/programstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// patience is for what must come; never a wait of fixed length.
const patience = 90 * time.Second

const (
	dropToken   = "canary-drop-77a0be"
	skinsSecret = "canary-skins-0c94e1"
)

// world is a server, a dispatcher, two workers, the door of one of them and
// their shops: all that the doctor looks at.
type world struct {
	t      *testing.T
	server *natstest.Server
	nc     *nats.Conn
	js     jetstream.JetStream
	drop   *gamesdroptest.Server
	skins  *skinsbacktest.Server
	front  *httptest.Server // a proxy in front of the door, with a monitoring port beside it
	door   string

	mu  sync.Mutex
	log bytes.Buffer
}

// plan says what is not as it should be from the start.
type plan struct {
	server  func(*server.Options)
	without []messages.Provider
	token   string // of worker-gamesdrop
}

func newWorld(t *testing.T, p plan) *world {
	t.Helper()
	options := []natstest.Option{natstest.WithListener(), natstest.SyncAlways(), natstest.WithMonitor()}
	if p.server != nil {
		options = append(options, natstest.Configure(p.server))
	}
	w := &world{
		t: t, server: natstest.Start(t, options...), drop: gamesdroptest.New(gamesdroptest.WithToken(dropToken)),
		skins: skinsbacktest.New(skinsbacktest.WithCredentials("77", skinsSecret)),
	}
	w.nc, w.js = w.server.Conn(t), w.server.JS(t)
	t.Cleanup(w.drop.Close)
	t.Cleanup(w.skins.Close)
	t.Cleanup(func() {
		if t.Failed() {
			w.mu.Lock()
			defer w.mu.Unlock()
			t.Logf("log of the programs:\n%s", w.log.String())
		}
	})
	w.openFront()
	env := w.environ()
	w.run(programs.Dispatcher(), env)
	if !slices.Contains(p.without, messages.GamesDrop) {
		own := maps.Clone(env)
		if p.token != "" {
			own["GAMESDROP_TOKEN"] = p.token
		}
		w.run(programs.GamesDrop(), own)
	}
	if !slices.Contains(p.without, messages.SkinsBack) {
		w.run(programs.SkinsBack(), env)
	}
	return w
}

// openFront stands where a proxy would: it knows where to find the door, which
// must be told its public address before it listens.
func (w *world) openFront() {
	var lc net.ListenConfig
	l, err := lc.Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.door = l.Addr().String()
	_ = l.Close() // the worker takes it
	w.front = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, out.RequestURI = "http", w.door, ""
		answer, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		maps.Copy(rw.Header(), answer.Header)
		rw.WriteHeader(answer.StatusCode)
	}))
	w.t.Cleanup(w.front.Close)
}

func (w *world) environ() map[string]string {
	return map[string]string{
		"NATS_URL": w.server.URL(), "LOG_FORMAT": "json", "LOG_LEVEL": "warn", "HTTP_ADDR": "127.0.0.1:0",
		"EVENTS_MAX_BYTES": "256MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB", "DRAIN_TIMEOUT": "15s",
		"GAMESDROP_URL": w.drop.URL(), "GAMESDROP_TELEGRAM_URL": w.drop.TelegramURL(), "GAMESDROP_TOKEN": dropToken,
		"SKINSBACK_URL": w.skins.URL(), "SKINSBACK_CLIENT_ID": "77", "SKINSBACK_CLIENT_SECRET": skinsSecret,
		"WEBHOOK_ADDR": w.door, "WEBHOOK_PUBLIC_URL": w.front.URL, "WEBHOOK_SECRET": "0123456789abcdef",
	}
}

// run starts a program and waits until it says that it is ready.
func (w *world) run(p app.Program, env map[string]string) {
	w.t.Helper()
	programstest.Ready(w.t, p, app.Process{Environ: env, Stdout: w, Stderr: w})
}

// Write takes a line of a program's log.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

func (w *world) await(what string, is func() bool) {
	w.t.Helper()
	deadline, again := time.NewTimer(patience), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-deadline.C:
			w.t.Fatalf("never came true: %s", what)
		}
	}
}

// options are those of a doctor who knows the settings of the programs.
func (w *world) options() doctor.Options {
	s := topology.Default()
	s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes = 256<<20, 64<<20, 64<<20
	return doctor.Options{
		Connect: func() (*nats.Conn, jetstream.JetStream, error) {
			nc, err := nats.Connect(w.server.URL(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
			if err != nil {
				return nil, nil, err
			}
			js, err := jetstream.New(nc)
			return nc, js, err
		},
		Settings: s, Given: func(string) bool { return true }, Serving: []messages.Provider{messages.GamesDrop, messages.SkinsBack},
		Callbacks: map[messages.Provider]string{messages.SkinsBack: w.front.URL}, Monitor: w.server.MonitorURL(),
	}
}

// examine returns what is found, and fails for what breaks its own rules.
func (w *world) examine(o doctor.Options) []doctor.Finding {
	w.t.Helper()
	all := doctor.Examine(w.t.Context(), o)
	for _, f := range all {
		text := fmt.Sprintf("%+v", f)
		for _, secret := range []string{dropToken, skinsSecret, "0123456789abcdef"} {
			if strings.Contains(text, secret) {
				w.t.Errorf("a secret is shown: %s", text)
			}
		}
		if f.Check == "" || f.Found == "" || f.Severity == doctor.Fault && (f.Means == "" || f.Do == "") {
			w.t.Errorf("a finding does not say all: %s", text)
		}
	}
	return all
}

// until examines until the findings are as wanted, and returns them: on a busy
// machine a round trip may be long, and a permit may not come in time.
func (w *world) until(o doctor.Options, are func([]doctor.Finding) bool) (all []doctor.Finding) {
	w.t.Helper()
	defer func() {
		if w.t.Failed() {
			w.t.Logf("last found: %+v", all)
		}
	}()
	w.await("the findings are as wanted", func() bool {
		all = w.examine(o)
		return are(all)
	})
	return all
}

// checks are the names of the findings of a severity.
func checks(all []doctor.Finding, severity doctor.Severity) (names []string) {
	for _, f := range all {
		if f.Severity == severity {
			names = append(names, f.Check)
		}
	}
	return names
}
