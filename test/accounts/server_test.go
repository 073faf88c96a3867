package accounts_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is for what must come; never a wait of fixed length.
const patience = 90 * time.Second

var built struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// program returns the path of a program. The server is built from the module
// that the tests pin.
func program(t *testing.T, name string) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "beltline-accounts-"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", built.dir+string(filepath.Separator), "github.com/nats-io/nats-server/v2", "./cmd/beltline") //nolint:gosec // our own programs
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "GOPROXY=off", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, name)
}

// ended is the last line of a process that runs no more.
const ended = "the process has ended"

// transcript is what a process has written.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await returns the rest of the first line that has the text in it.
func (l *transcript) await(t *testing.T, text string) string {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		l.mu.Lock()
		_, after, found := strings.Cut(l.text.String(), text)
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		if !found && strings.Contains(l.String(), ended) {
			t.Fatalf("nats-server has ended and never said %q:\n%s", text, l)
		}
		if line, _, whole := strings.Cut(after, "\n"); found && whole {
			return strings.TrimSpace(line)
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("nats-server never said %q:\n%s", text, l)
		}
	}
}

// node is a nats-server with files of deploy/nats.
type node struct {
	t    *testing.T
	dir  string // of its configuration
	log  *transcript
	cmd  *exec.Cmd
	port string
}

// shipped copies the files of deploy/nats into a directory, and makes what they
// include: certificates, and the accounts of the tenants.
func shipped(t *testing.T, tenants ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	files, err := filepath.Glob(filepath.Join("..", "..", "deploy", "nats", "*.conf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("deploy/nats has no files: %v", err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, filepath.Base(name)), body)
	}
	certificates(t, dir)
	generate(t, dir, tenants...)
	return dir
}

// generate runs `beltline accounts`.
func generate(t *testing.T, dir string, tenants ...string) (stdout string) {
	t.Helper()
	args := []string{"accounts", "--dir", dir}
	for _, tenant := range tenants {
		args = append(args, "--tenant", tenant)
	}
	cmd := exec.Command(program(t, "beltline"), args...) //nolint:gosec // our own program
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("beltline %s: %v\n%s", strings.Join(args, " "), err, &said)
	}
	return out.String()
}

func write(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificates makes an authority and a certificate for this machine.
func certificates(t *testing.T, dir string) {
	t.Helper()
	year := time.Now().Add(365 * 24 * time.Hour)
	sign := func(name string, template, parent *x509.Certificate, by *ecdsa.PrivateKey) *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if by == nil {
			by = key
		}
		cert, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
		write(t, filepath.Join(dir, name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
		return key
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: year,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	authority := sign("ca", ca, ca, nil)
	sign("server", &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotAfter: year, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, ca, authority)
}

// environment is what the shipped files read: the keys that the generator made,
// and the paths of certificates.
func environment(t *testing.T, dir string) []string {
	t.Helper()
	keys, err := os.ReadFile(filepath.Join(dir, "server.env"))
	if err != nil {
		t.Fatal(err)
	}
	cert, key, ca := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"), filepath.Join(dir, "ca.pem")
	return append(strings.Fields(string(keys)), "BELTLINE_TLS_CERT="+cert, "BELTLINE_TLS_KEY="+key,
		"BELTLINE_ROUTE_CERT="+cert, "BELTLINE_ROUTE_KEY="+key, "BELTLINE_ROUTE_CA="+ca)
}

// start runs a server with one of the files. Only where it listens and stores
// is another than in production.
func start(t *testing.T, dir, file string, env []string, more ...string) *node {
	t.Helper()
	n := &node{t: t, dir: dir, log: &transcript{}}
	// Nothing but where it listens is told on the command line.
	args := append([]string{"-c", filepath.Join(dir, file), "-a", "127.0.0.1", "-p", "-1", "-m", "-1"}, more...)
	n.cmd = exec.Command(program(t, "nats-server"), args...) //nolint:gosec // the pinned server
	n.cmd.Env = append(append(environment(t, dir), "BELTLINE_STORE_DIR="+t.TempDir()), env...)
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { _ = n.cmd.Wait(); close(gone); _, _ = n.log.Write([]byte(ended + "\n")) }()
	t.Cleanup(func() {
		_ = n.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-gone:
		case <-time.After(patience):
			_ = n.cmd.Process.Kill()
		}
	})
	where := n.log.await(t, "Listening for client connections on ")
	_, n.port, _ = net.SplitHostPort(where)
	return n
}

// reload makes the server read its files again.
func (n *node) reload() {
	n.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) url() string { return "tls://127.0.0.1:" + n.port }

// tell writes where the servers are into the contexts.
func tell(t *testing.T, dir, url string) {
	t.Helper()
	cmd := exec.Command(program(t, "beltline"), "accounts", "--dir", dir, "--url", url, "--ca", filepath.Join(dir, "ca.pem")) //nolint:gosec // our own program
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
