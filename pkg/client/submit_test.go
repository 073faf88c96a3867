package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestSubmit_ReturnsWhenTheOrderIsStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	receipt, err := r.connect(nil).Submit(within(t), order("a"))
	if err != nil || receipt.Seq != 1 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	want := `{"v":1,"id":"a","provider":"exchanger","kind":"partner_payout","params":{"method_id":"3","account":"4100111222333"}}`
	if got := r.stored(messages.SubmitRequest); len(got) != 1 || got[0] != want {
		t.Errorf("stored: %s", got)
	}
}

func TestSubmit_AnOrderWithFaultsIsNotSentAndAllOfThemAreTold(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect(nil)
	_, err := c.Submit(within(t), client.Order{ID: "a b", Params: messages.OfferParams{OfferID: 1001}})
	var invalid *messages.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Faults) != 2 || invalid.Faults[0].Pointer != "/id" || invalid.Faults[1].Pointer != "/max_cost" {
		t.Errorf("%v", err)
	}
	if _, err = c.SubmitJSON(within(t), []byte(`{"v":1}`)); !errors.As(err, &invalid) {
		t.Errorf("JSON: %v", err)
	}
	if _, err = c.Submit(within(t), client.Order{ID: "a"}); !errors.As(err, &invalid) || invalid.Faults[0].Pointer != "/params" {
		t.Errorf("no params: %v", err)
	}
	if _, err = c.Cancel(within(t), "a.b", ""); !errors.As(err, &invalid) {
		t.Errorf("cancel: %v", err)
	}
	if got := r.stored(messages.SubmitRequest); len(got) != 0 {
		t.Errorf("stored: %s", got)
	}
}

func TestForward_SendsWhatItIsGivenAndLeavesTheVerdictToBeltline(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect(nil)
	all := []string{`{"v":1,"id":"a","kind":"of a later version"}`, `{"v":1,"id":7}`, `{"v":1}`}
	for i, text := range all {
		if receipt, err := c.Forward(within(t), []byte(text)); err != nil || receipt.Seq != uint64(i+1) {
			t.Errorf("%s: %+v, %v", text, receipt, err)
		}
	}
	if got := r.stored(messages.SubmitRequest); !slices.Equal(got, all) {
		t.Errorf("stored: %s", got)
	}
	c.Close()
	if _, err := c.Forward(within(t), []byte(all[0])); !errors.Is(err, client.ErrNotStored) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("closed: %v", err)
	}
}

func TestSubmit_WaitsForAServerThatIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := newProxy(t, r.server.URL())
	c := connect(t, p.url(), nil)
	p.setAway(true)
	done := make(chan error, 1)
	go func() {
		_, err := c.Submit(within(t), order("a"))
		done <- err
	}()
	for range 5 {
		select {
		case err := <-done:
			t.Fatalf("submitted to nobody: %v", err)
		case <-p.knock:
		}
	}
	p.setAway(false)
	if err := <-done; err != nil || len(r.stored(messages.SubmitRequest)) != 1 {
		t.Errorf("%v; stored: %s", err, r.stored(messages.SubmitRequest))
	}
}

// The server has stored the order and the acknowledgement is lost with the
// connection.
func TestSubmit_AfterALostAcknowledgementTheSameBytesAreSentAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := newProxy(t, r.server.URL())
	c := connect(t, p.url(), nil)
	p.loseAnswer(`"stream":"ORDERS"`, 2)
	receipt, err := c.Submit(within(t), order("a"))
	if err != nil || receipt.Seq != 3 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	got := r.stored(messages.SubmitRequest)
	if len(got) != 3 || got[0] != got[1] || got[1] != got[2] {
		t.Errorf("stored: %s", got)
	}
}

func TestSubmit_AcrossARestartOfTheServerIsStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect(nil)
	r.server.Stop()
	done := make(chan error, 1)
	go func() {
		_, err := c.Submit(within(t), order("a"))
		done <- err
	}()
	r.server.Restart(t)
	if err := <-done; err != nil || len(r.stored(messages.SubmitRequest)) == 0 {
		t.Errorf("%v; stored: %s", err, r.stored(messages.SubmitRequest))
	}
}

