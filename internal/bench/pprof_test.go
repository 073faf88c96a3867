package bench_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/bench"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestPackageOf_NamesPackages(t *testing.T) {
	t.Parallel()
	for function, want := range map[string]string{
		"github.com/beltline-io/beltline/internal/worker.(*Worker).place": "internal/worker",
		"github.com/nats-io/nats%2ego.(*Conn).readLoop":                   "github.com/nats-io/nats.go",
		"github.com/nats-io/nats.go/jetstream.(*pullConsumer).Consume":    "github.com/nats-io/nats.go/jetstream",
		"slices.SortFunc[go.shape.[]github.com/x/y.Z,go.shape.int]":       "slices",
		"encoding/json.Marshal": "encoding/json", "runtime.mallocgc": "runtime", "main.main.func1": "main",
	} {
		if got := bench.PackageOf(function); got != want {
			t.Errorf("%s: %q, not %q", function, got, want)
		}
	}
}

// The profile is one of this process, in which this package's test allocates on
// purpose, and far more than all else.
func TestPackageShares_OfARealProfileAddUp(t *testing.T) {
	t.Parallel()
	var kept [][]byte
	for range 512 {
		kept = append(kept, make([]byte, 1<<20))
		kept = kept[max(0, len(kept)-2):]
	}
	var b bytes.Buffer
	if err := pprof.Lookup("allocs").WriteTo(&b, 0); err != nil {
		t.Fatal(err)
	}
	shares, err := bench.PackageShares(b.Bytes(), "alloc_space")
	if err != nil || len(shares) == 0 || len(kept) == 0 {
		t.Fatal(shares, err)
	}
	sum := 0.0
	for i, s := range shares {
		sum += s.Flat
		if s.Cumulative < s.Flat || s.Cumulative > 1.0001 || i > 0 && s.Flat > shares[i-1].Flat {
			t.Errorf("%d: %+v", i, s)
		}
	}
	if sum < 0.999 || sum > 1.001 {
		t.Errorf("all packages have spent %f of all", sum)
	}
	if shares[0].Package != "internal/bench_test" || shares[0].Flat < 0.5 {
		t.Errorf("most was spent in %+v", shares[0])
	}
	if _, err := bench.PackageShares(b.Bytes(), "cpu"); err == nil {
		t.Error("it has values of CPU")
	}
	if _, err := bench.PackageShares([]byte("<html>"), "cpu"); err == nil {
		t.Error("a page is a profile")
	}
}

func TestProfile_WritesOneOfEachProgram(t *testing.T) {
	t.Parallel()
	o, dir := few(t, messages.Topup), filepath.Join(t.TempDir(), "profiles")
	o.Latency = time.Second
	all, err := bench.Profile(t.Context(), o, dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range all {
		seen[p.Program+"/"+p.Sort] = true
		if info, err := os.Stat(p.File); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", p.File, err)
		}
	}
	for _, program := range []string{"dispatcher", "worker", "nats-server"} {
		for _, sort := range []string{"cpu", "allocs"} {
			if !seen[program+"/"+sort] {
				t.Errorf("there is no profile %s of %s", sort, program)
			}
		}
	}
	var shown bytes.Buffer
	bench.ProfileTables(&shown, all)
	if !bytes.Contains(shown.Bytes(), []byte("nats-server, allocs")) {
		t.Errorf("%s", shown.String())
	}
}
