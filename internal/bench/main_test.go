package bench_test

import (
	"os"
	"testing"

	"github.com/beltline-io/beltline/internal/bench"
)

// TestMain lets the processes that a measurement starts of this test do their part.
func TestMain(m *testing.M) {
	if code, is := bench.Part(); is {
		os.Exit(code)
	}
	os.Exit(m.Run())
}
