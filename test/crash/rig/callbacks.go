package rig

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
)

// callbacks stands between a shop and the doors for callbacks of its workers,
// as the internet does: it loses calls, doubles them, holds them back, repeats
// old ones, and lets strangers in.
type callbacks struct {
	provider string
	doors    func() []*member
	forge    func(genuine call, chance int) (call, bool)
	listener net.Listener
	server   *http.Server
	client   *http.Client
	spoilt   atomic.Bool

	mu     sync.Mutex
	random *rand.Rand
	hooks  []check.Hook
	old    []call
	ctx    context.Context // ends the calls
	end    context.CancelFunc
	busy   sync.WaitGroup
}

// call is a callback, ready to be sent as often and as late as one likes.
type call struct{ path, kind, body string }

func newCallbacks(seed uint64, provider string, forge func(call, int) (call, bool)) (*callbacks, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &callbacks{
		provider: provider, forge: forge, listener: listener, random: rand.New(rand.NewPCG(seed, 29)), //nolint:gosec // repeatable on purpose
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	c.ctx, c.end = context.WithCancel(context.Background())
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = c.server.Serve(listener) }()
	return c, nil
}

func (c *callbacks) url() string { return "http://" + c.listener.Addr().String() }

func (c *callbacks) close() {
	_ = c.server.Close()
	c.end()
	c.busy.Wait()
}

// ServeHTTP takes a genuine callback of the shop.
func (c *callbacks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	genuine := call{r.URL.Path, r.Header.Get("Content-Type"), string(body)}
	fate, other, wait := c.draw(genuine)
	if forged, ok := c.forge(genuine, other); ok && c.spoilt.Load() && other < 20 {
		c.beside(func() { c.send(forged, true) })
	}
	switch {
	case fate < 15: // lost
		panic(http.ErrAbortHandler)
	case fate < 25: // doubled
		c.beside(func() { c.send(genuine, false) })
	case fate < 35: // late: the shop hears nothing of it
		c.beside(func() {
			if pause(c.ctx, wait) {
				c.send(genuine, false)
			}
		})
		return
	case fate < 45: // an old one comes again
		if again, ok := c.recall(other); ok {
			c.beside(func() { c.send(again, false) })
		}
	}
	if code := c.send(genuine, false); code != 0 {
		w.WriteHeader(code)
		return
	}
	panic(http.ErrAbortHandler)
}

// draw decides what becomes of a callback, and remembers it.
func (c *callbacks) draw(genuine call) (fate, other int, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.old) < 200 {
		c.old = append(c.old, genuine)
	} else {
		c.old[c.random.IntN(len(c.old))] = genuine
	}
	fate, other, wait = c.random.IntN(100), c.random.IntN(100), time.Duration(c.random.Int64N(int64(3*time.Second)))
	if !c.spoilt.Load() {
		fate = 100
	}
	return fate, other, wait
}

func (c *callbacks) recall(chance int) (call, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.old) == 0 {
		return call{}, false
	}
	return c.old[chance%len(c.old)], true
}

func (c *callbacks) beside(do func()) { c.busy.Go(do) }

// send hands a callback to a door and notes the answer. 0: nobody answered.
func (c *callbacks) send(h call, forged bool) int {
	note := func(code int) int {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.hooks = append(c.hooks, check.Hook{Time: time.Now().UTC(), Provider: c.provider, Forged: forged, Code: code})
		return code
	}
	var open []string
	for _, m := range c.doors() {
		if addr := m.callbacks(); addr != "" {
			open = append(open, addr)
		}
	}
	if len(open) == 0 {
		return note(0)
	}
	c.mu.Lock()
	addr := open[c.random.IntN(len(open))]
	c.mu.Unlock()
	r, err := http.NewRequestWithContext(c.ctx, http.MethodPost, "http://"+addr+h.path, strings.NewReader(h.body))
	if err != nil {
		return note(0)
	}
	r.Header.Set("Content-Type", h.kind)
	answer, err := c.client.Do(r)
	if err != nil {
		return note(0)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return note(answer.StatusCode)
}

// sent are all calls so far.
func (c *callbacks) sent() []check.Hook {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]check.Hook(nil), c.hooks...)
}

// forgeSkins says "success" of a deposit in the name of somebody who does not
// know the secret, or changes the word in a genuine one.
func (s *shops) forgeSkins(genuine call, chance int) (call, bool) {
	form, err := url.ParseQuery(genuine.body)
	if err != nil || form.Get("order_id") == "" {
		return call{}, false
	}
	old, word := "status="+form.Get("status"), "status=success"
	if old == word {
		word = "status=fail"
	}
	if chance%2 == 0 { // the genuine signature under another word
		body := strings.Replace(genuine.body, old, word, 1)
		return call{genuine.path, genuine.kind, body}, body != genuine.body
	}
	w, err := s.skins.Forge(form.Get("order_id"), strings.TrimPrefix(word, "status="))
	return call{genuine.path, w.ContentType, w.Body}, err == nil
}

// forgeSite calls with a token of nobody: the script signs nothing.
func forgeSite(genuine call, chance int) (call, bool) {
	end := genuine.path[len(genuine.path)-1:]
	other := string("abcdefgh"[chance%8])
	if other == end {
		other = "z"
	}
	body := bytes.ReplaceAll([]byte(genuine.body), []byte("status=new"), []byte("status=success"))
	return call{strings.TrimSuffix(genuine.path, end) + other, genuine.kind, string(body)}, true
}
