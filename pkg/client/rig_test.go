package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

// patience is for what must come; never a wait of fixed length.
const patience = 2 * time.Minute

// rig is a server with the streams of Beltline, and nobody who works on them.
type rig struct {
	t      *testing.T
	server *natstest.Server
	js     jetstream.JetStream
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s := natstest.Start(t, natstest.WithListener())
	r := &rig{t: t, server: s, js: s.JS(t)}
	settings := topology.Default()
	settings.EventsMaxBytes, settings.OrdersMaxBytes, settings.DLQMaxBytes = 64<<20, 1<<20, 1<<20
	if _, err := topology.Setup(t.Context(), r.js, settings); err != nil {
		t.Fatal(err)
	}
	return r
}

// connect makes a client of the tenant acme; change may be nil.
func (r *rig) connect(change func(*client.Options)) *client.Client {
	r.t.Helper()
	return connect(r.t, r.server.URL(), change)
}

func connect(t *testing.T, url string, change func(*client.Options)) *client.Client {
	t.Helper()
	o := client.Options{URL: url, Tenant: "acme", NATS: []nats.Option{nats.ReconnectWait(10 * time.Millisecond), nats.Timeout(natstest.Patience)}}
	if change != nil {
		change(&o)
	}
	c, err := client.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func order(id string) client.Order {
	return client.Order{ID: id, Params: messages.PartnerPayoutParams{MethodID: "3", Account: "4100111222333"}}
}

// stored are the bodies on the subject of a request, in ORDERS.
func (r *rig) stored(q messages.Request) []string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	s, err := r.js.Stream(ctx, messages.StreamOrders)
	if err != nil {
		r.t.Fatal(err)
	}
	var bodies []string
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(ctx, seq)
		if err != nil {
			r.t.Fatal(err)
		}
		if m.Subject == messages.OrderSubject("acme", q) {
			bodies = append(bodies, string(m.Data))
		}
	}
	return bodies
}

// event writes an event into the ledger, as the dispatcher or a worker would.
func (r *rig) event(id string, n uint64, typ messages.Type) {
	r.t.Helper()
	e := messages.Event{N: n, Type: typ, State: typ, Time: time.Now(), Tenant: "acme", OrderID: id, Provider: messages.GamesDrop, Order: json.RawMessage(`{"v":1}`)}
	body, err := e.MarshalJSON()
	if err != nil {
		r.t.Fatal(err)
	}
	r.publish(messages.EventSubject(messages.GamesDrop, "acme", id, typ), body)
}

// publish stores a message, and tries again where a restart is in the way: a
// message may then stand twice, which is what readers have to live with.
func (r *rig) publish(subject string, body []byte) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for {
		once, done := context.WithTimeout(ctx, 2*time.Second)
		_, err := r.js.Publish(once, subject, body)
		done()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			r.t.Fatalf("publish to %s: %v", subject, err)
		}
	}
}

// take reads so many events from a watch, and fails where one is an error.
func take(t *testing.T, next func() (client.Event, error, bool), n int) []client.Event {
	t.Helper()
	var all []client.Event
	for len(all) < n {
		e, err, ok := next()
		if err != nil || !ok {
			t.Fatalf("after %d of %d events: %v (more: %t)", len(all), n, err, ok)
		}
		all = append(all, e)
	}
	return all
}

// within bounds what a test waits for.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// proxy is the network between a client and the server.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns map[net.Conn]bool
	away  bool
	cutAt string // of what the server says; "" for nothing
	cuts  int    // how many more times
	seen  chan struct{}
	knock chan struct{} // somebody was turned away
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: strings.TrimPrefix(target, "nats://"), conns: map[net.Conn]bool{}, seen: make(chan struct{}, 100), knock: make(chan struct{}, 1)}
	t.Cleanup(func() { _ = l.Close(); p.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) serve(c net.Conn) {
	s, err := net.DialTimeout("tcp", p.target, natstest.Patience)
	if err != nil {
		_ = c.Close()
		return
	}
	p.mu.Lock()
	away := p.away
	p.conns[c], p.conns[s] = true, true
	p.mu.Unlock()
	if away {
		p.drop(c, s)
		select {
		case p.knock <- struct{}{}:
		default:
		}
		return
	}
	go p.carry(s, c, false)
	p.carry(c, s, true)
}

func (p *proxy) carry(to, from net.Conn, answers bool) {
	defer p.drop(to, from)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if answers && p.swallows(buf[:n]) {
			return
		}
		if _, werr := to.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}

func (p *proxy) swallows(said []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cuts == 0 || !bytes.Contains(said, []byte(p.cutAt)) {
		return false
	}
	p.cuts--
	select {
	case p.seen <- struct{}{}:
	default: // nobody counts them
	}
	return true
}

// loseAnswer breaks the connection, so many times, where the server says what
// contains text: the server has acted, and the client does not learn of it.
func (p *proxy) loseAnswer(text string, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAt, p.cuts = text, times
}

// setAway lets no connection through; those that stand are broken.
func (p *proxy) setAway(away bool) {
	p.mu.Lock()
	p.away = away
	p.mu.Unlock()
	if away {
		p.cut()
	}
}

// cut breaks all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// answerer stands in for whoever answers on a subject: it gives the answers one
// by one, and the last one for ever.
func answerer(t *testing.T, nc *nats.Conn, subject string, answers ...*nats.Msg) (asked func() int) {
	t.Helper()
	var mu sync.Mutex
	count := 0
	_, err := nc.Subscribe(subject, func(m *nats.Msg) {
		mu.Lock()
		a := answers[min(count, len(answers)-1)]
		count++
		mu.Unlock()
		_ = m.RespondMsg(&nats.Msg{Header: a.Header, Data: a.Data})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return func() int { mu.Lock(); defer mu.Unlock(); return count }
}

func body(format string, args ...any) *nats.Msg {
	return &nats.Msg{Data: fmt.Appendf(nil, format, args...)}
}

func header(subject string, h map[string][]string, body string) *nats.Msg {
	return &nats.Msg{Subject: subject, Header: h, Data: []byte(body)}
}
