package app_test

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
)

// The collector belongs to the whole process, so the test looks at one of its own.
func TestThisProcess_LetsTheHeapGrowBeforeItIsCollected(t *testing.T) {
	t.Parallel()
	if os.Getenv("LOOK_AT_THE_HEAP") != "" {
		app.ThisProcess()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		_, _ = os.Stderr.WriteString(strconv.FormatUint(m.NextGC, 10))
		os.Exit(0)
	}
	next := func(limit string) uint64 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$") //nolint:gosec // this test itself
		cmd.Env = append(os.Environ(), "LOOK_AT_THE_HEAP=1", "GOMEMLIMIT="+limit)
		said := new(tail)
		cmd.Stderr = said
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %s", err, *said)
		}
		n, err := strconv.ParseUint(string(*said), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := next("off"); n < 60<<20 {
		t.Errorf("collected again at %d bytes", n)
	}
	if n := next("40MiB"); n > 40<<20 {
		t.Errorf("with a limit of 40 MiB the heap may grow to %d", n)
	}
}

// tail keeps what is written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) { *t = append(*t, p...); return len(p), nil }
