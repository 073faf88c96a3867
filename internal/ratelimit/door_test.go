package ratelimit_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// soon is for what must come on any machine; nothing is judged by it.
const soon = 2 * time.Minute

// door is a provider over real HTTP that writes down what arrives, and when.
type door struct {
	*httptest.Server
	numbers atomic.Int64

	mu       sync.Mutex
	arrivals []arrival
	written  map[int64]time.Time // by number of the request
	changed  chan struct{}       // closed and replaced at every arrival
}

// arrival is a request at the provider.
type arrival struct {
	at     time.Time
	number int64
	by     string // the replica
	check  bool
}

func openDoor(t *testing.T) *door {
	t.Helper()
	d := &door{written: map[int64]time.Time{}, changed: make(chan struct{})}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number, _ := strconv.ParseInt(r.Header.Get("X-Number"), 10, 64)
		d.note(arrival{at: time.Now(), number: number, by: r.Header.Get("X-By"), check: r.Header.Get("X-Use") == "check"})
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *door) note(a arrival) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arrivals = append(d.arrivals, a)
	close(d.changed)
	d.changed = make(chan struct{})
}

// traced is a context for one request, whose writing is noted, and its number.
func (d *door) traced(ctx context.Context) (context.Context, string) {
	number := d.numbers.Add(1)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) {
		now := time.Now()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.written[number] = now
	}}), strconv.FormatInt(number, 10)
}

// await waits until so many requests have arrived since the test began.
func (d *door) await(t *testing.T, n int) {
	t.Helper()
	d.awaitThat(t, fmt.Sprintf("%d requests", n), func(all []arrival) bool { return len(all) >= n })
}

func (d *door) awaitThat(t *testing.T, what string, is func([]arrival) bool) {
	t.Helper()
	deadline := time.NewTimer(soon)
	defer deadline.Stop()
	for {
		d.mu.Lock()
		done, n, changed := is(d.arrivals), len(d.arrivals), d.changed
		d.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("waited %s for %s at the provider; there were %d", soon, what, n)
		}
	}
}

func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.arrivals)
}

// times are the moments at which requests count at the provider. A request that
// was longer on its way than the margin allows for is taken to have arrived when
// it should have: that is the machine's doing. One that was written too late is
// not excused.
func (d *door) times() []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []time.Time
	for _, a := range d.arrivals {
		at := a.at
		if wrote, known := d.written[a.number]; known && at.Sub(wrote) > transit {
			at = wrote.Add(transit)
		}
		all = append(all, at)
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// within counts, for each request, how many arrived in the window that it ends.
func within(times []time.Time, window time.Duration) []int {
	counts, from := make([]int, len(times)), 0
	for i, at := range times {
		for at.Sub(times[from]) >= window {
			from++
		}
		counts[i] = i - from + 1
	}
	return counts
}

// judge fails the test for every window with more than limit requests.
func (d *door) judge(t *testing.T, r rule) {
	t.Helper()
	times := d.times()
	over := 0
	for _, n := range within(times, r.window) {
		if n > r.limit {
			over++
		}
	}
	if over > 0 {
		t.Errorf("%d of %d requests were too many within %s (at most %d)", over, len(times), r.window, r.limit)
	}
}

// rule is what the provider allows.
type rule struct {
	limit  int
	window time.Duration
}

// by counts the requests by replica, and those for checks, from the nth on.
func (d *door) by(from int) (counts map[string]int, checks int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	counts = map[string]int{}
	for _, a := range d.arrivals[min(from, len(d.arrivals)):] {
		counts[a.by]++
		if a.check {
			checks++
		}
	}
	return counts, checks
}

// The judge of this file must see an overrun by one, in any window.
func TestDoor_SeesOneRequestTooMany(t *testing.T) {
	t.Parallel()
	began := time.Now()
	at := func(ms ...int) (all []time.Time) {
		for _, n := range ms {
			all = append(all, began.Add(time.Duration(n)*time.Millisecond))
		}
		return all
	}
	for _, c := range []struct {
		times []time.Time
		most  int
	}{
		{at(0, 100, 200, 1000, 1100), 3}, {at(0, 900, 999), 3}, {at(0, 500, 1000, 1500), 2}, {at(7), 1},
	} {
		if most := slices.Max(within(c.times, time.Second)); most != c.most {
			t.Errorf("%d requests at most in a second, want %d", most, c.most)
		}
	}
}
