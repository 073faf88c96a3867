package procs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// SystemUser and SystemPassword are those of the system account of a cluster,
// which alone may make the meta leader step down. Everybody else needs none.
const (
	SystemUser     = "system"
	SystemPassword = "system"
)

// Cluster is some nats-servers with JetStream, each in a process of its own.
// Every route between two of them goes through a proxy, so that nodes can be
// parted without any right on the machine's network.
type Cluster struct {
	Nodes  []*Server
	routes map[pair]*Proxy
}

// pair is a route that one node opens to another.
type pair struct{ from, to int }

// NodeName is what a node is called, in its own words and in the journal.
func NodeName(i int) string { return fmt.Sprintf("nats-server-%d", i) }

// NewCluster prepares n servers with their stores below dir. None is started.
// output makes what keeps the words of a node.
func NewCluster(binary, dir string, n int, output func(name string) (*Output, error), journal *Journal) (*Cluster, error) {
	ports, err := freePorts(3 * n)
	if err != nil {
		return nil, err
	}
	c := &Cluster{routes: map[pair]*Proxy{}}
	for i := range n {
		var routes []string
		for j := range n {
			if i == j {
				continue
			}
			p, err := NewProxy(NodeName(i)+" to "+NodeName(j), address(ports[3*j+1]), journal)
			if err != nil {
				return nil, errors.Join(err, c.Close())
			}
			c.routes[pair{i, j}] = p
			routes = append(routes, "nats-route://"+strings.TrimPrefix(p.URL(), "nats://"))
		}
		home := filepath.Join(dir, NodeName(i))
		file, err := writeConfig(home, nodeConfig(i, ports[3*i:3*i+3], routes, home))
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		out, err := output(NodeName(i))
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.Nodes = append(c.Nodes, &Server{port: ports[3*i], monitor: ports[3*i+2], Process: &Process{
			Program: serverProgram, Name: NodeName(i), Path: binary, Args: []string{"-c", file},
			Env: append(os.Environ(), "GOMAXPROCS=2"), Output: out, Journal: journal,
		}})
	}
	return c, nil
}

// nodeConfig is the configuration of a node. Nodes tell each other and their
// clients where the others are; what they tell here leads nowhere, since a
// connection past its proxy could not be parted. Three copies stand in for the
// disk, as in production, so nothing is synced by itself.
func nodeConfig(i int, ports []int, routes []string, home string) string {
	return fmt.Sprintf(`
server_name: %q
listen: %q
http: %q
max_payload: 256KB
jetstream {
  store_dir: %q
  max_file_store: 8GB
}
cluster {
  name: rig
  listen: %q
  routes: [%s]
  no_advertise: true
  cluster_advertise: "127.0.0.1:1"
}
accounts { $SYS { users: [{user: %q, password: %q}] } }
`, NodeName(i), address(ports[0]), address(ports[2]), filepath.Join(home, "store"), address(ports[1]), strings.Join(routes, ", "), SystemUser, SystemPassword)
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func writeConfig(home, text string) (file string, err error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return "", err
	}
	file = filepath.Join(home, "nats.conf")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// Ports are taken below those that systems give to outgoing connections: one of
// these would else sit on the port of a server that is away for a moment.
const (
	lowestPort  = 12000
	highestPort = 32000
)

// freePorts returns n ports that nobody listens on at this moment.
func freePorts(n int) ([]int, error) {
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		port := lowestPort + rand.IntN(highestPort-lowestPort) //nolint:gosec // any will do
		l, err := net.Listen("tcp", address(port))
		switch {
		case err == nil:
			defer func() { _ = l.Close() }() // all held until all are known, so that they differ
			ports = append(ports, port)
		case tries > 100*n:
			return nil, err
		}
	}
	return ports, nil
}

// URL names all nodes.
func (c *Cluster) URL() string {
	urls := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		urls[i] = n.URL()
	}
	return strings.Join(urls, ",")
}

// Node is the number of the node with that name, or -1.
func (c *Cluster) Node(name string) int {
	for i, n := range c.Nodes {
		if n.Name == name {
			return i
		}
	}
	return -1
}

// Isolate holds back all that node i and the others tell each other. Clients
// still reach it. Where broken, the connections are broken as well, as a
// firewall that forgets them does; new ones are held back like the old.
func (c *Cluster) Isolate(i int, broken bool) {
	c.around(i, func(p *Proxy) {
		p.Hold()
		if broken {
			p.Reset()
		}
	})
}

