package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

const tenant = "acme"

// system is Beltline with a server of its own, and an upstream of it.
type system struct {
	name string
	dir  string
	shop *skinsbacktest.Server

	nats, dispatcher, worker *process

	nc *nats.Conn
	js jetstream.JetStream

	mu      sync.Mutex
	waiting map[string]chan opened // by order
}

// opened is what an upstream knows of an order that its customer may pay.
type opened struct {
	at        time.Time // when its event was read
	reference string
}

// quiet keeps polling out of the way: nothing is asked of the shop that its
// callbacks do not cause. What goes wrong is then tried again in an hour.
var quiet = map[string]string{"POLL_FIRST": "1h", "POLL_MAX": "24h"}

// start starts all programs and waits until they do their work.
func start(ctx context.Context, name, programs string, o options, shop *skinsbacktest.Server) (*system, error) {
	s := &system{name: name, dir: filepath.Join(filepath.Dir(programs), name), shop: shop, waiting: map[string]chan opened{}}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	if err := s.prepare(programs, o); err != nil {
		return nil, err
	}
	for _, p := range s.processes() {
		if err := p.start(); err != nil {
			return s, err
		}
		if p != s.dispatcher && p != s.nats {
			continue
		}
		if err := p.awaitReady(ctx); err != nil { // each needs what the one before makes
			return s, err
		}
	}
	if err := s.worker.awaitReady(ctx); err != nil {
		return s, err
	}
	return s, s.connect(ctx)
}

func (s *system) processes() []*process { return []*process{s.nats, s.dispatcher, s.worker} }

// prepare gives every program its addresses and settings.
func (s *system) prepare(programs string, o options) error {
	addresses := make([]string, 6)
	for i := range addresses {
		var err error
		if addresses[i], err = freeAddress(); err != nil {
			return err
		}
	}
	listen, monitor, profile, hooks := addresses[0], addresses[1], addresses[2], addresses[3]
	_, profilePort, err := net.SplitHostPort(profile)
	if err != nil {
		return err
	}
	config := fmt.Sprintf("listen: %q\nhttp: %q\nprof_port: %s\nmax_payload: 256KB\njetstream {\n  store_dir: %q\n  max_file_store: 32GB\n%s}\n",
		listen, monitor, profilePort, filepath.Join(s.dir, "store"), o.syncLine())
	path := filepath.Join(s.dir, "nats.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return err
	}
	s.nats = &process{
		name: s.name + "/nats-server", path: filepath.Join(programs, "nats-server"), args: []string{"-c", path}, env: os.Environ(),
		log: filepath.Join(s.dir, "nats-server.log"), ready: "http://" + monitor + "/healthz", heap: "http://" + profile + "/debug/pprof/heap",
	}
	common := map[string]string{
		"NATS_URL": "nats://" + listen, "LOG_FORMAT": "json", "SKINSBACK_RATE_LIMIT": "20000/1s", "EVENTS_MAX_BYTES": "16GiB",
	}
	s.dispatcher = s.program(programs, "dispatcher", addresses[4], common)
	s.worker = s.program(programs, "worker-skinsback", addresses[5], common, map[string]string{
		"SKINSBACK_URL": s.shop.URL(), "SKINSBACK_CLIENT_ID": skinsbacktest.ClientID, "SKINSBACK_CLIENT_SECRET": skinsbacktest.ClientSecret,
		"WEBHOOK_ADDR": hooks, "WEBHOOK_PUBLIC_URL": "http://" + hooks, "WEBHOOK_SECRET": "of-this-measurement-only",
	})
	return nil
}

// program describes one of ours.
func (s *system) program(programs, name, address string, settings ...map[string]string) *process {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "HTTP_ADDR=" + address}
	for _, set := range settings {
		for k, v := range set {
			env = append(env, k+"="+v)
		}
	}
	return &process{
		name: s.name + "/" + name, path: filepath.Join(programs, name), env: env,
		log: filepath.Join(s.dir, name+".log"), ready: "http://" + address + "/readyz", heap: "http://" + address + "/debug/pprof/heap",
	}
}

