package deploy_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/beltline-io/beltline/test/crash/procs"
)

// built are the programs, and a nats-server of the version that the module pins.
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

// binary returns the path of a program, built at the first call.
func binary(t *testing.T, name string) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "beltline-deploy-"); built.err == nil {
			built.err = procs.Build(context.Background(), built.dir, append([]string{procs.NATSServer}, mains(t)...)...)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, name)
}

func mains(t *testing.T) (paths []string) {
	for _, name := range commands(t) {
		paths = append(paths, "./cmd/"+name)
	}
	return paths
}

var holder = regexp.MustCompile(`(\w+): \{\s+jetstream: enabled`)

// holdsStreams is the account that holds the streams, as `beltline accounts`
// makes it.
func holdsStreams(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), binary(t, "beltline"), "accounts", "--dir", dir).CombinedOutput(); err != nil { //nolint:gosec // our own program
		t.Fatalf("%v\n%s", err, out)
	}
	found := holder.FindStringSubmatch(read(t, filepath.Join(dir, "accounts.conf")))
	if found == nil {
		t.Fatal("no account holds streams")
	}
	return found[1]
}
