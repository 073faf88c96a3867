package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/test/crash/procs"
)

// node is a nats-server in a process of its own.
type node struct {
	*procs.Process
	url string
}

// newNodes prepares one server, or a cluster of more. None is started.
func (s *system) newNodes(n int) error {
	ports, err := freePorts(2 * n)
	if err != nil {
		return err
	}
	var routes []string
	for i := range n {
		routes = append(routes, fmt.Sprintf("nats-route://127.0.0.1:%d", ports[n+i]))
	}
	for i := range n {
		name := fmt.Sprintf("nats-%d", i+1)
		dir := filepath.Join(s.dir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		config := fmt.Sprintf("server_name: %q\nlisten: \"127.0.0.1:%d\"\nmax_payload: 256KB\njetstream {\n  store_dir: %q\n  max_file_store: 8GB\n",
			name, ports[i], filepath.Join(dir, "store"))
		if n == 1 {
			config += "  sync_interval: always\n}\n" // as production does on one node
		} else {
			config += fmt.Sprintf("}\ncluster {\n  name: limit\n  listen: \"127.0.0.1:%d\"\n  routes: [%s]\n}\n", ports[n+i], strings.Join(routes, ", "))
		}
		file := filepath.Join(dir, "nats.conf")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return err
		}
		out, err := procs.NewOutput(filepath.Join(s.dir, name+".log"), nil)
		if err != nil {
			return err
		}
		s.outputs = append(s.outputs, out)
		s.nodes = append(s.nodes, &node{url: fmt.Sprintf("nats://127.0.0.1:%d", ports[i]), Process: &procs.Process{
			Program: "nats-server", Name: name, Path: filepath.Join(s.programs, "nats-server"), Args: []string{"-c", file},
			Env: append(os.Environ(), "GOMAXPROCS=2"), Output: out, Journal: s.journal,
		}})
	}
	return nil
}

// freePorts returns ports that nobody listens on at this moment.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() //nolint:errcheck // all held until all are known, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func (s *system) urls() string {
	var all []string
	for _, n := range s.nodes {
		all = append(all, n.url)
	}
	return strings.Join(all, ",")
}

// connect starts the servers and waits until their JetStream answers.
func (s *system) connect(ctx context.Context) error {
	for _, n := range s.nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	for s.nc == nil {
		nc, err := nats.Connect(s.urls(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		if err == nil {
			s.nc = nc
		} else if !pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("nats-server does not listen: %w", ctx.Err())
		}
	}
	var err error
	if s.js, err = jetstream.New(s.nc); err != nil {
		return err
	}
	return s.until(ctx, "JetStream answers", func(ctx context.Context) bool {
		// A question from before the first leader is never answered.
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := s.js.AccountInfo(ctx)
		return err == nil
	})
}

// leads is the node that leads the permit stream, nil while there is none.
func (s *system) leads(ctx context.Context) *node {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	stream, err := s.js.Stream(ctx, s.provider.PermitStream())
	if err != nil || stream.CachedInfo().Cluster == nil {
		return nil
	}
	for _, n := range s.nodes {
		if n.Name == stream.CachedInfo().Cluster.Leader {
			return n
		}
	}
	return nil
}
