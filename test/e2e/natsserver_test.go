package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// natsServer is a nats-server in a process of its own. Only such a one can be
// killed without a chance to close its store.
type natsServer struct {
	*process
	dir  string
	port string
}

var listening = regexp.MustCompile(`Listening for client connections on [^:]+:(\d+)`)

// newNATSServer starts a server with its store in a directory of the test.
func newNATSServer(t *testing.T) *natsServer {
	t.Helper()
	s := &natsServer{dir: t.TempDir(), port: "-1"}
	s.process = &process{
		t: t, name: natsProgram, path: program(t, natsProgram), args: []string{"-c", filepath.Join(s.dir, "nats.conf")},
		env: append(os.Environ(), "GOMAXPROCS=2"), log: newLines(),
	}
	s.begin()
	s.port = listening.FindStringSubmatch(s.awaitLine("Listening for client connections"))[1]
	return s
}

// begin starts the server, again on the port it had, and waits until it serves.
func (s *natsServer) begin() {
	s.t.Helper()
	// Every write is synced before it is acknowledged, as production does on one node.
	config := fmt.Sprintf(`
listen: "127.0.0.1:%s"
max_payload: 256KB
jetstream {
  store_dir: %q
  sync_interval: always
  max_file_store: 4GB
}
`, s.port, filepath.Join(s.dir, "store"))
	if err := os.WriteFile(filepath.Join(s.dir, "nats.conf"), []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.start()
	s.awaitLine("Server is ready")
}

func (s *natsServer) url() string { return "nats://127.0.0.1:" + s.port }
