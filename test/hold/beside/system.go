package beside

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// Tenant is whose orders are measured.
const Tenant = "acme"

// Plan says what a system is made of.
type Plan struct {
	// Programs is the folder that [Build] has built into.
	Programs string
	// Always makes nats-server sync every message. [System.Always] changes it.
	Always bool
	// Shop takes the deposits of [System.Probe].
	Shop *skinsbacktest.Server
	// Common settings of the dispatcher and of all workers, beside those that
	// every system has.
	Common map[string]string
	// More workers than the one of SkinsBack, with their own settings.
	More []Worker
	// Hooks opens the worker's door for the callbacks of the shop.
	Hooks bool
	// Patience is how long anything is waited for that must come; 0 is [Patience].
	Patience time.Duration
}

// Worker is a program and its settings.
type Worker struct {
	Program  string
	Settings map[string]string
}

// System is Beltline with a server of its own, and an upstream of it.
type System struct {
	Name string
	Shop *skinsbacktest.Server
	NC   *nats.Conn
	JS   jetstream.JetStream

	NATS, Dispatcher *Process
	Worker           *Process   // of SkinsBack
	More             []*Process // the other workers

	dir     string
	url     string // of the server
	config  string // the file, and what stands in it before the sync mode
	lines   string
	mu      sync.Mutex
	waiting map[string]chan opened // by order
}

// opened is what an upstream knows of an order that its customer may pay.
type opened struct {
	at        time.Time // when its event was read
	reference string
}

// Start starts all programs and waits until they do their work. What it returns
// is to be stopped, whatever the error.
func Start(ctx context.Context, name string, plan Plan) (*System, error) {
	s := &System{Name: name, dir: filepath.Join(filepath.Dir(plan.Programs), name), Shop: plan.Shop, waiting: map[string]chan opened{}}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return s, err
	}
	if err := s.prepare(plan); err != nil {
		return s, err
	}
	if err := s.Begin(ctx, s.NATS, s.Dispatcher); err != nil { // each needs what the one before makes
		return s, err
	}
	if err := s.Begin(ctx, s.Workers()...); err != nil {
		return s, err
	}
	return s, s.connect(ctx)
}

// Begin starts programs, one after the other, each when the one before is ready.
func (s *System) Begin(ctx context.Context, all ...*Process) error {
	for _, p := range all {
		if err := p.Start(); err != nil {
			return err
		}
		if err := p.AwaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Workers are all workers.
func (s *System) Workers() []*Process { return append([]*Process{s.Worker}, s.More...) }

// Processes are all programs, the server first.
func (s *System) Processes() []*Process {
	return append([]*Process{s.NATS, s.Dispatcher}, s.Workers()...)
}

// prepare gives every program its addresses and settings.
func (s *System) prepare(plan Plan) error {
	addresses := make([]string, 6+len(plan.More))
	for i := range addresses {
		var err error
		if addresses[i], err = freeAddress(); err != nil {
			return err
		}
	}
	if err := s.prepareServer(plan, addresses[0], addresses[1], addresses[2]); err != nil {
		return err
	}
	common := map[string]string{
		"NATS_URL": s.url, "LOG_FORMAT": "json", "SKINSBACK_RATE_LIMIT": "20000/1s", "EVENTS_MAX_BYTES": "16GiB",
	}
	for k, v := range plan.Common {
		common[k] = v
	}
	s.Dispatcher = s.program(plan, "dispatcher", addresses[3], common)
	settings := map[string]string{
		"SKINSBACK_URL": s.Shop.URL(), "SKINSBACK_CLIENT_ID": skinsbacktest.ClientID, "SKINSBACK_CLIENT_SECRET": skinsbacktest.ClientSecret,
	}
	if plan.Hooks {
		settings["WEBHOOK_ADDR"], settings["WEBHOOK_PUBLIC_URL"] = addresses[5], "http://"+addresses[5]
		settings["WEBHOOK_SECRET"] = "of-this-measurement-only"
	}
	s.Worker = s.program(plan, "worker-skinsback", addresses[4], common, settings)
	for i, w := range plan.More {
		s.More = append(s.More, s.program(plan, w.Program, addresses[6+i], common, w.Settings))
	}
	return nil
}

// prepareServer describes nats-server.
func (s *System) prepareServer(plan Plan, listen, monitor, profile string) error {
	_, profilePort, err := net.SplitHostPort(profile)
	if err != nil {
		return err
	}
	s.url, s.config = "nats://"+listen, filepath.Join(s.dir, "nats.conf")
	s.lines = fmt.Sprintf("listen: %q\nhttp: %q\nprof_port: %s\nmax_payload: 256KB\njetstream {\n  store_dir: %q\n  max_file_store: 32GB\n",
		listen, monitor, profilePort, filepath.Join(s.dir, "store"))
	s.NATS = &Process{
		Name: s.Name + "/nats-server", Program: "nats-server", path: filepath.Join(plan.Programs, "nats-server"),
		args: []string{"-c", s.config}, env: os.Environ(), log: filepath.Join(s.dir, "nats-server.log"), patience: plan.Patience,
		ready: "http://" + monitor + "/healthz", heap: "http://" + profile + "/debug/pprof/heap",
	}
	return s.Always(plan.Always)
}

// Always says whether the server syncs every message from its next start on.
func (s *System) Always(yes bool) error {
	text := s.lines + "}\n"
	if yes {
		text = s.lines + "  sync_interval: always\n}\n"
	}
	return os.WriteFile(s.config, []byte(text), 0o600)
}

// program describes one of ours.
func (s *System) program(plan Plan, name, address string, settings ...map[string]string) *Process {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "HTTP_ADDR=" + address}
	for _, set := range settings {
		for k, v := range set {
			env = append(env, k+"="+v)
		}
	}
	return &Process{
		Name: s.Name + "/" + name, Program: name, path: filepath.Join(plan.Programs, name), env: env, patience: plan.Patience,
		log: filepath.Join(s.dir, name+".log"), ready: "http://" + address + "/readyz", heap: "http://" + address + "/debug/pprof/heap",
	}
}

// Renew starts the worker of SkinsBack again with these settings beside its own.
func (s *System) Renew(ctx context.Context, extra map[string]string) error {
	if err := s.Worker.End(syscall.SIGTERM); err != nil {
		return err
	}
	env := s.Worker.env
	defer func() { s.Worker.env = env }() // for the next start
	for k, v := range extra {
		s.Worker.env = append(slices.Clip(s.Worker.env), k+"="+v)
	}
	return s.Begin(ctx, s.Worker)
}

// Stop ends whatever runs.
func (s *System) Stop() {
	if s == nil {
		return
	}
	if s.NC != nil {
		s.NC.Close()
	}
	for _, p := range slices.Backward(s.Processes()) {
		if p != nil {
			_ = p.End(syscall.SIGKILL) // its files are removed next
		}
	}
}
