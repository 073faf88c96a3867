package hooks_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// polling lets timers do their work, in fractions of a second.
func polling() map[string]string {
	return map[string]string{
		"POLL_FIRST": "100ms", "POLL_MAX": "300ms", "SKINSBACK_TIMEOUT": "4s", "EXCHANGER_TIMEOUT": "4s", "LEASE": "5s", "ACK_WAIT": "7s",
	}
}

// gate stands before a shop: it executes a create, and keeps its answer back
// until it is told what to do with it.
type gate struct {
	t    *testing.T
	mu   sync.Mutex
	held map[string]*held // by Steam id
}

// held is a create that was executed and not answered.
type held struct {
	executed chan struct{}
	answer   chan bool // false: the connection breaks instead
}

func newGate(t *testing.T) *gate { return &gate{t: t, held: map[string]*held{}} }

// hold makes the gate keep back the next answer to a create of a customer.
func (g *gate) hold(s script) *held {
	h := &held{executed: make(chan struct{}), answer: make(chan bool, 1)}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held[steamID(s)] = h
	return h
}

// take returns what is to be kept back of a request; nil for nothing.
func (g *gate) take(form url.Values) *held {
	if form.Get("method") != skinsbacktest.OpCreate {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.held[form.Get("steam_id")]
	delete(g.held, form.Get("steam_id"))
	return h
}

func (g *gate) before(shop http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		r.Body = io.NopCloser(bytes.NewReader(body))
		h := g.take(form)
		if h == nil {
			shop.ServeHTTP(w, r)
			return
		}
		kept := httptest.NewRecorder()
		shop.ServeHTTP(kept, r)
		close(h.executed)
		if !<-h.answer {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", kept.Header().Get("Content-Type"))
		w.WriteHeader(kept.Code)
		_, _ = w.Write(kept.Body.Bytes())
	})
}

// reached waits until the create was executed, and returns an event that knows
// no more than its reference.
func (d deposits) reached(h *held, s script) (event, bool) {
	select {
	case <-h.executed:
	case <-time.After(patience):
		d.t.Errorf("%s was never placed", s.id)
		return event{}, false
	}
	return event{fields: map[string]any{"provider_ref": map[string]any{"reference": d.shop.DepositsOf(steamID(s))[0].OrderID}}}, true
}

func TestSkinsBack_NotificationsBeforeTheAnswerToCreateEndAsTheBooksSay(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r, d := startSkinsBack(t, 4, polling(), g.before)
	var all []script
	for _, path := range [][]string{
		{skinsbacktest.InHold, skinsbacktest.HoldApproved, skinsbacktest.Success}, {skinsbacktest.InHold, skinsbacktest.Failed},
		{skinsbacktest.Success}, {skinsbacktest.Failed},
	} {
		var steps []int
		for i := range path {
			steps = append(steps, i)
		}
		for _, items := range arrangements(append(steps, steps[len(steps)-1])) { // the last one doubled
			for range 2 { // the answer comes, or is lost
				all = append(all, script{id: fmt.Sprintf("ord-%d", len(all)), n: len(all), path: path, items: items, forgery: len(all)})
			}
		}
	}
	var group sync.WaitGroup
	for _, s := range all {
		h := g.hold(s)
		group.Go(func() {
			r.publish("orders."+tenant+".submit", d.order(s))
			first, ok := d.reached(h, s)
			if !ok {
				return
			}
			sent := make([]hook, len(s.path))
			for i, status := range s.path {
				d.advance(first, s, status)
				sent[i] = d.genuine(first)
			}
			r.mustRefuse(d.forged(first, s))
			for _, it := range s.items {
				r.mustTake(sent[it])
			}
			h.answer <- s.n%2 == 0
			r.showsAt(d, s, len(s.path)-1)
		})
	}
	group.Wait()
	if r.t.Failed() {
		return
	}
	r.calm()
	for _, s := range all {
		r.judge(d, s)
	}
}

// polled takes every order through its path and tells nothing, so that only the
// timers can.
func (r *rig) polled(w world, paths ...[]string) {
	r.t.Helper()
	var group sync.WaitGroup
	for n, path := range paths {
		s := script{id: fmt.Sprintf("ord-%d", n), n: n, path: path}
		group.Go(func() {
			first, ok := r.open(w, s)
			if !ok {
				return
			}
			for step, status := range path {
				w.advance(first, s, status)
				r.showsAt(w, s, step)
			}
		})
	}
	group.Wait()
	if r.t.Failed() {
		return
	}
	r.calm()
	for n, path := range paths {
		r.judge(w, script{id: fmt.Sprintf("ord-%d", n), n: n, path: path})
	}
}

func TestSkinsBack_WhereEveryNotificationIsLostPollingDoesAll(t *testing.T) {
	t.Parallel()
	r, d := startSkinsBack(t, 1, polling(), nil)
	r.polled(d,
		[]string{skinsbacktest.InHold, skinsbacktest.HoldApproved, skinsbacktest.Success},
		[]string{skinsbacktest.InHold, skinsbacktest.HoldApproved, skinsbacktest.HoldReturned},
		[]string{skinsbacktest.InHold, skinsbacktest.Success, skinsbacktest.HoldReturned},
		[]string{skinsbacktest.InHold, skinsbacktest.Failed}, []string{skinsbacktest.Success}, []string{skinsbacktest.Failed},
	)
	if sent := d.shop.Deliveries(); len(sent) != 0 {
		t.Errorf("something was told: %+v", sent)
	}
}

func TestExchanger_WhereEveryCallbackIsLostPollingDoesAll(t *testing.T) {
	t.Parallel()
	r, b := startExchanger(t, 1, polling())
	r.polled(b, []string{"techpay", "payed", "realpay", "success"}, []string{"payed", "payouterror", "success"}, []string{"cancel"}, []string{"delete"})
}

func TestSkinsBack_AnAbandonedDepositIsWatchedBeyondTheHoldOfTheSecond(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r, d := startSkinsBack(t, 1, polling(), g.before)
	s := script{id: "ord-a", n: 1, path: []string{skinsbacktest.InHold, skinsbacktest.Success}}
	h := g.hold(s)
	h.answer <- false // its pay URL is lost, so the order takes a second deposit
	first := r.mustOpen(d, s)
	for step, status := range s.path {
		d.advance(first, s, status)
		r.showsAt(d, s, step)
	}
	second := slices.MaxFunc(d.shop.DepositsOf(steamID(s)), func(a, b skinsbacktest.Deposit) int { return a.HeldUntil.Compare(b.HeldUntil) })
	until, err := time.Parse(time.RFC3339Nano, r.feed.last(s.id).text("watch_until"))
	if made := d.creates(s); made != 2 || err != nil || !until.After(second.HeldUntil.Add(12*time.Hour)) {
		t.Errorf("%d deposits; watched until %v (%v), the hold ends %v", made, until, err, second.HeldUntil)
	}
}
