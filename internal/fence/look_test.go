package fence_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// byHand is a fence that looks when the test says so.
func (r *rig) byHand(o fence.Options) (*fence.Fence, *fence.Books, *nats.Conn) {
	r.t.Helper()
	nc := r.srv.Conn(r.t)
	js := jsOf(r.t, nc)
	f := fence.New(nc, js, o)
	r.look(f)
	if err := f.Allows(); err != nil {
		r.t.Fatal(err)
	}
	return f, f.Around(openLedger(r.t, nc, js)), nc
}

func (r *rig) look(f *fence.Fence) {
	r.t.Helper()
	if err := f.Look(r.within()); err != nil {
		r.t.Fatal(err)
	}
}

func TestLook_ANewConnectionIsNotTrustedBeforeIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f, books, nc := r.byHand(fence.Options{Instance: "w1", Hearing: time.Nanosecond})
	e, seq := r.accept(topup("a"))
	r.srv.Restart(t)
	r.eventually("the connection", func() bool { return nc.IsConnected() && nc.Stats().Reconnects > 0 })
	if _, err := books.Append(r.within(), intent(t, e), seq); !errors.Is(err, fence.ErrUnsure) {
		t.Errorf("an intent before the look: %v", err)
	}
	if err := f.Ready(); err != nil {
		t.Errorf("a look that is due is no reason to be out of service: %v", err)
	}
	r.look(f)
	if _, err := books.Append(r.within(), intent(t, e), seq); err != nil {
		t.Errorf("an intent after the look: %v", err)
	}
}

func TestLook_AnotherServerIsNotTrustedUntilTheOthersHadTimeToSpeak(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	patient, _, nc1 := r.byHand(fence.Options{Instance: "patient", Hearing: time.Hour})
	hasty, _, nc2 := r.byHand(fence.Options{Instance: "hasty", Hearing: time.Nanosecond})
	r.srv.Restart(t)
	for _, nc := range []*nats.Conn{nc1, nc2} {
		r.eventually("the connection", func() bool { return nc.IsConnected() && nc.Stats().Reconnects > 0 })
	}
	r.look(patient)
	r.look(hasty)
	if err := patient.Allows(); !errors.Is(err, fence.ErrUnsure) {
		t.Errorf("it did not wait: %v", err)
	}
	if err := hasty.Allows(); err != nil {
		t.Errorf("it need not wait: %v", err)
	}
}

// One process has seen more than the ledger holds, the other has not. The first
// is not sure yet, and the other buys nothing until it is.
func TestLook_WhatOneDoubtsStopsTheOthersUntilItIsSettled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(topup("before"))
	older := r.copied()
	quick := fence.Options{Hearing: time.Nanosecond, Confirm: time.Hour}
	quick.Instance = "knows"
	knows, books, nc1 := r.byHand(quick)
	quick.Instance = "ignorant"
	ignorant, _, nc2 := r.byHand(quick)
	e, seq := r.accept(topup("a"))
	if _, err := books.Append(r.within(), intent(t, e), seq); err != nil {
		t.Fatal(err)
	}
	r.rollBack(older)
	for _, nc := range []*nats.Conn{nc1, nc2} {
		r.eventually("the connection", func() bool { return nc.IsConnected() && nc.Stats().Reconnects > 0 })
	}
	r.look(knows)
	r.look(ignorant)
	if err := ignorant.Allows(); !errors.Is(err, fence.ErrStopped) || !strings.Contains(err.Error(), "knows says") {
		t.Errorf("the other may buy: %v", err)
	}
	if report, _, err := r.inspect(); err != nil || report.State.Tripped {
		t.Errorf("a doubt of one look stopped all for good: %+v, %v", report.State, err)
	}
	r.accept(topup("b")) // the ledger grows again up to where it was
	r.accept(topup("c"))
	r.look(knows)
	if s := r.tripped(fence.Older); s.By != "knows" || !strings.Contains(s.Found, messages.StreamEvents) {
		t.Errorf("%+v", s)
	}
	r.look(ignorant)
	if err := ignorant.Allows(); !errors.Is(err, fence.ErrStopped) {
		t.Errorf("the other may buy: %v", err)
	}
}

// repeated is a log that tells when an append was repeated.
type repeated chan struct{}

func (r repeated) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("append was repeated")) {
		select {
		case r <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}

// An event was on its way while the server restarted, and is acknowledged by the
// one that came back. That one has promised it, whatever was before.
func TestLook_WhatWasAcknowledgedAcrossARestartIsMissedWhenItIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(topup("before"))
	older := r.copied()
	f, _, nc := r.byHand(fence.Options{Instance: "w1", Hearing: time.Nanosecond, Confirm: time.Hour})
	begun := make(repeated, 1)
	l, err := ledger.Open(r.within(), nc, jsOf(t, nc), ledger.Options{Log: zerolog.New(begun)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	e, _ := order.Apply(nil, order.Change{Input: order.Accept, At: time.Now(), New: &order.Submission{
		Tenant: tenant, OrderID: "a", Provider: messages.BalanceSteam, Kind: messages.Topup, Order: topup("a").Raw,
	}})
	r.srv.Stop()
	stored := make(chan error, 1)
	go func() { _, err := f.Around(l).Append(r.t.Context(), e, 0); stored <- err }()
	select {
	case <-begun:
	case <-r.within().Done():
		t.Fatal("the append has not begun")
	}
	reconnects := nc.Stats().Reconnects
	r.srv.Restart(t)
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
	reconnects = max(reconnects, nc.Stats().Reconnects)
	r.rollBack(older)
	r.eventually("the connection", func() bool { return nc.IsConnected() && nc.Stats().Reconnects > reconnects })
	r.look(f)
	if err := f.Allows(); !errors.Is(err, fence.ErrStopped) {
		t.Errorf("what was acknowledged is gone, and it may buy: %v", err)
	}
}
