package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

func messagesIn(t *testing.T, js jetstream.JetStream, stream string) uint64 {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	must(t, err)
	return s.CachedInfo().State.Msgs
}

func TestSend_StoresTheCommandForTheRightConsumer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := consume(t, b.js)
	want := command("o-1")
	want.Hint = json.RawMessage(`{"status":"success"}`)
	must(t, b.q.Send(t.Context(), p, messages.Check, want))
	m := receive(t, got)
	if m.Subject() != "commands.gamesdrop.check.acme.o-1" {
		t.Errorf("subject %s", m.Subject())
	}
	c, err := messages.DecodeCommand(m.Data())
	must(t, err)
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("command (-want +got)\n%s", diff)
	}
}

// A re-driven order sends the very same command again; a server that took it
// for a duplicate would leave the order without one.
func TestSend_TheSameCommandTwiceIsStoredTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 2 {
		must(t, b.q.Send(t.Context(), p, messages.Place, command("o-1")))
	}
	if got := messagesIn(t, b.js, messages.StreamCommands); got != 2 {
		t.Errorf("%d messages", got)
	}
}

func TestSend_WaitsOutAServerThatIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	nc := b.js.Conn()
	b.srv.Stop()
	eventually(t, "the client to notice", func() bool { return !nc.IsConnected() })
	done := make(chan error, 1)
	go func() { done <- b.q.Send(t.Context(), p, messages.Place, command("o-1")) }()
	eventually(t, "the command to be on its way", func() bool {
		n, err := nc.Buffered()
		return err == nil && n > 0
	})
	select {
	case err := <-done:
		t.Fatalf("ended without a server: %v", err)
	default:
	}
	b.srv.Restart(t)
	must(t, <-done)
	if last(t, b.js, messages.StreamCommands, "commands.gamesdrop.place.acme.o-1") == nil {
		t.Error("reported as stored, but is not there")
	}
}

func TestSend_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.srv.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := b.q.Send(ctx, p, messages.Place, command("o-1"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestSend_WhatCanNeverBeStoredIsNotRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	big := command("o-1")
	big.Hint = json.RawMessage(`"` + strings.Repeat("x", 300<<10) + `"`)
	if err := b.q.Send(t.Context(), p, messages.Check, big); !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("too large: %v", err)
	}
	_, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "X"})
	must(t, err)
	must(t, b.js.DeleteStream(t.Context(), messages.StreamCommands))
	_, err = b.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: messages.StreamCommands, Subjects: []string{"commands.>", "schedules.>"},
	})
	must(t, err)
	err = b.q.Schedule(t.Context(), p, messages.Check, command("o-1"), time.Now().Add(time.Hour))
	if !errors.Is(err, jetstream.ErrMessageSchedulesDisabled) {
		t.Errorf("a stream without schedules: %v", err)
	}
}

func TestQueue_NothingUnusableReachesASubject(t *testing.T) {
	t.Parallel()
	b := setup(t)
	good := command("o-1")
	edit := func(f func(*messages.Command)) messages.Command {
		c := good
		f(&c)
		return c
	}
	for name, tt := range map[string]struct {
		p messages.Provider
		v messages.Verb
		c messages.Command
	}{
		"provider":        {"other", messages.Place, good},
		"no provider":     {messages.NoProvider, messages.Place, good},
		"verb":            {p, "*", good},
		"tenant wildcard": {p, messages.Place, edit(func(c *messages.Command) { c.Tenant = ">" })},
		"reserved tenant": {p, messages.Place, edit(func(c *messages.Command) { c.Tenant = messages.UnknownTenant })},
		"order with dots": {p, messages.Place, edit(func(c *messages.Command) { c.OrderID = "a.b" })},
		"order empty":     {p, messages.Place, edit(func(c *messages.Command) { c.OrderID = "" })},
		"points nowhere":  {p, messages.Place, edit(func(c *messages.Command) { c.Seq = 0 })},
		"no version":      {p, messages.Place, edit(func(c *messages.Command) { c.V = 0 })},
	} {
		if err := b.q.Send(t.Context(), tt.p, tt.v, tt.c); !errors.Is(err, queue.ErrInvalid) {
			t.Errorf("%s: Send: %v", name, err)
		}
		if err := b.q.Schedule(t.Context(), tt.p, tt.v, tt.c, time.Now().Add(time.Hour)); !errors.Is(err, queue.ErrInvalid) {
			t.Errorf("%s: Schedule: %v", name, err)
		}
	}
	if err := b.q.ScheduleExpiry(t.Context(), "other", good, time.Now()); !errors.Is(err, queue.ErrInvalid) {
		t.Errorf("ScheduleExpiry: %v", err)
	}
	if got := messagesIn(t, b.js, messages.StreamCommands); got != 0 {
		t.Errorf("%d messages were stored", got)
	}
}

