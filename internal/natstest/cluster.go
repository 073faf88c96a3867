package natstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Cluster is a JetStream cluster within this process, over loopback sockets.
// Its methods may be called from several goroutines; they return errors where
// a goroutine other than the test's own could not fail the test.
type Cluster struct {
	opts []*server.Options

	mu    sync.Mutex
	nodes []*server.Server // nil where stopped
}

// StartCluster runs n nodes until the test ends. It returns when they have
// elected a meta leader and all follow it.
func StartCluster(t testing.TB, n int, opts ...Option) *Cluster {
	t.Helper()
	var set settings
	for _, o := range opts {
		o(&set)
	}
	// A free port can be taken by somebody else before the node listens on it.
	const attempts = 3
	var err error
	for i := range attempts {
		c := &Cluster{nodes: make([]*server.Server, n)}
		if err = c.configure(filepath.Join(t.TempDir(), fmt.Sprint(i)), n, set); err == nil {
			err = c.startAll()
		}
		if err == nil {
			t.Cleanup(c.stopAll)
			return c
		}
		c.stopAll()
	}
	t.Fatalf("natstest: cluster did not start: %v", err)
	return nil
}

func (c *Cluster) configure(dir string, n int, set settings) error {
	ports, err := freePorts(2 * n)
	if err != nil {
		return err
	}
	var routes []*url.URL
	for i := range n {
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("%s:%d", loopback, ports[i])})
	}
	for i := range n {
		o := baseOptions(filepath.Join(dir, fmt.Sprint(i)))
		o.ServerName = fmt.Sprintf("node-%d", i)
		o.Port = ports[n+i]
		o.Cluster = server.ClusterOpts{Name: "natstest", Host: loopback, Port: ports[i]}
		o.Routes = routes
		for _, edit := range set.edits {
			edit(o)
		}
		c.opts = append(c.opts, o)
	}
	return nil
}

// freePorts returns n loopback ports that nobody listens on at this moment.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
		if err != nil {
			return nil, fmt.Errorf("natstest: no free port: %w", err)
		}
		defer l.Close() // all held until all are known, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func (c *Cluster) startAll() error {
	errs := make(chan error, len(c.opts))
	for i := range c.opts {
		go func() { errs <- c.launch(i) }()
	}
	var all error
	for range c.opts {
		all = errors.Join(all, <-errs)
	}
	if all != nil {
		return all
	}
	return c.WaitReady()
}

func (c *Cluster) launch(i int) error {
	c.mu.Lock()
	running := c.nodes[i] != nil
	c.mu.Unlock()
	if running {
		return nil
	}
	srv, err := run(c.opts[i])
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[i] = srv
	return nil
}

func (c *Cluster) stopAll() {
	var wg sync.WaitGroup
	for i := range c.nodes {
		wg.Go(func() { c.StopNode(i) })
	}
	wg.Wait()
}

// StopNode shuts node i down and waits until it has closed its store.
func (c *Cluster) StopNode(i int) {
	c.mu.Lock()
	srv := c.nodes[i]
	c.nodes[i] = nil
	c.mu.Unlock()
	if srv != nil {
		stop(srv)
	}
}

// StartNode starts node i on its old store and ports, and returns when the
// running nodes follow one meta leader.
func (c *Cluster) StartNode(i int) error {
	if err := c.launch(i); err != nil {
		return err
	}
	return c.WaitReady()
}

// WaitReady returns when the running nodes have one meta leader and are
// current with it.
func (c *Cluster) WaitReady() error {
	return until("the cluster to be ready", func() bool {
		leaders, current, known, running := 0, 0, 0, c.running()
		for _, s := range running {
			if s.JetStreamIsLeader() {
				leaders++
				known = len(s.JetStreamClusterPeers()) // it places replicas on no others
			}
			if s.JetStreamIsCurrent() {
				current++
			}
		}
		return leaders == 1 && current == len(running) && known >= len(running)
	})
}

func (c *Cluster) running() map[int]*server.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	up := make(map[int]*server.Server)
	for i, s := range c.nodes {
		if s != nil {
			up[i] = s
		}
	}
	return up
}

// Leader is the node that leads the stream, or -1 while there is none.
func (c *Cluster) Leader(stream string) int {
	for i, s := range c.running() {
		if s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
			return i
		}
	}
	return -1
}

// WaitLeader returns the node that leads the stream as soon as there is one.
func (c *Cluster) WaitLeader(stream string) (int, error) {
	leader := -1
	err := until("a leader of "+stream, func() bool {
		leader = c.Leader(stream)
		return leader >= 0
	})
	return leader, err
}

// WaitCurrent returns when the stream has a leader and every running node has
// caught up with it. To stop a node before that can take the majority away.
func (c *Cluster) WaitCurrent(stream string) error {
	return until(stream+" to be current everywhere", func() bool {
		for _, s := range c.running() {
			if !s.JetStreamIsStreamCurrent(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
				return false
			}
		}
		return c.Leader(stream) >= 0
	})
}

// StepDown makes the leader of the stream resign, and returns when there is a
// leader again (with two others to choose from, hardly ever the same).
func (c *Cluster) StepDown(stream string) error {
	i, err := c.WaitLeader(stream)
	if err != nil {
		return err
	}
	if srv := c.running()[i]; srv != nil {
		if err := srv.JetStreamStepdownStream(server.DEFAULT_GLOBAL_ACCOUNT, stream); err != nil {
			return fmt.Errorf("natstest: step down: %w", err)
		}
	}
	_, err = c.WaitLeader(stream)
	return err
}

// URL names all nodes, separated by commas.
func (c *Cluster) URL() string {
	urls := make([]string, len(c.opts))
	for i := range c.opts {
		urls[i] = c.NodeURL(i)
	}
	return strings.Join(urls, ",")
}

// NodeURL is where node i listens.
func (c *Cluster) NodeURL(i int) string {
	return fmt.Sprintf("nats://%s:%d", loopback, c.opts[i].Port)
}

// Conn connects to any node, and to another one when that node stops.
func (c *Cluster) Conn(t testing.TB, opts ...nats.Option) *nats.Conn {
	t.Helper()
	return connect(t, c.URL(), opts...)
}

// JS is JetStream over a connection of its own.
func (c *Cluster) JS(t testing.TB) jetstream.JetStream {
	t.Helper()
	return newJS(t, c.Conn(t))
}

// until polls cond. The servers announce none of these changes within the
// process, so there is no event to wait for.
func until(what string, cond func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("natstest: waited %s for %s", Patience, what)
		}
	}
	return nil
}