// renew starts the worker again with these settings beside its own.
func (s *system) renew(ctx context.Context, extra map[string]string) error {
	if err := s.worker.end(syscall.SIGTERM); err != nil {
		return err
	}
	env := s.worker.env
	defer func() { s.worker.env = env }() // for the next start
	for k, v := range extra {
		s.worker.env = append(slices.Clip(s.worker.env), k+"="+v)
	}
	if err := s.worker.start(); err != nil {
		return err
	}
	return s.worker.awaitReady(ctx)
}

// connect follows the events as an upstream does.
func (s *system) connect(ctx context.Context) error {
	url := ""
	for _, entry := range s.dispatcher.env {
		if rest, ok := strings.CutPrefix(entry, "NATS_URL="); ok {
			url = rest
		}
	}
	var err error
	if s.nc, err = nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond)); err != nil {
		return err
	}
	if s.js, err = jetstream.New(s.nc); err != nil {
		return err
	}
	_, err = s.follow(ctx, jetstream.DeliverNewPolicy, s.open, messages.ActionRequired)
	return err
}

// follow calls take for every event of these types.
func (s *system) follow(ctx context.Context, from jetstream.DeliverPolicy, take func(jetstream.Msg), types ...messages.Type) (stop func(), err error) {
	config := jetstream.OrderedConsumerConfig{DeliverPolicy: from}
	for _, t := range types {
		config.FilterSubjects = append(config.FilterSubjects, "events.*."+tenant+".*."+string(t))
	}
	c, err := s.js.OrderedConsumer(ctx, messages.StreamEvents, config)
	if err != nil {
		return nil, err
	}
	reading, err := c.Consume(take)
	if err != nil {
		return nil, err
	}
	return reading.Stop, nil
}

// open tells whoever waits for the order.
func (s *system) open(m jetstream.Msg) {
	at := time.Now()
	id := orderOf(m)
	s.mu.Lock()
	waiting := s.waiting[id]
	delete(s.waiting, id)
	s.mu.Unlock()
	if waiting != nil {
		waiting <- opened{at, referenceOf(m)}
	}
}

func orderOf(m jetstream.Msg) string {
	a, _ := messages.ParseEventSubject(m.Subject())
	return a.OrderID
}

func referenceOf(m jetstream.Msg) string {
	var e struct {
		Ref struct {
			Reference string `json:"reference"`
		} `json:"provider_ref"`
	}
	_ = json.Unmarshal(m.Data(), &e) // an empty reference is noticed by the shop
	return e.Ref.Reference
}

// submit hands in an order and returns when it is stored. What was on its way
// while a server died is lost without an answer, so it is sent again, as an
// upstream would: the same order has no effect a second time.
func (s *system) submit(ctx context.Context, id string) error {
	body := fmt.Appendf(nil, `{"v":1,"id":%q,"provider":"skinsback","kind":"deposit",`+
		`"params":{"steam_id":"76561198827262007","trade_token":"i1ArBZey","currency":"USD"},"metadata":{"cart":"981","customer":"c-20251"}}`, id)
	msg := &nats.Msg{Subject: messages.OrderSubject(tenant, messages.SubmitRequest), Data: body}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for err := errors.New("there is no connection"); ; pause(ctx, 5*time.Millisecond) {
		if s.nc.IsConnected() { // or it would wait in a buffer that the reconnect throws away
			once, end := context.WithTimeout(ctx, 2*time.Second)
			_, err = s.js.PublishMsg(once, msg)
			end()
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: order %s was not stored: %w", s.name, id, err)
		}
	}
}

// stop ends whatever runs.
func (s *system) stop() {
	if s == nil {
		return
	}
	if s.nc != nil {
		s.nc.Close()
	}
	for _, p := range []*process{s.worker, s.dispatcher, s.nats} {
		if p != nil {
			_ = p.end(syscall.SIGKILL) // its files are removed next
		}
	}
}
