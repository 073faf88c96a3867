package webhook_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/internal/webhook"
	"github.com/beltline-io/beltline/pkg/messages"
)

var (
	_ webhook.Ledger = (*ledger.Ledger)(nil)
	_ webhook.Queue  = (*queue.Queue)(nil)
)

// gate is a queue that stores nothing before it is released.
type gate struct {
	webhook.Queue
	entered, release chan struct{}
	stored           atomic.Bool
	err              error
}

func (g *gate) Send(ctx context.Context, p messages.Provider, v messages.Verb, c messages.Command) error {
	g.entered <- struct{}{}
	select {
	case <-g.release:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if g.err != nil {
		return g.err
	}
	err := g.Queue.Send(ctx, p, v, c)
	g.stored.Store(err == nil)
	return err
}

func TestDoor_IsSilentUntilTheCallbackIsStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	q := &gate{Queue: r.queue, entered: make(chan struct{}, 1), release: make(chan struct{})}
	d := open(t, r.ledger, q)
	conn, err := net.Dial("tcp", d.Address())
	must(t, err)
	defer conn.Close()
	_, err = conn.Write(request(path(t, d.Door, "o-1"), signed("success", "77")))
	must(t, err)
	<-q.entered
	must(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	var timeout net.Error
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%d bytes (%v) were answered before the callback was stored", n, err)
	}
	must(t, conn.SetReadDeadline(time.Time{}))
	close(q.release)
	if got := statusOf(t, conn); got != http.StatusOK || !q.stored.Load() {
		t.Errorf("answered %d, stored: %v", got, q.stored.Load())
	}
}

func TestDoor_DuplicatesOfACallbackInHandWaitForItAndFollowItsFate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	q := &gate{Queue: r.queue, entered: make(chan struct{}, 9), release: make(chan struct{}), err: errors.New("disk is full")}
	d := open(t, r.ledger, q)
	got := make(chan int, 2)
	for range 2 {
		go func() {
			a, err := d.try(t.Context(), http.MethodPost, path(t, d.Door, "o-1"), form, signed("success", "77"))
			if err != nil {
				t.Error(err)
			}
			got <- a.status
		}()
	}
	<-q.entered
	close(q.release)
	for range 2 {
		if s := <-got; s != http.StatusServiceUnavailable {
			t.Errorf("answered %d, and nothing was stored", s)
		}
	}
	q.err = nil
	d.post(t, path(t, d.Door, "o-1"), signed("success", "77")).is(t, http.StatusOK)
	if len(r.commands(t, "o-1")) != 1 {
		t.Error("what could not be stored was taken for a duplicate")
	}
}

func TestDoor_WithoutNATSTheProviderIsAskedToSendItAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t, func(o *webhook.Options) { o.Limits.Store = time.Second })
	r.srv.Stop()
	a := d.post(t, path(t, d.Door, "o-1"), signed("success", "77"))
	a.is(t, http.StatusServiceUnavailable)
	if a.header.Get("Retry-After") == "" {
		t.Error("does not say when to come back")
	}
	r.srv.Restart(t)
	eventually(t, "the repetition is stored", func() bool {
		a, err := d.try(t.Context(), http.MethodPost, path(t, d.Door, "o-1"), form, signed("success", "77"))
		return err == nil && a.status == http.StatusOK
	})
	if got := r.commands(t, "o-1"); len(got) == 0 {
		t.Error("answered 200 and not stored")
	}
	if len(r.dead(t)) != 0 {
		t.Error("an order was taken for unknown because the server was down")
	}
}

// script is a ledger that answers as it is told to, one answer after another.
type script struct {
	answers []error
	asked   atomic.Int32
	entry   *ledger.Entry
	fall    bool // into a panic
}

func (s *script) Last(context.Context, string, string) (*ledger.Entry, error) {
	n := int(s.asked.Add(1)) - 1
	if s.fall {
		panic("body: " + providerKey)
	}
	if n < len(s.answers) && s.answers[n] != nil {
		return nil, s.answers[n]
	}
	return s.entry, nil
}

func TestDoor_OneNoOfTheLedgerIsNotBelieved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	real, err := r.ledger.Last(t.Context(), tenant, "o-1")
	must(t, err)
	l := &script{answers: []error{ledger.ErrNotFound}, entry: real}
	d := open(t, l, r.queue)
	d.post(t, path(t, d.Door, "o-1"), signed("success", "77")).is(t, http.StatusOK)
	if len(r.dead(t)) != 0 || len(r.commands(t, "o-1")) != 1 {
		t.Errorf("%d dead letters, %d commands", len(r.dead(t)), len(r.commands(t, "o-1")))
	}
}

