package hooks_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/programs/programstest"
)

const (
	// patience is for what must come; never a wait of fixed length.
	patience = 60 * time.Second
	tenant   = "acme"
	// hookSecret is the key of the tokens in the addresses of callbacks.
	hookSecret = "canary-hook-secret-4b1d77"
)

// rig is a dispatcher and replicas of one worker, with a balancer before the
// doors for callbacks of the replicas.
type rig struct {
	t        *testing.T
	provider string
	js       jetstream.JetStream
	feed     *feed
	client   *http.Client
	public   *httptest.Server

	mu    sync.Mutex
	doors []http.Handler
	turn  atomic.Uint64
	log   bytes.Buffer // of all programs
}

// settings keep the order of production's times at a fraction of their length.
// Polling is out of the way unless a test wants it, and a machine that stands
// still for seconds breaks no lookup: its next would come in an hour.
func settings(natsURL string) map[string]string {
	return map[string]string{
		"NATS_URL": natsURL, "LOG_LEVEL": "info", "LOG_FORMAT": "json", "HTTP_ADDR": "127.0.0.1:0",
		"SKINSBACK_RATE_LIMIT": "100000/1s", "SKINSBACK_TIMEOUT": "15s", "EXCHANGER_RATE_LIMIT": "100000/1s", "EXCHANGER_TIMEOUT": "15s",
		"LEASE": "18s", "ACK_WAIT": "22s", "POLL_FIRST": "1h", "POLL_MAX": "1h", "ABSENCE_WAIT": "15s", "HOLD_DOWN": "30s",
		"EVENTS_MAX_BYTES": "256MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB", "DRAIN_TIMEOUT": "10s",
	}
}

// newRig starts everything. change is laid over the settings of all programs,
// own belongs to the worker.
func newRig(t *testing.T, worker func() app.Program, replicas int, change, own map[string]string) *rig {
	t.Helper()
	server := natstest.Start(t, natstest.WithListener())
	r := &rig{
		t: t, provider: string(worker().Provider), js: server.JS(t),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience},
	}
	r.public = httptest.NewServer(http.HandlerFunc(r.balance))
	t.Cleanup(r.public.Close)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("warnings and errors of the programs:\n%s", r.trouble())
		}
	})
	env := settings(server.URL())
	maps.Copy(env, change)
	r.run(programs.Dispatcher(), env)
	r.feed = follow(t, r.js)
	env = maps.Clone(env)
	maps.Copy(env, own)
	maps.Copy(env, map[string]string{"WEBHOOK_ADDR": "127.0.0.1:0", "WEBHOOK_PUBLIC_URL": r.public.URL, "WEBHOOK_SECRET": hookSecret})
	for range replicas {
		r.run(worker(), env)
	}
	awaitTrue(t, "every replica has opened its door", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.doors) == replicas
	})
	return r
}

// run starts a program and waits until it says that it is ready.
func (r *rig) run(p app.Program, env map[string]string) {
	r.t.Helper()
	programstest.Ready(r.t, p, app.Process{Environ: env, Stdout: r, Stderr: r})
}

// Write takes a line of a program's log, and learns from it where a door is.
func (r *rig) Write(line []byte) (int, error) {
	var said struct{ Message, Addr string }
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.Write(line)
	if json.Unmarshal(line, &said) != nil {
		return len(line), nil
	}
	if said.Message == "door for callbacks opened" {
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: said.Addr})
		proxy.Transport = &http.Transport{DisableKeepAlives: true}
		r.doors = append(r.doors, proxy)
	}
	return len(line), nil
}

// trouble is what the programs had to say beyond what is normal.
func (r *rig) trouble() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := slices.DeleteFunc(strings.Split(r.log.String(), "\n"), func(line string) bool { return strings.Contains(line, `"level":"info"`) })
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// balance hands each callback to the next replica, so that a repeat meets
// another one than the first.
func (r *rig) balance(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	door := r.doors[r.turn.Add(1)%uint64(len(r.doors))]
	r.mu.Unlock()
	door.ServeHTTP(w, req)
}

// hook is a notification, ready to be sent as often and as late as a test likes.
type hook struct{ url, kind, body string }

// send sends it and returns the HTTP status; told that these are too many, it
// tries again.
func (r *rig) send(h hook) int {
	r.t.Helper()
	status := 0
	awaitTrue(r.t, "the door has time for a callback", func() bool {
		req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, h.url, strings.NewReader(h.body))
		if err != nil {
			r.t.Error(err)
			return true
		}
		req.Header.Set("Content-Type", h.kind)
		answer, err := r.client.Do(req)
		if err != nil {
			r.t.Error(err)
			return true
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		status = answer.StatusCode
		return status != http.StatusTooManyRequests
	})
	return status
}

// mustTake sends a genuine notification.
func (r *rig) mustTake(h hook) {
	r.t.Helper()
	if got := r.send(h); got != http.StatusOK {
		r.t.Errorf("a genuine notification was answered with %d: %s", got, h.body)
	}
}

// mustRefuse sends a forged one.
func (r *rig) mustRefuse(h hook) {
	r.t.Helper()
	if got := r.send(h); got != http.StatusUnauthorized && got != http.StatusNotFound {
		r.t.Errorf("a forged notification was answered with %d: %s %s", got, h.url, h.body)
	}
}

func (r *rig) publish(subject, body string) {
	r.t.Helper()
	if _, err := r.js.Publish(r.t.Context(), subject, []byte(body)); err != nil && r.t.Context().Err() == nil {
		r.t.Errorf("publish to %s: %v", subject, err)
	}
}

// poll has the order looked at, as its timer does when it is due.
func (r *rig) poll(id string) {
	r.t.Helper()
	last := r.feed.last(id)
	body, _ := json.Marshal(map[string]any{"v": 1, "tenant": tenant, "order_id": id, "seq": last.seq, "n": last.n()})
	r.publish("commands."+r.provider+".check."+tenant+"."+id, string(body))
}

// calm waits until every command has been worked off; timers are left. A
// command stands in its stream until it is acknowledged, which a consumer's own
// count may not know yet.
func (r *rig) calm() {
	r.t.Helper()
	awaitTrue(r.t, "no command is left", func() bool {
		s, err := r.js.Stream(r.t.Context(), "COMMANDS")
		if err != nil {
			r.t.Error(err)
			return true
		}
		info, err := s.Info(r.t.Context(), jetstream.WithSubjectFilter("commands.>"))
		if err != nil {
			r.t.Error(err)
			return true
		}
		return len(info.State.Subjects) == 0
	})
}

// lastSeq is how many messages a stream has ever taken.
func (r *rig) lastSeq(stream string) uint64 {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.CachedInfo().State.LastSeq
}

// letters are the dead letters.
func (r *rig) letters() []*jetstream.RawStreamMsg {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), "DLQ")
	if err != nil {
		r.t.Fatal(err)
	}
	var all []*jetstream.RawStreamMsg
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(r.t.Context(), seq)
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// awaitTrue asks again and again, for what cannot be waited for otherwise.
func awaitTrue(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline, again := time.NewTimer(patience), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Errorf("never came true: %s", what)
			return
		}
	}
}
