package fleet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"
)

const (
	loopback    = "127.0.0.1"
	startWithin = 20 * time.Second
	readyStep   = 100 * time.Millisecond
	maxPayload  = 1 << 20
)

// ServerOptions say where the server listens and where it keeps its streams.
type ServerOptions struct {
	StoreDir string
	// Address is host:port of the loopback interface. Empty takes a free port.
	Address string
	// MaxStore is what streams may reserve; 0 leaves it to the free disk space.
	MaxStore int64
	Log      zerolog.Logger
}

// Server is a nats-server inside this process.
type Server struct {
	srv    *server.Server
	unlock func()
	stop   sync.Once
}

// StartServer returns when the server takes connections.
func StartServer(o ServerOptions) (*Server, error) {
	host, port, err := listenAddress(o.Address)
	if err != nil {
		return nil, err
	}
	opts := &server.Options{
		ServerName: "beltline", Host: host, Port: port,
		JetStream: true, StoreDir: o.StoreDir, SyncAlways: true, JetStreamMaxStore: o.MaxStore,
		MaxPayload: maxPayload, NoSigs: true,
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	heard := &serverLog{log: o.Log}
	srv.SetLoggerV2(heard, false, false, false)
	unlock, err := lock(o.StoreDir)
	if err != nil {
		return nil, err
	}
	srv.Start()
	if !ready(srv, heard) {
		srv.Shutdown()
		unlock()
		return nil, fmt.Errorf("nats-server on %s did not start: %w", net.JoinHostPort(host, strconv.Itoa(port)), heard.why())
	}
	return &Server{srv: srv, unlock: unlock}, nil
}

// ready waits until the server takes connections. What keeps it from that, such
// as a port that is taken, it only logs.
func ready(srv *server.Server, heard *serverLog) bool {
	for deadline := time.Now().Add(startWithin); time.Now().Before(deadline); {
		if srv.ReadyForConnections(readyStep) {
			return srv.JetStreamEnabled()
		}
		if heard.fatal.Load() {
			return false
		}
	}
	return false
}

// lock makes sure that no other server works on the same store: two of them
// would destroy it, and with it the only memory of what was bought. The lock
// ends with the process, however it ends.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "beltline.lock"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // where the person said
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := exclusive(file); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("another process uses the store %s: %w", dir, err)
	}
	return func() { _ = file.Close() }, nil
}

// listenAddress takes an address apart. The server asks nobody for a password,
// so whoever can reach it can place orders: it listens on this machine only.
func listenAddress(address string) (host string, port int, err error) {
	if address == "" {
		return loopback, server.RANDOM_PORT, nil
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not an address like 127.0.0.1:4222", address)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q has no port", address)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", 0, fmt.Errorf("%q is not a loopback address: the embedded server asks for no password; for more than this machine run nats-server itself", address)
	}
	if n == 0 {
		return host, server.RANDOM_PORT, nil
	}
	return host, int(n), nil
}

// CheckAddress says what is wrong with an address to listen on.
func CheckAddress(address string) error {
	_, _, err := listenAddress(address)
	return err
}

// URL is where clients reach the server.
func (s *Server) URL() string { return s.srv.ClientURL() }

// Stop closes the store and returns when that is done. Stopping twice does nothing.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.srv.Shutdown()
		s.srv.WaitForShutdown()
		s.unlock()
	})
}

// serverLog passes on what the server says of trouble, and keeps the last of
// it, because the server tells nobody else why it did not start.
type serverLog struct {
	log   zerolog.Logger
	mu    sync.Mutex
	last  string
	fatal atomic.Bool
}

var _ server.Logger = (*serverLog)(nil)

func (l *serverLog) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == "" {
		return errors.New("it was not ready in time")
	}
	return errors.New(l.last)
}

func (l *serverLog) trouble(format string, v []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = fmt.Sprintf(format, v...)
}

// Errorf implements server.Logger.
func (l *serverLog) Errorf(format string, v ...any) {
	l.trouble(format, v)
	l.log.Error().Msg("nats-server: " + fmt.Sprintf(format, v...))
}

// Fatalf implements server.Logger. It does not end the process: the caller of
// StartServer sees that the server is not ready.
func (l *serverLog) Fatalf(format string, v ...any) {
	l.trouble(format, v)
	l.fatal.Store(true)
	l.log.Error().Msg("nats-server: " + fmt.Sprintf(format, v...))
}

// Warnf implements server.Logger.
func (l *serverLog) Warnf(format string, v ...any) {
	l.log.Warn().Msg("nats-server: " + fmt.Sprintf(format, v...))
}

// Noticef implements server.Logger.
func (l *serverLog) Noticef(string, ...any) {}

// Debugf implements server.Logger.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef implements server.Logger.
func (l *serverLog) Tracef(string, ...any) {}
