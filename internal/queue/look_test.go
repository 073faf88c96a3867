package queue_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/pkg/messages"
)

func waiting(t *testing.T, b bundle, p messages.Provider, tenant, order string) bool {
	t.Helper()
	yes, err := b.q.Waiting(t.Context(), p, tenant, order, messages.Place)
	must(t, err)
	return yes
}

func TestWaiting_SeesTimersAndEveryVerb(t *testing.T) {
	t.Parallel()
	b := setup(t)
	far := time.Now().Add(time.Hour)
	must(t, b.q.Schedule(t.Context(), p, messages.Check, command("timer"), far))
	must(t, b.q.ScheduleExpiry(t.Context(), p, command("expiry"), far))
	for _, v := range []messages.Verb{messages.Place, messages.Check, messages.Cancel, messages.Confirm} {
		must(t, b.q.Send(t.Context(), p, v, command("sent-"+string(v))))
	}
	for order, want := range map[string]bool{
		"timer": true, "expiry": false, "nothing": false,
		"sent-place": true, "sent-check": true, "sent-cancel": true, "sent-confirm": true, "sent": false,
	} {
		if got := waiting(t, b, p, "acme", order); got != want {
			t.Errorf("%s: %t", order, got)
		}
	}
	if waiting(t, b, p, "other", "timer") || waiting(t, b, messages.SkinsBack, "acme", "timer") {
		t.Error("another tenant's or provider's order was taken for this one")
	}
}

// A place command lies behind the gate of a closed lane, where nobody reads it.
func TestWaiting_APlaceCommandIsNoCheck(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, v := range []messages.Verb{messages.Place, messages.Check, messages.Cancel, messages.Confirm} {
		must(t, b.q.Send(t.Context(), p, v, command("sent-"+string(v))))
		yes, err := b.q.Waiting(t.Context(), p, "acme", "sent-"+string(v), messages.Check)
		must(t, err)
		if yes != (v == messages.Check) {
			t.Errorf("%s: %t", v, yes)
		}
	}
	must(t, b.q.Schedule(t.Context(), p, messages.Check, command("timer"), time.Now().Add(time.Hour)))
	if yes, err := b.q.Waiting(t.Context(), p, "acme", "timer", messages.Check); err != nil || !yes {
		t.Errorf("a timer: %t, %v", yes, err)
	}
}

func TestWaiting_ACommandBeingWorkedOnCountsUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	must(t, b.q.Send(t.Context(), p, messages.Check, command("o-1")))
	m := receive(t, consume(t, b.js))
	if !waiting(t, b, p, "acme", "o-1") {
		t.Error("a delivered command does not count")
	}
	must(t, m.DoubleAck(t.Context()))
	if waiting(t, b, p, "acme", "o-1") {
		t.Error("an acknowledged command counts")
	}
}

func TestWaiting_RefusesUnusableTokensAndDirectReads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, order := range []string{"", "*", "a.b", ">"} {
		if _, err := b.q.Waiting(t.Context(), p, "acme", order, messages.Place); !errors.Is(err, queue.ErrInvalid) {
			t.Errorf("%q: %v", order, err)
		}
	}
	s, err := b.js.Stream(t.Context(), messages.StreamCommands)
	must(t, err)
	config := s.CachedInfo().Config
	config.AllowDirect = true
	_, err = b.js.UpdateStream(t.Context(), config)
	must(t, err)
	if _, err := b.q.Waiting(t.Context(), p, "acme", "o-1", messages.Check); err == nil || !strings.Contains(err.Error(), "direct reads") {
		t.Errorf("got %v", err)
	}
}

func TestWaiting_WithoutTheStreamIsAnErrorNotANo(t *testing.T) {
	t.Parallel()
	q := queue.New(natstest.Start(t).JS(t))
	if _, err := q.Waiting(t.Context(), p, "acme", "o-1", messages.Check); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestPlaceBacklog_CountsQueuedAndTakenPlaceCommandsOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	backlog := func() uint64 {
		n, err := b.q.PlaceBacklog(t.Context(), p)
		must(t, err)
		return n
	}
	for _, order := range []string{"o-1", "o-2", "o-3"} {
		must(t, b.q.Send(t.Context(), p, messages.Place, command(order)))
		must(t, b.q.Send(t.Context(), p, messages.Check, command(order)))
		must(t, b.q.Send(t.Context(), messages.SkinsBack, messages.Place, command(order)))
		must(t, b.q.Schedule(t.Context(), p, messages.Place, command(order), time.Now().Add(time.Hour)))
	}
	eventually(t, "three to be counted", func() bool { return backlog() == 3 })

	c, err := b.js.Consumer(t.Context(), messages.StreamCommands, p.PlaceConsumer())
	must(t, err)
	m, err := c.Next()
	must(t, err)
	if got := backlog(); got != 3 {
		t.Errorf("a command being worked on is not counted: %d", got)
	}
	must(t, m.DoubleAck(t.Context()))
	eventually(t, "two to be left", func() bool { return backlog() == 2 })
}

func TestPlaceBacklog_WithoutTheConsumerIsAnErrorNotZero(t *testing.T) {
	t.Parallel()
	q := queue.New(natstest.Start(t).JS(t))
	if n, err := q.PlaceBacklog(t.Context(), p); err == nil {
		t.Errorf("got %d", n)
	}
}
