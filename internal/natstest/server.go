package natstest

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Patience is how long the package waits for a server before it fails the
// test. It is generous because a loaded machine is not a broken one.
const Patience = 30 * time.Second

const (
	loopback   = "127.0.0.1"
	maxPayload = 256 << 10
	maxStore   = 64 << 30 // streams reserve their max_bytes against it
)

// ErrStopped is returned to a client that connects while the server is down.
var ErrStopped = errors.New("natstest: server is stopped")

// Option changes the server before it starts.
type Option func(*settings)

type settings struct {
	listener bool
	edits    []func(*server.Options)
}

// WithListener makes the server listen on a free loopback port, which it keeps
// over a restart. Without it there are only connections within the process.
func WithListener() Option { return func(s *settings) { s.listener = true } }

// SyncAlways makes the server sync every write to the disk before it answers,
// as production does on one node.
func SyncAlways() Option {
	return Configure(func(o *server.Options) { o.SyncAlways = true })
}

// Configure edits the server's own options (accounts, limits) after all others.
func Configure(edit func(*server.Options)) Option {
	return func(s *settings) { s.edits = append(s.edits, edit) }
}

// Server is a nats-server that can be stopped and started again.
type Server struct {
	opts *server.Options

	mu  sync.Mutex
	srv *server.Server // nil while stopped
}

// Start runs a server until the test ends.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	var set settings
	for _, o := range opts {
		o(&set)
	}
	so := baseOptions(t.TempDir())
	so.DontListen = !set.listener
	for _, edit := range set.edits {
		edit(so)
	}
	s := &Server{opts: so}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func baseOptions(storeDir string) *server.Options {
	return &server.Options{
		Host:               loopback,
		Port:               server.RANDOM_PORT,
		JetStream:          true,
		StoreDir:           storeDir,
		JetStreamMaxMemory: 64 << 20,
		JetStreamMaxStore:  maxStore,
		MaxPayload:         maxPayload,
		NoLog:              true,
		NoSigs:             true,
	}
}

// run starts a server on o and waits until it takes connections.
func run(o *server.Options) (*server.Server, error) {
	// The server keeps and edits what it is given; a restart needs the original.
	srv, err := server.NewServer(o.Clone())
	if err != nil {
		return nil, fmt.Errorf("natstest: new server: %w", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(Patience) {
		stop(srv)
		return nil, fmt.Errorf("natstest: server was not ready within %s", Patience)
	}
	if o.JetStream && !srv.JetStreamEnabled() {
		stop(srv)
		return nil, errors.New("natstest: JetStream did not start")
	}
	return srv, nil
}

func stop(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv != nil {
		return nil
	}
	srv, err := run(s.opts)
	if err != nil {
		return err
	}
	if addr, ok := srv.Addr().(*net.TCPAddr); ok && !s.opts.DontListen {
		s.opts.Port = addr.Port // clients and child processes know it by now
	}
	s.srv = srv
	return nil
}

// Stop shuts the server down and waits until it has closed its store. Clients
// go on trying to reconnect. Stopping a stopped server does nothing.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv == nil {
		return
	}
	stop(s.srv)
	s.srv = nil
}

// Restart stops the server if it runs, and starts it again on the same store
// and port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// URL is where the server listens. Without [WithListener] nothing does.
func (s *Server) URL() string {
	if s.opts.DontListen {
		return "nats://in-process"
	}
	return fmt.Sprintf("nats://%s:%d", loopback, s.opts.Port)
}

// InProcessConn lets clients connect, and reconnect after a restart, without
// a socket: it is given to nats.InProcessServer.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv == nil {
		return nil, ErrStopped
	}
	return s.srv.InProcessConn()
}

// Conn connects to the server. The connection reconnects for ever, and is
// closed when the test ends.
func (s *Server) Conn(t testing.TB, opts ...nats.Option) *nats.Conn {
	t.Helper()
	how := nats.InProcessServer(s)
	if !s.opts.DontListen {
		how = func(*nats.Options) error { return nil }
	}
	return connect(t, s.URL(), append([]nats.Option{how}, opts...)...)
}

// JS is JetStream over a connection of its own.
func (s *Server) JS(t testing.TB) jetstream.JetStream {
	t.Helper()
	return newJS(t, s.Conn(t))
}

func connect(t testing.TB, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	base := []nats.Option{
		nats.Name(t.Name()),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(10 * time.Millisecond),
		nats.ReconnectJitter(5*time.Millisecond, 5*time.Millisecond),
		nats.Timeout(Patience),
		// The default handler writes every server error to stderr.
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
	nc, err := nats.Connect(url, append(base, opts...)...)
	if err != nil {
		t.Fatalf("natstest: connect: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func newJS(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("natstest: jetstream: %v", err)
	}
	return js
}
