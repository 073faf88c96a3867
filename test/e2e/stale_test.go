package e2e_test

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// proxy stands between a program and nats-server, and can hold back what the
// program says while everything else goes on.
type proxy struct {
	listener net.Listener
	server   string

	mu   sync.Mutex
	open chan struct{} // closed while bytes may pass
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, server: server, open: make(chan struct{})}
	close(p.open)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
	defer func() { _ = server.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		<-open
		if _, wErr := server.Write(buf[:n]); wErr != nil || err != nil {
			return
		}
	}
}

// hold keeps back what the program says until release.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.open)
}

// newStale starts a dispatcher and one worker for BalanceSteam in processes,
// and has it call the shop for an order. The shop has bought and answers late.
func newStale(t *testing.T, natsURL func(*rig) string) (*rig, *process, plan) {
	t.Helper()
	r := newRig(t, 1)
	r.add(dispatcherProgram, nil).start()
	r.procs[0].awaitReady()
	r.up.follow()
	own := steamSettings(r.steam.URL())
	own["NATS_URL"] = natsURL(r)
	first := r.add(steamProgram, own)
	first.start()
	first.awaitReady()
	r.steam.Door().Faults.Once(balancesteamtest.OpTopup, providertest.Fault{Kind: providertest.Slow, Delay: time.Second})
	p := topup("acme", "stale", "77.70")
	r.up.submit(p.tenant, p.body)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := r.steam.Door().Book.Wait(ctx, func(e providertest.Entry) bool { return e.Phase == providertest.Committed }); err != nil {
		t.Fatal(err)
	}
	return r, first, p
}

// takeOver starts a second worker and waits until it has found the order's
// owner silent beyond its lease.
func takeOver(r *rig, p plan) {
	r.t.Helper()
	second := r.add(steamProgram, steamSettings(r.steam.URL()))
	second.start()
	second.awaitReady()
	doubt := r.up.awaitType(p.key(), "unresolved")
	if !doubt.needsOperator() || doubt.text("error.code") != "no_answer" {
		r.t.Errorf("the doubt is %s", doubt)
	}
}

func TestStale_AWorkerFrozenInItsCallBuysOnceAndNeverMakesAFailureOfADoubt(t *testing.T) {
	t.Parallel()
	r, first, p := newStale(t, func(r *rig) string { return r.server.url() })
	first.signal(syscall.SIGSTOP)
	takeOver(r, p)
	first.signal(syscall.SIGCONT)
	// It wakes up long after its deadline: it may still find the answer, or only
	// that it came too late. Both are the truth.
	r.stopAll() // a worker drains only when its call is over and recorded
	r.checkStale(p)
	t.Logf("%s ended as %s", p.key(), typesOf(r.up.events(p.key())))
}

// The worker has its answer, but its connection to NATS was stuck until its
// lease was over and another had taken the order for doubtful.
func TestStale_AnAnswerHeldBackBeyondTheLeaseIsRecorded(t *testing.T) {
	t.Parallel()
	var between *proxy
	r, _, p := newStale(t, func(r *rig) string {
		between = newProxy(t, "127.0.0.1:"+r.server.port)
		return between.url()
	})
	between.hold()
	takeOver(r, p)
	between.release()
	last := r.up.awaitType(p.key(), "succeeded")
	r.stopAll()
	r.checkStale(p)
	if bought := r.books()[p.account]; len(bought) != 1 || last.text("provider_ref.id") != bought[0].id {
		t.Errorf("succeeded as %s, the shop has %s", last, render(bought))
	}
}

// checkStale: bought once, and the order is done or visibly in doubt.
func (r *rig) checkStale(p plan) {
	r.t.Helper()
	events := r.up.events(p.key())
	for _, fault := range append(ends(p, events), agrees(p, events, r.books()[p.account])...) {
		r.t.Errorf("%s\n%s", fault, story(events))
	}
	if got := r.books()[p.account]; len(got) != 1 {
		r.t.Errorf("the shop has %s", render(got))
	}
	if got := len(r.steam.Door().Book.Select(providertest.Received, balancesteamtest.OpTopup)); got != 1 {
		r.t.Errorf("%d creating requests", got)
	}
	for _, e := range events {
		if e.state() == "failed" || e.state() == "retrying" && !e.stale() {
			r.t.Errorf("a doubt became %s", e)
		}
	}
}
