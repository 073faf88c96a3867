package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestReads_AgreeOnWhatWasAppended(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := within(t)
	before := time.Now()
	var want []*messages.Event
	last := uint64(0)
	for i, typ := range []messages.Type{messages.Accepted, messages.Placing, messages.Succeeded} {
		e := event("ord-1", uint64(i+1), typ, "a")
		want = append(want, e)
		last = mustAppend(t, b.l, e, last)
		mustAppend(t, b.l, event(orderID(100+i), 1, messages.Accepted, ""), 0) // others in between
	}
	history, err := b.l.History(ctx, tenant, "ord-1")
	if err != nil {
		t.Fatal(err)
	}
	var got []*messages.Event
	for _, e := range history {
		got = append(got, e.Event)
		at, err := b.l.At(ctx, e.Seq)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, *at); diff != "" {
			t.Errorf("At and History disagree (-history +at):\n%s", diff)
		}
		if e.Stored.Before(before.Add(-time.Second)) || e.Stored.After(time.Now().Add(time.Second)) {
			t.Errorf("stored at %s, now is %s", e.Stored, time.Now())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	end, err := b.l.Last(ctx, tenant, "ord-1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(history[2], *end); diff != "" || end.Seq != last {
		t.Errorf("Last is at %d, want %d (-history +last):\n%s", end.Seq, last, diff)
	}
}

func TestReads_OfNothingSayNotFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := within(t)
	mustAppend(t, b.l, event("ord-1", 1, messages.Accepted, ""), 0)
	_, err := b.l.Last(ctx, tenant, "ord-2")
	wantErr(t, err, ledger.ErrNotFound)
	_, err = b.l.Last(ctx, "other", "ord-1")
	wantErr(t, err, ledger.ErrNotFound)
	_, err = b.l.Last(ctx, tenant, "*")
	wantErr(t, err, ledger.ErrNotFound)
	_, err = b.l.History(ctx, tenant, "ord-2")
	wantErr(t, err, ledger.ErrNotFound)
	_, err = b.l.At(ctx, 2)
	wantErr(t, err, ledger.ErrNotFound)
	_, err = b.l.At(ctx, 0)
	wantErr(t, err, ledger.ErrNotFound)
}

func TestReads_RefuseABodyThatDisagreesWithItsSubject(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		subject string
		body    func() []byte
	}{
		"another provider": {"events.skinsback.acme.ord-1.accepted", nil},
		"no provider":      {"events.none.acme.ord-1.accepted", nil},
		"another type":     {"events.gamesdrop.acme.ord-1.succeeded", nil},
		"another order":    {"events.gamesdrop.acme.ord-2.accepted", nil},
		"another tenant":   {"events.gamesdrop.evil.ord-1.accepted", nil},
		"not JSON":         {"events.gamesdrop.acme.ord-1.accepted", func() []byte { return []byte("{") }},
		"another version":  {"events.gamesdrop.acme.ord-1.accepted", func() []byte { return []byte(`{"v":2}`) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			body, err := event("ord-1", 1, messages.Accepted, "").MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if c.body != nil {
				body = c.body()
			}
			if _, err := b.js.Publish(t.Context(), c.subject, body); err != nil {
				t.Fatal(err)
			}
			_, err = b.l.At(within(t), 1)
			wantErr(t, err, ledger.ErrInvalid)
			if c.subject == "events.gamesdrop.acme.ord-1.accepted" {
				_, err = b.l.Last(within(t), tenant, "ord-1")
				wantErr(t, err, ledger.ErrInvalid)
				_, err = b.l.History(within(t), tenant, "ord-1")
				wantErr(t, err, ledger.ErrInvalid)
			}
		})
	}
}

func TestAt_WorksWhereTheStreamAllowsNoDirectReads(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	js := srv.JS(t)
	cfg := eventsStream(1, 1<<30)
	cfg.AllowDirect = false
	if _, err := js.CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	l := open(t, srv.Conn(t), ledger.Options{})
	seq := mustAppend(t, l, event("ord-1", 1, messages.Accepted, ""), 0)
	if _, err := l.At(within(t), seq); err != nil {
		t.Error(err)
	}
}

func TestReads_GoOnThroughARestart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mustAppend(t, b.l, event("ord-1", 1, messages.Accepted, ""), 0)
	b.srv.Stop()
	done := make(chan error, 1)
	go func() {
		_, err := b.l.Last(within(t), tenant, "ord-1")
		done <- err
	}()
	b.srv.Restart(t)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReads_EndWithTheirContextAndSayWhy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.srv.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := b.l.Last(ctx, tenant, "ord-1")
	wantErr(t, err, context.DeadlineExceeded)
	if errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an unanswered read says %v", err)
	}
}

func TestOpen_WithoutAStreamFailsAtOnce(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	nc := srv.Conn(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ledger.Open(within(t), nc, js, ledger.Options{})
	wantErr(t, err, jetstream.ErrStreamNotFound)
}

func TestOpen_WaitsForTheServerUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	up := make(chan struct{}, 1)
	nc := b.srv.Conn(t, nats.ReconnectHandler(func(*nats.Conn) { up <- struct{}{} }))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	b.srv.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := ledger.Open(ctx, nc, js, ledger.Options{}); err == nil {
		t.Fatal("a ledger was opened on a stopped server")
	}
	opened := make(chan error, 1)
	go func() {
		l, err := ledger.Open(within(t), nc, js, ledger.Options{})
		if err == nil {
			l.Close()
		}
		opened <- err
	}()
	b.srv.Restart(t)
	<-up
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestHistory_RefusesAnEventThatWasNotWrittenByCompareAndSet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := mustAppend(t, b.l, event("ord-1", 1, messages.Accepted, ""), 0)
	body, err := event("ord-1", 2, messages.Placing, "").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.js.Publish(t.Context(), "events.gamesdrop.acme.ord-1.placing", body); err != nil {
		t.Fatal(err)
	}
	_, err = b.l.History(within(t), tenant, "ord-1")
	wantErr(t, err, ledger.ErrInvalid)
	// Nor may an append take such an event for a lost race, or for its own.
	l := open(t, b.srv.Conn(t), ledger.Options{Timeout: 160 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = l.Append(ctx, event("ord-1", 2, messages.Placing, ""), first)
	wantErr(t, err, ledger.ErrUnknown)
}