// Rejoin lets node i and the others hear each other again.
func (c *Cluster) Rejoin(i int) { c.around(i, (*Proxy).Release) }

func (c *Cluster) around(i int, do func(*Proxy)) {
	for between, p := range c.routes {
		if between.from == i || between.to == i {
			do(p)
		}
	}
}

// Close ends the proxies; the nodes are processes, and end as such.
func (c *Cluster) Close() error {
	for _, p := range c.routes {
		p.Close()
	}
	return nil
}

// Leaders tell who leads what: "" is the cluster itself, a stream has its name,
// a consumer "<stream>/<consumer>".
type Leaders map[string]string

// Meta is the key of the cluster's own leader.
const Meta = ""

// Leaders asks the nodes, one after the other, until one answers that knows a
// leader. A node that is paused or parted may tell of the past.
func (c *Cluster) Leaders(ctx context.Context) (Leaders, error) {
	var faults []error
	for _, n := range c.Nodes {
		all, err := n.leaders(ctx)
		if err == nil && all[Meta] != "" {
			return all, nil
		}
		faults = append(faults, fmt.Errorf("%s: %w", n.Name, err))
	}
	return nil, fmt.Errorf("nobody knows who leads: %w", errors.Join(faults...))
}

// LeadersAt asks one node: what it takes for the truth.
func (c *Cluster) LeadersAt(ctx context.Context, name string) (Leaders, error) {
	i := c.Node(name)
	if i < 0 {
		return nil, fmt.Errorf("there is no node %q", name)
	}
	return c.Nodes[i].leaders(ctx)
}

// leaders asks one node.
func (s *Server) leaders(ctx context.Context) (Leaders, error) {
	var said struct {
		Meta struct {
			Leader string `json:"leader"`
		} `json:"meta_cluster"`
		Accounts []struct {
			Streams []struct {
				Name      string                  `json:"name"`
				Cluster   struct{ Leader string } `json:"cluster"`
				Consumers []struct {
					Name    string                  `json:"name"`
					Cluster struct{ Leader string } `json:"cluster"`
				} `json:"consumer_detail"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	body, err := s.ask(ctx, "/jsz?accounts=1&streams=1&consumers=1")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return nil, err
	}
	all := Leaders{Meta: said.Meta.Leader}
	for _, a := range said.Accounts {
		for _, stream := range a.Streams {
			all[stream.Name] = stream.Cluster.Leader
			for _, consumer := range stream.Consumers {
				all[stream.Name+"/"+consumer.Name] = consumer.Cluster.Leader
			}
		}
	}
	return all, nil
}

// ask reads a page of the server's monitoring.
func (s *Server) ask(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address(s.monitor)+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("HTTP %d: %.300s", resp.StatusCode, body)
	}
	return body, err
}

// Start starts all nodes that do not run.
func (c *Cluster) Start() error {
	for _, n := range c.Nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	return nil
}

// AwaitHealthy waits until the cluster has a leader, all nodes take part, and
// each has caught up with every stream and consumer that it holds a copy of.
func (c *Cluster) AwaitHealthy(ctx context.Context) error {
	for _, n := range c.Nodes {
		if err := n.AwaitListening(ctx); err != nil {
			return err
		}
	}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := c.healthy(ctx)
		if err == nil {
			return nil
		}
		if err := c.Start(); err != nil { // a port was taken for a moment
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("the cluster is not healthy: %w", err)
		}
	}
}

func (c *Cluster) healthy(ctx context.Context) error {
	for _, n := range c.Nodes {
		if _, err := n.ask(ctx, "/healthz"); err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
	}
	leaders, err := c.Leaders(ctx)
	if err != nil {
		return err
	}
	i := c.Node(leaders[Meta])
	if i < 0 {
		return fmt.Errorf("nobody leads")
	}
	var said struct {
		Meta struct {
			Size     int                               `json:"cluster_size"`
			Replicas []struct{ Current, Offline bool } `json:"replicas"`
		} `json:"meta_cluster"`
	}
	body, err := c.Nodes[i].ask(ctx, "/jsz")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return err
	}
	current := 0
	for _, r := range said.Meta.Replicas {
		if r.Current && !r.Offline {
			current++
		}
	}
	if said.Meta.Size != len(c.Nodes) || current != len(c.Nodes)-1 {
		return fmt.Errorf("%d of %d nodes follow the leader", current, len(c.Nodes)-1)
	}
	return nil
}