func TestSend_LosesNothingWhenTheLeaderChanges(t *testing.T) {
	t.Parallel()
	cluster := natstest.StartCluster(t, 3)
	js := cluster.JS(t)
	s := settings()
	s.Replicas = 3
	_, err := topology.Setup(t.Context(), js, s)
	must(t, err)
	q := queue.New(js)

	const orders = 300
	moved := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		<-started
		for range 2 {
			if err := cluster.StepDown(messages.StreamCommands); err != nil {
				moved <- err
				return
			}
		}
		moved <- nil
	}()
	for i := range orders {
		if i == orders/10 {
			close(started)
		}
		order := fmt.Sprintf("o-%d", i)
		must(t, q.Send(t.Context(), p, messages.Place, command(order)))
		must(t, q.Schedule(t.Context(), p, messages.Check, command(order), time.Now().Add(time.Hour)))
	}
	must(t, <-moved)
	for i := range orders {
		waiting := last(t, js, messages.StreamCommands, fmt.Sprintf("commands.gamesdrop.place.acme.o-%d", i))
		timer := last(t, js, messages.StreamCommands, fmt.Sprintf("schedules.gamesdrop.acme.o-%d", i))
		if waiting == nil || timer == nil {
			t.Errorf("o-%d: command %v, timer %v", i, waiting != nil, timer != nil)
		}
	}
}

// answers makes a server that gives the publisher these answers in turn, and
// counts them.
func answers(t *testing.T, replies ...string) (*queue.Queue, *atomic.Int32) {
	t.Helper()
	srv := natstest.Start(t)
	var asked atomic.Int32
	_, err := srv.Conn(t).Subscribe("commands.>", func(m *nats.Msg) {
		i := min(int(asked.Add(1)), len(replies)) - 1
		_ = m.Respond([]byte(replies[i]))
	})
	must(t, err)
	return queue.New(srv.JS(t)), &asked
}

const stored = `{"stream":"COMMANDS","seq":1}`

func refusal(code, errCode int) string {
	return fmt.Sprintf(`{"error":{"code":%d,"err_code":%d,"description":"refused"},"stream":"COMMANDS","seq":0}`, code, errCode)
}

func TestSend_RepeatsWhatMayPassAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer string
		times  int32
		stored bool
	}{
		"store failed":           {refusal(503, 10077), 3, true},
		"no leader":              {refusal(503, 10008), 3, true},
		"no resources":           {refusal(503, 10023), 3, true},
		"account is full":        {refusal(400, 10002), 3, true},
		"not an answer":          {"?", 3, true},
		"schedules are disabled": {refusal(400, 10188), 1, false},
		"message is too large":   {refusal(400, 10054), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, asked := answers(t, tt.answer, tt.answer, stored)
			err := q.Send(t.Context(), p, messages.Place, command("o-1"))
			if (err == nil) != tt.stored || asked.Load() != tt.times {
				t.Errorf("asked %d times instead of %d: %v", asked.Load(), tt.times, err)
			}
		})
	}
}
