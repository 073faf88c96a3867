package main

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// rule is what a provider allows.
type rule struct {
	limit  int
	window time.Duration
}

// front stands before a shop and writes down when each request arrives.
type front struct {
	url    string // what a worker is told
	site   *exchangertest.Shop
	inside http.Handler
	server *http.Server
	closed chan struct{}

	mu       sync.Mutex
	arrivals []arrival
	changed  chan struct{} // closed and replaced at every arrival
	slow     time.Duration // the longest that an answer takes
}

type arrival struct {
	at time.Time
	op string // the last part of the path
}

// openFront opens the shop of a provider.
func openFront(provider string) (*front, error) {
	f := &front{changed: make(chan struct{}), closed: make(chan struct{})}
	where := skinsbacktest.Path
	if provider == exchanger {
		f.site = exchangertest.NewShop()
		f.inside, where = f.site, exchangertest.Path
	} else {
		f.inside = skinsbacktest.NewShop()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f.url = "http://" + l.Addr().String() + where
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: time.Minute}
	go func() { _ = f.server.Serve(l) }()
	return f, nil
}

func (f *front) close() {
	close(f.closed)
	_ = f.server.Close()
}

// ServeHTTP notes the arrival first of all.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	f.mu.Lock()
	f.arrivals = append(f.arrivals, arrival{now, path.Base(r.URL.Path)})
	close(f.changed)
	f.changed = make(chan struct{})
	slow := f.slow
	f.mu.Unlock()
	if slow > 0 {
		timer := time.NewTimer(fastest + rand.N(slow))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-f.closed:
		}
	}
	f.inside.ServeHTTP(w, r)
}

// fastest is the least that an answer takes where answers are slow.
const fastest = 5 * time.Millisecond

func (f *front) setSlow(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slow = d
}

func (f *front) log() []arrival {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.arrivals)
}

// await waits for the first arrival from a time on for which is says yes.
func (f *front) await(ctx context.Context, from time.Time, is func(arrival) bool) (time.Time, error) {
	for seen := 0; ; {
		f.mu.Lock()
		fresh, changed := slices.Clone(f.arrivals[seen:]), f.changed
		f.mu.Unlock()
		for _, a := range fresh {
			if !a.at.Before(from) && is(a) {
				return a.at, nil
			}
		}
		seen += len(fresh)
		select {
		case <-changed:
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}

// overruns counts the requests that were too many in a window, whichever window
// one looks at, and the fullest of them.
func overruns(log []arrival, r rule) (over, fullest int) {
	times := make([]time.Time, len(log))
	for i, a := range log {
		times[i] = a.at
	}
	slices.SortFunc(times, time.Time.Compare)
	from := 0
	for i, at := range times {
		for at.Sub(times[from]) >= r.window {
			from++
		}
		n := i - from + 1
		fullest = max(fullest, n)
		if n > r.limit {
			over++
		}
	}
	return over, fullest
}

// between counts arrivals from a time on, and before another.
func between(log []arrival, from, to time.Time) (n int) {
	for _, a := range log {
		if !a.at.Before(from) && a.at.Before(to) {
			n++
		}
	}
	return n
}
