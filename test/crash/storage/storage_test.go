package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain makes this test binary the server of its own trials where it is told
// to be.
func TestMain(m *testing.M) {
	serveIfAsked()
	os.Exit(m.Run())
}

// seedOf is another one in each run, unless STORAGE_SEED repeats one.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano()) % 1_000_000 //nolint:gosec // not negative
	if text := os.Getenv("STORAGE_SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("STORAGE_SEED=%d", s)
	return s
}

func named(t *testing.T, name string) fault {
	t.Helper()
	all := faults()
	i := slices.IndexFunc(all, func(f fault) bool { return f.name == name })
	if i < 0 {
		t.Fatalf("there is no fault %q", name)
	}
	return all[i]
}

// patient gives everything the time that a busy machine takes.
func patient() options {
	return options{hearing: 3 * time.Second, heal: 2 * time.Minute, log: true}
}

// The short form of `make crash-storage`: one trial of each kind of fault.
func TestStorage_NothingIsBoughtTwiceAndTheFenceTripsWhereTheLedgerHasLost(t *testing.T) {
	t.Parallel()
	first := seedOf(t)
	for i, c := range []struct {
		fault       string
		must, never bool // trip
	}{
		{fault: "rolled back: everything"},
		{fault: "bit flipped in a block: EVENTS"},
		{fault: "rolled back: COMMANDS", never: true},
		{fault: "deleted and made anew: EVENTS", must: true},
		{fault: "limit reached and raised: EVENTS", never: true},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			seed := first + uint64(i) //nolint:gosec // small
			out, err := try(t.Context(), seed, named(t, c.fault), patient())
			if err != nil {
				t.Fatal(err)
			}
			out.write(testWriter{t}, "STORAGE_SEED="+strconv.FormatUint(first, 10)+" go test ./test/crash/storage", nil)
			if len(out.Violations) > 0 {
				t.Errorf("%s; the evidence is in %s", strings.Join(out.Violations, "\n"), out.Dir)
			}
			if c.must && !out.Tripped && !out.Forgotten || c.never && out.Tripped {
				t.Errorf("tripped: %t, %s", out.Tripped, strings.Join(out.Reasons, "; "))
			}
			if out.Purchases < firstOrders/2 || out.Acked < firstOrders {
				t.Errorf("%d purchases and %d events show nothing", out.Purchases, out.Acked)
			}
		})
	}
}

// Without a fence the very same trial buys twice: the judge sees, and what it is
// shown is dangerous.
func TestStorage_WithoutTheFenceARollbackBuysTwice(t *testing.T) {
	t.Parallel()
	o := patient()
	o.control = true
	for seed, tries := seedOf(t), 0; ; seed, tries = seed+1, tries+1 {
		out, err := try(t.Context(), seed, named(t, "rolled back: everything"), o)
		if err != nil {
			t.Fatal(err)
		}
		out.write(testWriter{t}, "", nil)
		if out.Twice > 0 {
			return
		}
		if tries == 4 { // a copy that was taken just before the end may have lost nothing
			t.Fatal("five rollbacks without a fence bought nothing twice")
		}
	}
}

// testWriter writes into the log of a test.
type testWriter struct{ t *testing.T }

// Write takes a line or some.
func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}
