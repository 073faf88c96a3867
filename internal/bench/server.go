package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const loopback = "127.0.0.1"

// serverTask is what a nats-server is told.
type serverTask struct {
	Name   string `json:"name"`
	Store  string `json:"store"`
	Always bool   `json:"always"`
	// Routes are the ports of all nodes of a cluster, Node is which of them is
	// ours; none for a server that stands alone.
	Routes []int `json:"routes,omitempty"`
	Node   int   `json:"node"`
	// Profiles serves profiles of the server, on a port of their own.
	Profiles int `json:"profiles,omitempty"`
}

// options are those that matter: all else is as nats-server has it by default.
func (t serverTask) options() *server.Options {
	o := &server.Options{
		ServerName: t.Name, Host: loopback, Port: server.RANDOM_PORT, NoSigs: true,
		JetStream: true, StoreDir: t.Store, SyncAlways: t.Always,
		JetStreamMaxMemory: 256 << 20, JetStreamMaxStore: 256 << 30, // streams reserve what they may need, and it is not taken
		MaxPayload: 256 << 10, ProfPort: t.Profiles,
	}
	if len(t.Routes) == 0 {
		return o
	}
	o.Cluster = server.ClusterOpts{Name: "bench", Host: loopback, Port: t.Routes[t.Node]}
	for _, port := range t.Routes {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("%s:%d", loopback, port)})
	}
	return o
}

// start runs the server and returns its address once it can make streams.
func (t serverTask) start() (string, error) {
	srv, err := server.NewServer(t.options())
	if err != nil {
		return "", err
	}
	srv.ConfigureLogger()
	srv.Start()
	if !srv.ReadyForConnections(patience) || !srv.JetStreamEnabled() {
		return "", errors.New("the server did not start")
	}
	deadline := time.Now().Add(patience)
	for again := time.NewTicker(5 * time.Millisecond); len(t.Routes) > 0 && !t.joined(srv); <-again.C {
		if time.Now().After(deadline) {
			return "", errors.New("the cluster has no leader that knows all nodes")
		}
	}
	return srv.ClientURL(), nil
}

// joined reports whether the server is a node that follows a leader, or leads
// all others: before that no stream can have three copies.
func (t serverTask) joined(srv *server.Server) bool {
	if !srv.JetStreamIsCurrent() {
		return false
	}
	return !srv.JetStreamIsLeader() || len(srv.JetStreamClusterPeers()) >= len(t.Routes)
}

// startServers starts what a mode asks for, and returns when it does its work.
// Where profiles are wanted, it also says where the first one serves them.
func startServers(ctx context.Context, dir string, m Mode, profiles bool) (nodes []*process, at string, err error) {
	defer func() {
		if err != nil {
			endAll(nodes)
			nodes = nil
		}
	}()
	ports, err := freePorts(m.nodes() + 1)
	if err != nil {
		return nil, "", err
	}
	for i := range m.nodes() {
		t := serverTask{Name: fmt.Sprintf("nats-server-%d", i+1), Always: m.always(), Node: i}
		t.Store = filepath.Join(dir, t.Name)
		if m.nodes() > 1 {
			t.Routes = ports[:m.nodes()]
		}
		if i == 0 && profiles {
			t.Profiles = ports[m.nodes()]
			at = fmt.Sprintf("http://%s:%d", loopback, t.Profiles)
		}
		p, err := spawn(dir, t.Name, task{Role: roleServer, Server: t})
		if err != nil {
			return nodes, at, err
		}
		nodes = append(nodes, p)
	}
	for _, p := range nodes {
		if err := p.await(ctx); err != nil {
			return nodes, at, err
		}
	}
	return nodes, at, nil
}

// addresses names all servers, as clients are told.
func addresses(nodes []*process) string {
	var all []string
	for _, p := range nodes {
		all = append(all, p.url)
	}
	return strings.Join(all, ",")
}

func endAll(all []*process) {
	for _, p := range all {
		p.end()
	}
}

// Ports of nodes are taken below those that systems give to outgoing
// connections: one of these would else sit on the port of a node.
const (
	lowestPort  = 12000
	highestPort = 32000
)

// freePorts returns n ports that nobody listens on at this moment.
func freePorts(n int) ([]int, error) {
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		port := lowestPort + rand.IntN(highestPort-lowestPort)                    // #nosec G404 -- any will do
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, fmt.Sprint(port))) //nolint:noctx // closed at once
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