func TestDoor_AnUnreadableOrderKeepsTheCallbackForAHuman(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := open(t, &script{answers: []error{ledger.ErrInvalid}}, r.queue)
	d.post(t, path(t, d.Door, "o-1"), signed("success", "77")).is(t, http.StatusOK)
	if dead := r.dead(t); len(dead) != 1 || dead[0].Header.Get(messages.HeaderReason) != "command_unprocessable" {
		t.Errorf("dead letters %+v", dead)
	}
}

// Somebody may have paid for an order that was erased: no worker could record it.
func TestDoor_ACallbackForAnErasedOrderIsKeptForAHuman(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := open(t, &script{entry: &ledger.Entry{Seq: 9, Event: &messages.Event{
		N: 4, Type: messages.Forgotten, State: messages.Succeeded, Tenant: tenant, OrderID: "o-1", Provider: provider, Kind: messages.Deposit,
	}}}, r.queue)
	d.post(t, path(t, d.Door, "o-1"), signed("success", "77")).is(t, http.StatusOK)
	if dead := r.dead(t); len(dead) != 1 || dead[0].Header.Get(messages.HeaderReason) != "unknown_order" || len(r.commands(t, "o-1")) != 0 {
		t.Errorf("dead letters %+v", dead)
	}
}

func TestDoor_APanicIsAnsweredAndTellsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := open(t, &script{fall: true}, r.queue)
	d.post(t, path(t, d.Door, "o-1"), signed("success", "77")).is(t, http.StatusInternalServerError)
	d.post(t, path(t, d.Door, "o-1"), signed("success", "77")).is(t, http.StatusInternalServerError) // nobody waits for the first one
	if d.counted(t, "broken") != 2 {
		t.Error("not counted")
	}
	if log := d.log.String(); strings.Contains(log, providerKey) || !strings.Contains(log, "made the door panic") {
		t.Errorf("logged %s", log)
	}
}

func TestDoor_FinishesWhatIsInHandWhenItStops(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	q := &gate{Queue: r.queue, entered: make(chan struct{}, 1), release: make(chan struct{})}
	d := open(t, r.ledger, q)
	addr, p := d.Address(), path(t, d.Door, "o-1")
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	defer conn.Close()
	_, err = conn.Write(request(p, signed("success", "77")))
	must(t, err)
	<-q.entered
	stopped := make(chan struct{})
	go func() { d.stop(); close(stopped) }()
	eventually(t, "nobody else gets in", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	close(q.release)
	if got := statusOf(t, conn); got != http.StatusOK {
		t.Errorf("answered %d", got)
	}
	<-stopped
	if d.Ready() == nil || d.Address() != "" {
		t.Error("a closed door says it is open")
	}
}

func TestRun_SaysWhyItCannotListen(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	d, err := webhook.New(nil, nil, options(func(o *webhook.Options) { o.Addr = taken.Addr().String() }))
	must(t, err)
	if d.Ready() == nil {
		t.Error("ready before it runs")
	}
	if err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "listen") {
		t.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Run(ended); err != nil {
		t.Errorf("stopped before it began: %v", err)
	}
}

func TestNew_RefusesADoorThatStandsOpen(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*webhook.Options){
		"no provider":      func(o *webhook.Options) { o.Provider = "" },
		"unknown provider": func(o *webhook.Options) { o.Provider = messages.NoProvider },
		"no secrets":       func(o *webhook.Options) { o.Secrets = nil },
		"an empty secret":  func(o *webhook.Options) { o.Secrets = append(o.Secrets, secret.String{}) },
		"no verifier":      func(o *webhook.Options) { o.Verify = nil },
		"no public URL":    func(o *webhook.Options) { o.PublicURL = "" },
		"no scheme":        func(o *webhook.Options) { o.PublicURL = "example.com/x" },
		"another scheme":   func(o *webhook.Options) { o.PublicURL = "ftp://example.com" },
		"a query":          func(o *webhook.Options) { o.PublicURL = "https://example.com/?" + key },
		"a user":           func(o *webhook.Options) { o.PublicURL = "https://u:" + key + "@example.com/" },
		"no URL at all":    func(o *webhook.Options) { o.PublicURL = "https://%zz" + key },
	} {
		d, err := webhook.New(nil, nil, options(edit))
		if err == nil || d != nil {
			t.Errorf("%s: accepted", name)
		}
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%s: the error tells a secret: %v", name, err)
		}
	}
}
