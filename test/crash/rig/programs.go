package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/beltline-io/beltline/test/crash/procs"
)

// naiveProgram is the worker of the control run.
const naiveProgram = "naive"

// worker is the name of the program that serves a provider.
func (o *Options) worker(provider string) string {
	if provider == o.Naive {
		return naiveProgram
	}
	return "worker-" + provider
}

// build makes everything that a run needs.
func (o *Options) build(ctx context.Context, dir string, tags ...string) error {
	paths := []string{procs.NATSServer, "./cmd/dispatcher"}
	if len(tags) > 0 {
		paths = slices.Insert(paths, 0, "-tags", strings.Join(tags, ","))
	}
	for _, p := range o.Providers {
		if o.worker(p) == naiveProgram {
			paths = append(paths, "./test/crash/naive")
		} else {
			paths = append(paths, "./cmd/"+o.worker(p))
		}
	}
	return procs.Build(ctx, dir, paths...)
}

// member is one replica of a program of ours.
type member struct {
	*procs.Process
	provider string // empty for a dispatcher
	network  way    // between it and the servers; empty where it is connected directly
	together bool   // it stores in batches whatever it can

	sound []string // its environment without faults
	began int      // how much it had printed before the life of a case

	mu    sync.Mutex
	ready string // address of health
	door  string // address for callbacks
}

// learn reads from a line of the log where the member can be reached.
func (m *member) learn(line []byte) {
	if !strings.Contains(string(line), `"addr"`) {
		return
	}
	var said struct{ Message, Addr string }
	if json.Unmarshal(line, &said) != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch said.Message {
	case "health and metrics were served":
		m.ready = said.Addr
	case "door for callbacks opened":
		m.door = said.Addr
	}
}

// startWith starts the member with faults of its own, or with none.
func (m *member) startWith(faults string) error {
	m.Env = m.sound
	if faults != "" {
		m.Env = append(slices.Clone(m.sound), "FAILPOINTS="+faults)
	}
	return m.Start()
}

// callbacks is where the member takes callbacks; empty while it does not run.
func (m *member) callbacks() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.Running() {
		return ""
	}
	return m.door
}

// fleet is all processes of a run.
type fleet struct {
	journal *procs.Journal
	server  *procs.Server  // the first, or the only one
	cluster *procs.Cluster // nil where one server stands alone
	members []*member
	outputs map[string]*procs.Output
}

