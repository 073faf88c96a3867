package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/beltline-io/beltline/test/crash/procs"
)

// serverEnv makes this very program a nats-server: the one that the module pins,
// without another build.
const serverEnv = "BELTLINE_STORAGE_SERVER"

// serveIfAsked turns this process into a nats-server where its parent says so,
// and ends it with that server.
func serveIfAsked() {
	file := os.Getenv(serverEnv)
	if file == "" {
		return
	}
	o := &server.Options{}
	err := o.ProcessConfigFile(file)
	if err == nil {
		var srv *server.Server
		if srv, err = server.NewServer(o); err == nil {
			srv.ConfigureLogger()
			srv.Start()
			srv.WaitForShutdown()
			os.Exit(0)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// store is the server of one trial and the folder of its data.
type store struct {
	*procs.Process
	port   int
	name   string // by which it is told from another server on its port
	dir    string // everything of the server
	config string
	output *procs.Output
}

// Ports below those that systems give to clients: nobody else takes the port of
// a server that is down for a moment.
const lowestPort, ports = 21000, 11000

// taken are the ports of the trials of this process, whether their servers run
// or not.
var taken = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// newStore prepares a server; it is not started. first chooses its port.
func newStore(dir string, first uint64) (*store, error) {
	s := &store{dir: dir, name: filepath.Base(dir), config: filepath.Join(dir, "nats.conf")}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	taken.Lock()
	defer taken.Unlock()
	for i := range uint64(ports) {
		s.port = lowestPort + int((first+i)%ports) //nolint:gosec // small
		free, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			_ = free.Close()
			if !taken.ports[s.port] {
				taken.ports[s.port] = true
				break
			}
		}
	}
	var err error
	if s.output, err = procs.NewOutput(filepath.Join(dir, "server.log"), nil); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s.Process = &procs.Process{
		Program: "nats-server", Name: "nats-server", Path: self, Output: s.output, Journal: &procs.Journal{},
		Env: append(os.Environ(), serverEnv+"="+s.config, "GOMAXPROCS=2"),
	}
	return s, s.configure(1 << 30)
}

// configure writes the configuration for the next start. Every write is synced
// before it is acknowledged, as production does on one node.
func (s *store) configure(maxStore int64) error {
	return os.WriteFile(s.config, fmt.Appendf(nil, `
listen: "127.0.0.1:%d"
server_name: %q
max_payload: 256KB
jetstream { store_dir: %q, sync_interval: always, max_file_store: %d }
`, s.port, s.name, s.data(), maxStore), 0o600)
}

func (s *store) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.port) }

// data is the folder that a nemesis may spoil.
func (s *store) data() string { return filepath.Join(s.dir, "store") }

// streams is where the server keeps the streams.
func (s *store) streams() string {
	return filepath.Join(s.data(), "jetstream", server.DEFAULT_GLOBAL_ACCOUNT, "streams")
}

// up starts the server and waits until it takes connections. A server that ends
// by itself is tried again a few times: its port may be in use for a moment.
func (s *store) up(ctx context.Context) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for starts := 0; ; {
		if !s.Running() {
			if starts++; starts > 5 {
				return errors.New("the server does not start")
			}
			if err := s.Start(); err != nil {
				return err
			}
		}
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			return c.Close()
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("the server does not listen: %w", ctx.Err())
		}
	}
}

// down ends the server: by kill -9, or in order.
func (s *store) down(kill bool) {
	if kill {
		s.Kill("")
		return
	}
	s.Terminate(20 * time.Second)
}