func TestSubmit_WhatWasSentAndNotAcknowledgedIsUnknownAndNotFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := newProxy(t, r.server.URL())
	c := connect(t, p.url(), nil)
	p.loseAnswer(`"stream":"ORDERS"`, 1)
	ctx, cancel := context.WithCancel(within(t))
	go func() {
		<-p.seen
		p.setAway(true)
		cancel()
	}()
	_, err := c.Submit(ctx, order("a"))
	if !errors.Is(err, client.ErrFateUnknown) || errors.Is(err, client.ErrNotStored) || len(r.stored(messages.SubmitRequest)) == 0 {
		t.Errorf("%v; stored: %s", err, r.stored(messages.SubmitRequest))
	}
}

func TestSubmit_WhatNeverLeftIsNotStoredAndIsNotSentLater(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := newProxy(t, r.server.URL())
	c := connect(t, p.url(), nil)
	if _, err := c.Submit(within(t), order("first")); err != nil {
		t.Fatal(err)
	}
	r.server.Stop()
	p.setAway(true)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := c.Submit(ctx, order("a"))
	known := errors.Is(err, client.ErrNotStored) && errors.Is(err, context.DeadlineExceeded)
	// The client may have written before it learned that nobody is there; then it
	// must say that it does not know.
	if !known && !errors.Is(err, client.ErrFateUnknown) {
		t.Errorf("%v", err)
	}
	r.server.Restart(t)
	p.setAway(false)
	if _, err := c.Submit(within(t), order("last")); err != nil {
		t.Fatal(err)
	}
	if got := r.stored(messages.SubmitRequest); len(got) != 2 {
		t.Errorf("stored: %s", got)
	}
}

func TestSubmit_ADuplicateIsNotStoredAndIsSentAgain(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	duplicate, ack := body(`{"stream":"ORDERS","seq":3,"duplicate":true}`), body(`{"stream":"ORDERS","seq":7}`)
	asked := answerer(t, s.Conn(t), "orders.acme.submit", duplicate, ack)
	receipt, err := connect(t, s.URL(), nil).Submit(within(t), order("a"))
	if err != nil || receipt.Seq != 7 || asked() != 2 {
		t.Errorf("%+v after %d requests, %v", receipt, asked(), err)
	}
}

func TestSubmit_AlwaysADuplicateIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	asked := answerer(t, s.Conn(t), "orders.acme.submit", body(`{"stream":"ORDERS","seq":3,"duplicate":true}`))
	_, err := connect(t, s.URL(), nil).Submit(within(t), order("a"))
	if !errors.Is(err, client.ErrNotStored) || !strings.Contains(err.Error(), "duplicate") || asked() != 5 {
		t.Errorf("after %d requests: %v", asked(), err)
	}
}

func TestSubmit_WaitsForRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	filler := make([]byte, 200<<10)
	for {
		if _, err := r.js.Publish(within(t), "orders.other.submit", filler); err != nil {
			var api *jetstream.APIError
			if !errors.As(err, &api) || api.ErrorCode != 10077 {
				t.Fatal(err)
			}
			break
		}
	}
	// Room enough for small messages would make the test prove nothing.
	for range 10_000 {
		if _, err := r.js.Publish(within(t), "orders.other.submit", filler[:100]); err != nil {
			break
		}
	}
	tries := make(chan *nats.Msg, 100)
	nc := r.server.Conn(t)
	if _, err := nc.ChanSubscribe("orders.acme.submit", tries); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	c := r.connect(nil)
	done := make(chan error, 1)
	go func() {
		_, err := c.Submit(within(t), order("a"))
		done <- err
	}()
	for range 2 {
		select {
		case <-tries:
		case err := <-done:
			t.Fatalf("it did not wait: %v", err)
		}
	}
	s, err := r.js.Stream(within(t), messages.StreamOrders)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSubmit_WhereNothingIsSetUpSaysSo(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	c := connect(t, s.URL(), func(o *client.Options) { o.AnswerWithin = 100 * time.Millisecond })
	_, err := c.Submit(within(t), order("a"))
	if !errors.Is(err, client.ErrNotStored) || !strings.Contains(err.Error(), "no stream takes orders: run `beltline setup`") {
		t.Errorf("%v", err)
	}
	for name, now := range map[string]func(context.Context) (uint64, error){messages.StreamEvents: c.Now, messages.StreamDLQ: c.NowDead} {
		if _, err := now(within(t)); err == nil || !strings.Contains(err.Error(), "stream "+name+" is missing: run `beltline setup`") {
			t.Errorf("%v", err)
		}
	}
}

