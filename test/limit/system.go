package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
	"github.com/beltline-io/beltline/test/crash/procs"
)

const (
	skinsback = string(messages.SkinsBack)
	exchanger = string(messages.Exchanger)
	tenant    = "acme"
	// patience is for what must come on any machine; nothing is judged by it.
	patience = 5 * time.Minute
)

// build makes all programs with one call.
func (b *bench) build(ctx context.Context) error {
	return procs.Build(ctx, b.programs, procs.NATSServer, "./cmd/dispatcher", "./cmd/worker-"+skinsback, "./cmd/worker-"+exchanger)
}

// system is Beltline with servers and a shop of its own.
type system struct {
	provider messages.Provider
	rule     rule
	dir      string
	programs string
	journal  *procs.Journal
	front    *front
	outputs  []*procs.Output

	nodes      []*node
	dispatcher *member
	workers    []*member

	nc *nats.Conn
	js jetstream.JetStream
}

// member is a program of ours.
type member struct {
	*procs.Process

	mu   sync.Mutex
	addr string // of health and metrics
}

// newSystem prepares everything, and starts the servers and the dispatcher. The
// workers are started later.
func (b *bench) newSystem(ctx context.Context, provider string, l load) (*system, error) {
	s := &system{provider: messages.Provider(provider), rule: l.rule, dir: b.dir, programs: b.programs, journal: &procs.Journal{}}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if s.front, err = openFront(provider); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, b, l); err != nil {
		return s, err
	}
	if err := s.connect(ctx); err != nil {
		return s, err
	}
	if err := s.dispatcher.Start(); err != nil {
		return s, err
	}
	return s, s.ready(ctx, s.dispatcher)
}

// prepare gives every program its settings.
func (s *system) prepare(ctx context.Context, b *bench, l load) error {
	nodes := max(l.nodes, 1)
	if err := s.newNodes(nodes); err != nil {
		return err
	}
	common := map[string]string{
		"NATS_URL": s.urls(), "NATS_REPLICAS": fmt.Sprint(nodes), "LOG_FORMAT": "json", "HTTP_ADDR": "127.0.0.1:0",
		strings.ToUpper(string(s.provider)) + "_RATE_LIMIT": fmt.Sprintf("%d/%s", s.rule.limit, s.rule.window),
		"EVENTS_MAX_BYTES": "1GiB",
		"POLL_FIRST":       "2s", "POLL_MAX": "1h",
	}
	maps.Copy(common, l.env)
	var err error
	if s.dispatcher, err = s.member("dispatcher", "dispatcher", filepath.Join(s.programs, "dispatcher"), common); err != nil {
		return err
	}
	own := maps.Clone(common)
	if s.provider == messages.SkinsBack {
		maps.Copy(own, map[string]string{"SKINSBACK_URL": s.front.url, "SKINSBACK_CLIENT_ID": skinsbacktest.ClientID, "SKINSBACK_CLIENT_SECRET": skinsbacktest.ClientSecret})
	} else {
		maps.Copy(own, map[string]string{
			"EXCHANGER_URL": s.front.url, "EXCHANGER_API_LOGIN": exchangertest.Login, "EXCHANGER_API_KEY": exchangertest.Key, "EXCHANGER_LANG": "en_US",
		})
	}
	program := "worker-" + string(s.provider)
	for i := range l.workers {
		file := filepath.Join(s.programs, program)
		if i == 0 && l.skew != 0 {
			if file, err = b.buildSkewed(ctx, l.skew); err != nil {
				return err
			}
		}
		m, err := s.member(program, fmt.Sprintf("%s-%d", program, i+1), file, own)
		if err != nil {
			return err
		}
		s.workers = append(s.workers, m)
	}
	return nil
}

// member prepares one program.
func (s *system) member(program, name, file string, settings map[string]string) (*member, error) {
	m := &member{}
	out, err := procs.NewOutput(filepath.Join(s.dir, name+".log"), m.learn)
	if err != nil {
		return nil, err
	}
	s.outputs = append(s.outputs, out)
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "GOMAXPROCS=2"}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		env = append(env, key+"="+settings[key])
	}
	m.Process = &procs.Process{Program: program, Name: name, Path: file, Env: env, Output: out, Journal: s.journal}
	return m, nil
}

// learn reads from a line of the log where the member tells of itself.
func (m *member) learn(line []byte) {
	if !strings.Contains(string(line), "health and metrics were served") {
		return
	}
	var said struct{ Addr string }
	if json.Unmarshal(line, &said) == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.addr = said.Addr
	}
}

func (m *member) address() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.addr
}

// startWorkers starts all workers at once.
func (s *system) startWorkers() error {
	for _, m := range s.workers {
		if err := m.Start(); err != nil {
			return err
		}
	}
	return nil
}

// ready waits until members do their work.
func (s *system) ready(ctx context.Context, members ...*member) error {
	for _, m := range members {
		err := s.until(ctx, m.Name+" is ready", func(ctx context.Context) bool {
			addr := m.address()
			_ = m.Start() // a worker that found no server in time has ended
			return addr != "" && answers(ctx, "http://"+addr+"/readyz")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// until asks again and again whether something is so.
func (s *system) until(ctx context.Context, what string, is func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !is(ctx) {
		if !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("waited in vain until %s: %w", what, ctx.Err())
		}
	}
	return nil
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// close kills whatever runs. Its files are removed next.
func (s *system) close() {
	if s == nil {
		return
	}
	if s.nc != nil {
		s.nc.Close()
	}
	var all []*procs.Process
	for _, m := range append(s.workers, s.dispatcher) {
		if m != nil {
			all = append(all, m.Process)
		}
	}
	for _, n := range s.nodes {
		all = append(all, n.Process)
	}
	for _, p := range all {
		p.Continue()
		p.Kill("the run is over")
	}
	s.front.close()
	for _, out := range s.outputs {
		_ = out.Close()
	}
}
