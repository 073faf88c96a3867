package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// The programs that are built. nats-server is built from the module that the
// tests pin, so that no test depends on what a machine has installed.
const (
	dispatcherProgram = "dispatcher"
	steamProgram      = "worker-balancesteam"
	dropProgram       = "worker-gamesdrop"
	skinsProgram      = "worker-skinsback"
	exchangeProgram   = "worker-exchanger"
	natsProgram       = "nats-server"
)

var built struct {
	sync.Once
	dir string
	err error
}

// atOnce is how many tests run at a time. They wait for leases and timers far
// more than they compute, so the number of cores is no measure.
const atOnce = 5

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", strconv.Itoa(atOnce)); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// program returns the path of a program, which is built at the first call.
func program(t *testing.T, name string) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "beltline-e2e-"); built.err == nil {
			built.err = build(built.dir)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, name)
}

// build makes all programs with one call, without the network.
func build(dir string) error {
	args := []string{"build", "-o", dir + string(filepath.Separator), "github.com/nats-io/nats-server/v2"}
	for _, name := range []string{dispatcherProgram, steamProgram, dropProgram, skinsProgram, exchangeProgram} {
		args = append(args, "./cmd/"+name)
	}
	cmd := exec.Command("go", args...) //nolint:gosec // our own programs
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GOPROXY=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}
