package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/beltline-io/beltline/test/crash/procs"
)

// patience is for what must come. It is generous, because a loaded machine is
// not a broken one.
const patience = 2 * time.Minute

// programs are restarted in this order, all first replicas before the second
// ones, so that the next to go is never the one that has just come.
var programs = []string{"dispatcher", "worker-gamesdrop", "worker-balancesteam", "worker-skinsback", "worker-exchanger"}

// rig is Beltline in processes of its own, with the shops in this one.
type rig struct {
	dir    string
	shops  *shops
	server *procs.Server
	procs  []*program
	closed []func()
}

// program is one replica of a program, and where its present life is asked how
// it does.
type program struct {
	*procs.Process
	mu   sync.Mutex
	addr string
}

// newRig builds everything and starts it. What it has started ends with close.
func newRig(ctx context.Context) (r *rig, err error) {
	r = &rig{}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.dir, err = os.MkdirTemp("", "beltline-lifecycle-"); err != nil {
		return r, err
	}
	targets := []string{procs.NATSServer}
	for _, name := range programs {
		targets = append(targets, "./cmd/"+name)
	}
	if err := procs.Build(ctx, filepath.Join(r.dir, "bin"), targets...); err != nil {
		return r, err
	}
	r.shops = openShops()
	r.closed = append(r.closed, r.shops.close)
	if err := r.startServer(ctx); err != nil {
		return r, err
	}
	for range 2 {
		for _, name := range programs {
			if err := r.add(name); err != nil {
				return r, err
			}
		}
	}
	for _, p := range r.procs {
		if err := p.begin(ctx); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (r *rig) startServer(ctx context.Context) error {
	journal := new(procs.Journal)
	out, err := procs.NewOutput(filepath.Join(r.dir, "nats-server.log"), nil)
	if err != nil {
		return err
	}
	if r.server, err = procs.NewServer(filepath.Join(r.dir, "bin", "nats-server"), filepath.Join(r.dir, "nats"), out, journal); err != nil {
		return err
	}
	if err := r.server.Start(); err != nil {
		return err
	}
	r.closed = append(r.closed, func() { r.server.Kill("the end") })
	return r.server.AwaitListening(ctx)
}

// add prepares a replica of a program.
func (r *rig) add(name string) error {
	p := &program{}
	n := len(r.procs)
	out, err := procs.NewOutput(filepath.Join(r.dir, fmt.Sprintf("%s-%d.log", name, n)), p.hear)
	if err != nil {
		return err
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "GOMAXPROCS=1", "NATS_URL=" + r.server.URL(), "LOG_LEVEL=info", "LOG_FORMAT=json",
		"BALANCESTEAM_RATE_LIMIT=100000/1s", "GAMESDROP_RATE_LIMIT=100000/1s", "SKINSBACK_RATE_LIMIT=100000/1s", "EXCHANGER_RATE_LIMIT=100000/1s",
		"POLL_FIRST=100ms", "POLL_MAX=1s",
		"EVENTS_MAX_BYTES=1GiB", "ORDERS_MAX_BYTES=256MiB", "DLQ_MAX_BYTES=64MiB", "DRAIN_TIMEOUT=30s",
	}
	env = append(env, r.shops.settings(name)...)
	p.Process = &procs.Process{
		Program: name, Name: fmt.Sprintf("%s-%d", name, n), Path: filepath.Join(r.dir, "bin", name), Env: env, Output: out, Journal: new(procs.Journal),
	}
	r.procs = append(r.procs, p)
	r.closed = append(r.closed, func() { p.Kill("the end") })
	return nil
}

// close ends everything that was started.
func (r *rig) close() {
	for _, end := range slices.Backward(r.closed) {
		end()
	}
	_ = os.RemoveAll(r.dir)
}

// hear takes a line of the log.
func (p *program) hear(line []byte) {
	var said struct{ Addr, Message string }
	if json.Unmarshal(line, &said) == nil && said.Message == "health and metrics were served" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.addr = said.Addr
	}
}

func (p *program) address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addr
}

// begin starts the program and waits until it is ready.
func (p *program) begin(ctx context.Context) error {
	p.mu.Lock()
	p.addr = ""
	p.mu.Unlock()
	if err := p.Start(); err != nil {
		return err
	}
	return awaitTrue(ctx, p.Name+" is ready", func() bool {
		addr := p.address()
		return addr != "" && ready(ctx, addr)
	})
}

// restart ends the program as a deployment does and starts it again.
func (p *program) restart(ctx context.Context) error {
	p.Terminate(patience)
	return p.begin(ctx)
}

func ready(ctx context.Context, addr string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// awaitTrue asks again and again, for what cannot be waited for otherwise.
func awaitTrue(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("never came true: %s", what)
		}
	}
	return nil
}