// newFleet prepares all processes; none is started.
func newFleet(o *Options, bundle, programs string, s *shops, public map[string]string) (*fleet, error) {
	f := &fleet{journal: &procs.Journal{}, outputs: map[string]*procs.Output{}}
	logs := filepath.Join(bundle, "logs")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return nil, err
	}
	output := func(name string, watch func([]byte)) (*procs.Output, error) {
		out, err := procs.NewOutput(filepath.Join(logs, name+".log"), watch)
		f.outputs[name] = out
		return out, err
	}
	if err := f.servers(o, bundle, programs, output); err != nil {
		return nil, err
	}
	add := func(program, provider string, replica int, env map[string]string) error {
		m := &member{provider: provider}
		name := fmt.Sprintf("%s-%d", program, replica)
		out, err := output(name, m.learn)
		if err == nil && replica > 0 { // the first one needs no way round
			m.network, err = newWay(name, f.urls(), f.journal)
		}
		if err != nil {
			return err
		}
		if len(m.network) > 0 {
			env = maps.Clone(env)
			env["NATS_URL"] = m.network.url()
		}
		m.Process = &procs.Process{
			Program: program, Name: name, Path: filepath.Join(programs, program), Output: out, Journal: f.journal,
			Env: append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + bundle, "GOMAXPROCS=1"}, assignments(env)...),
		}
		if m.together = o.Failpoints && replica%2 == 1; m.together { // kills are to meet batches, and batches those who write alone
			m.Env = append(m.Env, "GROUPCOMMIT=eager")
		}
		m.sound = m.Env
		f.members = append(f.members, m)
		return nil
	}
	common := o.common(f.urls())
	for replica := range o.Replicas {
		err := add("dispatcher", "", replica, common)
		for _, p := range o.Providers {
			env := maps.Clone(common)
			maps.Copy(env, s.env(p))
			if public[p] != "" {
				maps.Copy(env, map[string]string{"WEBHOOK_ADDR": "127.0.0.1:0", "WEBHOOK_PUBLIC_URL": public[p]})
			}
			if err == nil {
				err = add(o.worker(p), p, replica, env)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// common is what every program is told.
func (o *Options) common(urls string) map[string]string {
	env := o.times()
	maps.Copy(env, map[string]string{
		"NATS_URL": urls, "NATS_REPLICAS": strconv.Itoa(o.Nodes), "LOG_LEVEL": "info", "LOG_FORMAT": "json",
		"EVENTS_MAX_BYTES": "3GiB", "ORDERS_MAX_BYTES": "256MiB", "DLQ_MAX_BYTES": "256MiB",
	})
	for _, p := range Providers() {
		// Out of the way, so that the load is what breaks.
		env[strings.ToUpper(p)+"_RATE_LIMIT"] = fmt.Sprintf("%d/%s", o.limit.Requests, o.limit.Window)
	}
	if o.Mutant != "" {
		env["MUTANT"] = o.Mutant
	}
	return env
}

// servers prepares the one server, or the nodes of a cluster.
func (f *fleet) servers(o *Options, bundle, programs string, output func(name string, watch func([]byte)) (*procs.Output, error)) error {
	binary := filepath.Join(programs, "nats-server")
	if o.Nodes == 1 {
		out, err := output("nats-server", nil)
		if err == nil {
			f.server, err = procs.NewServer(binary, filepath.Join(bundle, "nats"), out, f.journal)
		}
		return err
	}
	own := func(name string) (*procs.Output, error) { return output(name, nil) }
	var err error
	if f.cluster, err = procs.NewCluster(binary, filepath.Join(bundle, "nats"), o.Nodes, own, f.journal); err != nil {
		return err
	}
	f.server = f.cluster.Nodes[0]
	return nil
}

// urls is where clients connect.
func (f *fleet) urls() string {
	if f.cluster != nil {
		return f.cluster.URL()
	}
	return f.server.URL()
}

func assignments(env map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		all = append(all, name+"="+env[name])
	}
	return all
}

// startAll starts everything, the workers first: they wait for the streams.
func (f *fleet) startAll(ctx context.Context) error {
	if err := f.startServers(ctx); err != nil {
		return err
	}
	for _, m := range slices.Backward(f.members) {
		if err := m.Start(); err != nil {
			return err
		}
	}
	return f.awaitReady(ctx)
}

// startServers starts every server that does not run, and waits until they work.
func (f *fleet) startServers(ctx context.Context) error {
	if f.cluster == nil {
		if err := f.server.Start(); err != nil {
			return err
		}
		return f.server.AwaitListening(ctx)
	}
	if err := f.cluster.Start(); err != nil {
		return err
	}
	return f.cluster.AwaitHealthy(ctx)
}

// nodes are all servers.
func (f *fleet) nodes() []*procs.Server {
	if f.cluster != nil {
		return f.cluster.Nodes
	}
	return []*procs.Server{f.server}
}

// awaitReady waits until every member says that it does its work. One that
// ended by itself meanwhile is started again.
func (f *fleet) awaitReady(ctx context.Context) error {
	for _, m := range f.members {
		for {
			m.mu.Lock()
			addr := m.ready
			m.mu.Unlock()
			if m.Running() && addr != "" && answers(ctx, "http://"+addr+"/readyz") {
				break
			}
			if !m.Running() {
				if err := m.Start(); err != nil {
					return err
				}
			}
			if !pause(ctx, 50*time.Millisecond) {
				return fmt.Errorf("%s is not ready: %w", m.Name, ctx.Err())
			}
		}
	}
	return nil
}

func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// mend ends every pause and starts whatever does not run.
func (f *fleet) mend(ctx context.Context) error {
	for i, n := range f.nodes() {
		n.Continue()
		if f.cluster != nil {
			f.cluster.Rejoin(i)
		}
	}
	if err := f.startServers(ctx); err != nil {
		return err
	}
	for _, m := range f.members {
		m.network.release()
		m.Continue()
		if err := m.Start(); err != nil {
			return err
		}
	}
	return nil
}

// end ends all processes, ours first and gently.
func (f *fleet) end(patience time.Duration) {
	var group sync.WaitGroup
	for _, m := range f.members {
		m.Continue()
		group.Go(func() { m.Terminate(patience) })
	}
	group.Wait()
	for _, m := range f.members {
		m.network.close()
	}
	for _, n := range f.nodes() {
		n.Continue()
		group.Go(func() { n.Terminate(patience) })
	}
	group.Wait()
	if f.cluster != nil {
		_ = f.cluster.Close() // nothing goes through it any more
	}
	for _, out := range f.outputs {
		_ = out.Close()
	}
}

// of are the members that run a program for a provider.
func (f *fleet) of(provider string) []*member {
	return slices.DeleteFunc(slices.Clone(f.members), func(m *member) bool { return m.provider != provider })
}

// logs are what all processes printed.
func (f *fleet) logs() map[string]string {
	all := map[string]string{}
	for name, out := range f.outputs {
		if text, err := out.Text(); err == nil {
			all[name] = text
		}
	}
	return all
}
