package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// front stands where the public address for callbacks leads. It hands each to
// the door of one of the replicas, as a balancer does, and is as bad at it as
// the world is: some are lost, some come twice, and some say what is not so.
type front struct {
	t      *testing.T
	server *httptest.Server
	lie    func(body []byte) (lied []byte, refused bool)

	mu       sync.Mutex
	random   *rand.Rand
	replicas []*process
	counts   map[string]int
}

// A callback's fortunes, in per cent. The rest reach one door, once.
const (
	lostPercent    = 15
	doubledPercent = 15
	liedPercent    = 10
)

// newFront starts a front. lie makes of a callback one that nobody may believe,
// and tells whether a door must refuse it.
func newFront(t *testing.T, seed uint64, lie func([]byte) ([]byte, bool)) *front {
	t.Helper()
	f := &front{
		t: t, lie: lie, counts: map[string]int{},
		random: rand.New(rand.NewPCG(seed, 11)), //nolint:gosec // repeatable on purpose
	}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

// url is the public address.
func (f *front) url() string { return f.server.URL + "/public" }

// serve makes a program one of those that callbacks are handed to.
func (f *front) serve(p *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replicas = append(f.replicas, p)
}

// ServeHTTP passes a callback on.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	replicas, first, chance := slices.Clone(f.replicas), f.random.IntN(2), f.random.IntN(100)
	f.mu.Unlock()
	if len(replicas) == 0 || chance < lostPercent {
		f.count("lost")
		panic(http.ErrAbortHandler) // the caller sees no answer, and none calls again
	}
	one, other := replicas[first%len(replicas)], replicas[(first+1)%len(replicas)]
	switch {
	case chance < lostPercent+doubledPercent:
		f.count("doubled")
		_ = f.pass(other, r, body)
		_ = f.pass(one, r, body)
	case chance < lostPercent+doubledPercent+liedPercent:
		if lied, refused := f.lie(body); !bytes.Equal(lied, body) {
			f.count("lied")
			if status := f.pass(one, r, lied); refused && status == http.StatusOK {
				f.t.Errorf("%s took a callback that the shop has not signed", one.name)
			}
		}
	}
	w.WriteHeader(f.pass(one, r, body))
}

// pass hands a callback to a replica and returns the HTTP status of its answer.
func (f *front) pass(to *process, r *http.Request, body []byte) int {
	door := to.door()
	if door == "" {
		f.count("nobody at the door")
		return http.StatusBadGateway
	}
	out, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://"+door+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		f.t.Error(err)
		return http.StatusBadGateway
	}
	out.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	answer, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		f.count("gone before the answer")
		return http.StatusBadGateway
	}
	_ = answer.Body.Close()
	f.count(fmt.Sprintf("%s answered %d", to.name, answer.StatusCode))
	return answer.StatusCode
}

func (f *front) count(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[what]++
}

// check fails unless each replica has taken callbacks, and none was refused
// for another reason than that there were too many or that it was a lie.
func (f *front) check() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.replicas {
		if f.counts[p.name+" answered 200"] == 0 {
			f.t.Errorf("%s has taken no callback: %v", p.name, f.counts)
		}
	}
	refused := 0
	for _, what := range slices.Sorted(maps.Keys(f.counts)) {
		switch {
		case !strings.Contains(what, " answered "), strings.HasSuffix(what, " 200"), strings.HasSuffix(what, " 429"), strings.HasSuffix(what, " 503"):
		case strings.HasSuffix(what, " 401"):
			refused += f.counts[what]
		default:
			f.t.Errorf("%s, %d times", what, f.counts[what])
		}
	}
	if refused > f.counts["lied"] {
		f.t.Errorf("%d callbacks were refused as unsigned, and %d were", refused, f.counts["lied"])
	}
	f.t.Logf("callbacks: %v", f.counts)
}

// checkShown fails where one of the fortunes of callbacks has not come up.
func (f *front) checkShown() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, what := range []string{"lost", "doubled", "lied"} {
		if f.counts[what] == 0 {
			f.t.Errorf("no callback was %s: %v", what, f.counts)
		}
	}
}

// skinsLie makes a success of a hold, under the signature of the hold.
func skinsLie(body []byte) ([]byte, bool) {
	return bytes.Replace(body, []byte("in_hold"), []byte("success"), 1), true
}

// exchangeLie calls every bid paid. The script signs nothing, so nobody can
// tell: it is taken for the hint that it is, and must change nothing.
func exchangeLie(body []byte) ([]byte, bool) {
	id, _, _ := bytes.Cut(body, []byte("&"))
	return append(bytes.Clone(id), []byte("&status=success")...), false
}