func TestCancel_IsNotSentAgainOnceItMayHaveBeenStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := newProxy(t, r.server.URL())
	c := connect(t, p.url(), nil)
	p.loseAnswer(`"stream":"ORDERS"`, 1)
	if _, err := c.Cancel(within(t), "a", "changed their mind"); !errors.Is(err, client.ErrFateUnknown) {
		t.Errorf("%v", err)
	}
	want := `{"v":1,"id":"a","reason":"changed their mind"}`
	if got := r.stored(messages.CancelRequest); len(got) != 1 || got[0] != want {
		t.Errorf("stored: %s", got)
	}
	if _, err := c.Confirm(within(t), "a"); err != nil {
		t.Error(err)
	}
	if got := r.stored(messages.ConfirmRequest); len(got) != 1 || got[0] != `{"v":1,"id":"a"}` {
		t.Errorf("stored: %s", got)
	}
}

func TestConnect_RefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]client.Options{
		"no tenant": {}, "a tenant with a dot": {Tenant: "a.b"}, "a reserved one": {Tenant: "unknown"}, "a star": {Tenant: "*"},
		"an address": {Tenant: "acme", URL: "nats://user:hunter2@host:x%"},
		"nobody":     {Tenant: "acme", URL: "nats://user:hunter2@127.0.0.1:1"},
	} {
		c, err := client.Connect(o)
		if err == nil {
			c.Close()
			t.Errorf("%s: connected", name)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
}

// A client on the program's own connection works as well, and leaves it open.
func TestNew_LeavesTheConnectionOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	nc := r.server.Conn(t, nats.ReconnectBufSize(-1))
	c, err := client.New(nc, client.Options{Tenant: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Submit(within(t), order("a")); err != nil {
		t.Error(err)
	}
	c.Close()
	if !nc.IsConnected() {
		t.Error("the program's connection was closed")
	}
}

// verdicts are what a client has said of its orders.
type verdicts struct {
	mu   sync.Mutex
	all  map[string]error
	said map[string]int
}

const (
	saidStored    = "stored"
	saidNotStored = "not stored"
	saidUnknown   = "unknown"
)

func verdict(err error) string {
	lost, refused := errors.Is(err, client.ErrFateUnknown), errors.Is(err, client.ErrNotStored)
	switch {
	case err == nil:
		return saidStored
	case lost && !refused:
		return saidUnknown
	case refused && !lost:
		return saidNotStored
	default:
		return "neither: " + err.Error()
	}
}

func (v *verdicts) add(id string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all[id] = err
	v.said[verdict(err)]++
}

// enough: a world without one of the three proves nothing about it.
func (v *verdicts) enough() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.said[saidStored] >= 10 && v.said[saidUnknown] >= 10 && v.said[saidNotStored] >= 10
}

// The one thing that counts: stored is stored, not stored is not stored, and all
// else is called unknown. The books are the stream itself.
func TestSubmit_WhateverHappensToTheConnectionWhatItSaysIsTrue(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := newProxy(t, r.server.URL())
	c := connect(t, p.url(), func(o *client.Options) { o.AnswerWithin = 500 * time.Millisecond })
	v := &verdicts{all: map[string]error{}, said: map[string]int{}}
	limit := within(t)
	var clerks sync.WaitGroup
	for clerk := range 8 {
		clerks.Go(func() {
			for n := 0; !v.enough() && limit.Err() == nil; n++ {
				id := fmt.Sprintf("o-%d-%d", clerk, n)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(5+20*(n%10))*time.Millisecond)
				_, err := c.Submit(ctx, order(id))
				cancel()
				v.add(id, err)
			}
		})
	}
	ended := make(chan struct{})
	go func() { clerks.Wait(); close(ended) }()
	r.trouble(p, ended)
	r.server.Restart(t) // what is still on its way arrives, or never will
	if _, err := connect(t, p.url(), nil).Submit(within(t), order("last")); err != nil {
		t.Fatal(err)
	}
	books := map[string]bool{}
	for _, b := range r.stored(messages.SubmitRequest) {
		o, err := messages.DecodeOrder([]byte(b))
		if err != nil {
			t.Fatal(err)
		}
		books[o.ID] = true
	}
	for id, err := range v.all {
		switch said := verdict(err); {
		case said == saidUnknown:
		case said == saidStored && books[id], said == saidNotStored && !books[id]:
		default:
			t.Errorf("%s: said %s (%v); in the stream: %t", id, said, err, books[id])
		}
	}
	if t.Logf("said: %v", v.said); !v.enough() {
		t.Error("a world without one of the three proves nothing about it")
	}
}

