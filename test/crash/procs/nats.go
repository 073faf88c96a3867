package procs

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Server is a nats-server in a process of its own. Only such a one can be
// killed without a chance to close its store.
type Server struct {
	*Process
	port    int
	monitor int // of a cluster's node; 0 for a server that stands alone
}

// serverProgram is what every server is in the journal.
const serverProgram = "nats-server"

// NewServer prepares a server with its store and its configuration in dir. It is
// not started. Its port is chosen now and kept over all its lives.
func NewServer(binary, dir string, output *Output, journal *Journal) (*Server, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	port := ports[0]
	// Every write is synced before it is acknowledged, as production does on one node.
	config := fmt.Sprintf(`
listen: "127.0.0.1:%d"
max_payload: 256KB
jetstream {
  store_dir: %q
  sync_interval: always
  max_file_store: 8GB
}
`, port, filepath.Join(dir, "store"))
	file, err := writeConfig(dir, config)
	if err != nil {
		return nil, err
	}
	return &Server{port: port, Process: &Process{
		Program: serverProgram, Name: serverProgram, Path: binary, Args: []string{"-c", file},
		Env: append(os.Environ(), "GOMAXPROCS=2"), Output: output, Journal: journal,
	}}, nil
}

// URL is where clients connect.
func (s *Server) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.port) }

// AwaitListening waits until the port is open.
func (s *Server) AwaitListening(ctx context.Context) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			return c.Close()
		}
		if !s.Running() {
			if err := s.Start(); err != nil { // its port was taken for a moment
				return err
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("nats-server does not listen: %w", ctx.Err())
		}
	}
}