// trouble cuts, swallows and restarts until the clerks have ended.
func (r *rig) trouble(p *proxy, ended <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for round := 0; ; round++ {
		switch round % 14 {
		case 0, 6, 9:
			p.loseAnswer(`"stream":"ORDERS"`, 2)
		case 3, 12:
			p.cut()
		case 4:
			p.setAway(true)
		case 5:
			p.setAway(false)
		case 10:
			r.server.Restart(r.t)
		}
		select {
		case <-ended:
			p.setAway(false)
			return
		case <-tick.C:
		}
	}
}

func TestSubmit_CarriesTheTraceOfItsContext(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	type key struct{}
	c := r.connect(func(o *client.Options) {
		o.Traceparent = func(ctx context.Context) string { s, _ := ctx.Value(key{}).(string); return s }
	})
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if _, err := c.Submit(context.WithValue(within(t), key{}, trace), order("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Submit(within(t), order("b")); err != nil {
		t.Fatal(err)
	}
	s, err := r.js.Stream(within(t), messages.StreamOrders)
	if err != nil {
		t.Fatal(err)
	}
	for seq, want := range map[uint64]string{1: trace, 2: ""} {
		if m, err := s.GetMsg(within(t), seq); err != nil || m.Header.Get("traceparent") != want {
			t.Errorf("%d: %q, %v", seq, m.Header.Get("traceparent"), err)
		}
	}
	h := map[string][]string{"traceparent": {trace}}
	if _, err := r.js.PublishMsg(within(t), header("events.gamesdrop.acme.a.accepted", h, `{"v":1,"n":1,"order_id":"a"}`)); err != nil {
		t.Fatal(err)
	}
	if got := take(t, watch(t, c, client.Filter{}), 1); got[0].Traceparent != trace {
		t.Errorf("%+v", got[0])
	}
}

func TestClose_EndsWhatIsUnderWayAlsoOnAConnectionThatStaysOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, err := client.New(r.server.Conn(t), client.Options{Tenant: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	next := watch(t, c, client.Filter{})
	r.write(0, 0)
	take(t, next, 1)
	c.Close()
	if _, err, ok := next(); !ok || !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("%v", err)
	}
	if _, err := c.Submit(within(t), order("a")); !errors.Is(err, client.ErrNotStored) {
		t.Errorf("%v", err)
	}
	if _, err := c.Get(within(t), "a"); !errors.Is(err, client.ErrUnanswered) {
		t.Errorf("%v", err)
	}
}
