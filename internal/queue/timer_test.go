package queue_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/messages"
)

func addressOf(t *testing.T, m jetstream.Msg) messages.CommandAddress {
	t.Helper()
	a, err := messages.ParseCommandSubject(m.Subject())
	must(t, err)
	return a
}

func TestSchedule_FiresItsCommandOnceAndNeverEarly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := consume(t, b.js)
	at := time.Now().Add(730 * time.Millisecond) // not a whole second
	must(t, b.q.Schedule(t.Context(), p, messages.Confirm, command("o-1"), at))

	m := receive(t, got)
	md, err := m.Metadata()
	must(t, err)
	if md.Timestamp.Before(at) {
		t.Errorf("fired %s early", at.Sub(md.Timestamp))
	}
	if a := addressOf(t, m); a.Verb != messages.Confirm || a.OrderID != "o-1" {
		t.Errorf("fired as %+v", a)
	}
	c, err := messages.DecodeCommand(m.Data())
	if err != nil || c.Seq != 7 || c.N != 2 {
		t.Errorf("command %+v, %v", c, err)
	}
	// A marker that fires later proves that the first timer does not come again.
	must(t, b.q.Schedule(t.Context(), p, messages.Check, command("marker"), time.Now().Add(300*time.Millisecond)))
	if a := addressOf(t, receive(t, got)); a.OrderID != "marker" {
		t.Errorf("%+v fired a second time", a)
	}
	if last(t, b.js, messages.StreamCommands, "schedules.>") != nil {
		t.Error("a fired timer is still there")
	}
}

// The server takes its time: less than 250 ms it does not count. This is a fact
// about the pinned server; if it fires sooner, the package comment is out of date.
func TestSchedule_AShortTimerTakesAQuarterOfASecond(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := consume(t, b.js)
	set := time.Now()
	must(t, b.q.Schedule(t.Context(), p, messages.Check, command("o-1"), set.Add(20*time.Millisecond)))
	receive(t, got)
	if took := time.Since(set); took < 240*time.Millisecond {
		t.Errorf("fired after %s", took)
	}
}

func TestSchedule_ANewerTimerReplacesTheOlder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := consume(t, b.js)
	near, far := time.Now().Add(600*time.Millisecond), time.Now().Add(time.Hour)
	must(t, b.q.Schedule(t.Context(), p, messages.Check, command("put-off"), near))
	must(t, b.q.Schedule(t.Context(), p, messages.Check, command("put-off"), far))
	must(t, b.q.Schedule(t.Context(), p, messages.Cancel, command("brought-forward"), far))
	must(t, b.q.Schedule(t.Context(), p, messages.Check, command("brought-forward"), near.Add(time.Millisecond)))

	if a := addressOf(t, receive(t, got)); a.OrderID != "brought-forward" || a.Verb != messages.Check {
		t.Errorf("fired %+v", a)
	}
	if last(t, b.js, messages.StreamCommands, "schedules.gamesdrop.acme.put-off") == nil {
		t.Error("the later timer is gone")
	}
	if got := messagesIn(t, b.js, messages.StreamCommands); got != 2 {
		t.Errorf("%d messages instead of one timer and one command", got)
	}
}

func TestSchedule_ATimeInThePastIsACommandAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, at := range []time.Time{{}, time.Now().Add(-time.Hour), time.Now()} {
		order := fmt.Sprintf("o-%d", at.UnixNano()&0xffff)
		must(t, b.q.Schedule(t.Context(), p, messages.Place, command(order), at))
		if last(t, b.js, messages.StreamCommands, "commands.gamesdrop.place.acme."+order) == nil {
			t.Errorf("%s: no command", at)
		}
	}
	if last(t, b.js, messages.StreamCommands, "schedules.>") != nil {
		t.Error("a timer was made")
	}
}

// A year that does not fit into the server's clock must not overflow into the
// past: the order would expire at the moment it is accepted.
func TestSchedule_TheFarthestFutureDoesNotFireNow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := consume(t, b.js)
	for i, year := range []int{2262, 2263, 9999, 12000} {
		at := time.Date(year, time.December, 31, 23, 59, 59, 0, time.UTC)
		must(t, b.q.ScheduleExpiry(t.Context(), p, command(fmt.Sprintf("far-%d", i)), at))
	}
	must(t, b.q.Schedule(t.Context(), p, messages.Check, command("marker"), time.Now().Add(600*time.Millisecond)))
	if a := addressOf(t, receive(t, got)); a.OrderID != "marker" {
		t.Errorf("%s fired", a.OrderID)
	}
	for i := range 4 {
		if last(t, b.js, messages.StreamCommands, fmt.Sprintf("schedules.gamesdrop.acme.far-%d.expire", i)) == nil {
			t.Errorf("timer %d is gone", i)
		}
	}
}

func TestScheduleExpiry_StandsBesideTheOrdersTimer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := consume(t, b.js)
	at := time.Now().Add(500 * time.Millisecond)
	must(t, b.q.ScheduleExpiry(t.Context(), p, command("o-1"), at))
	must(t, b.q.Schedule(t.Context(), p, messages.Confirm, command("o-1"), at.Add(300*time.Millisecond)))
	if a := addressOf(t, receive(t, got)); a.Verb != messages.Check {
		t.Errorf("expiry came as %+v", a)
	}
	if a := addressOf(t, receive(t, got)); a.Verb != messages.Confirm {
		t.Errorf("the timer came as %+v", a)
	}
}

func TestSchedule_TimersSurviveARestart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const orders = 200
	at := time.Now().Add(time.Second)
	for i := range orders {
		must(t, b.q.Schedule(t.Context(), p, messages.Check, command(fmt.Sprintf("o-%d", i)), at))
	}
	b.srv.Restart(t)
	js := b.srv.JS(t)
	got := consume(t, js)
	fired := make(map[string]bool)
	for range orders {
		m := receive(t, got)
		fired[m.Subject()] = true
		must(t, m.Ack())
	}
	if len(fired) != orders {
		t.Errorf("%d of %d orders came", len(fired), orders)
	}
	eventually(t, "the queue to be empty", func() bool { return messagesIn(t, js, messages.StreamCommands) == 0 })
}

// The fact on which the workers' rule rests: a timer set in the instant in
// which the older one fires may be removed with it, but then the fired command
// is behind it in the queue, so whoever set the timer has not seen it yet.
func TestSchedule_ATimerThatVanishesHasItsCommandBehindIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const orders = 1000
	at := time.Now().Add(time.Second)
	subject := func(i int) string { return messages.ScheduleSubject(p, "acme", fmt.Sprintf("o-%d", i)) }
	for i := range orders {
		must(t, b.q.Schedule(t.Context(), p, messages.Check, command(fmt.Sprintf("o-%d", i)), at))
	}
	// The first command is the signal that the others are being fired now. The
	// last ones are set anew first, since they are fired last.
	receive(t, consume(t, b.js))
	armed := make([]jetstream.PubAckFuture, orders)
	for i := orders - 1; i >= 0; i-- {
		var err error
		armed[i], err = b.js.PublishMsgAsync(rearm(subject(i), fmt.Sprintf("o-%d", i)))
		must(t, err)
	}
	vanished := 0
	for i := range orders {
		var set uint64
		select {
		case ack := <-armed[i].Ok():
			set = ack.Sequence
		case err := <-armed[i].Err():
			t.Fatal(err)
		}
		if last(t, b.js, messages.StreamCommands, subject(i)) != nil {
			continue
		}
		vanished++
		fired := last(t, b.js, messages.StreamCommands, strings.Replace(subject(i), "schedules.gamesdrop", "commands.gamesdrop.check", 1))
		if fired == nil || fired.Sequence < set {
			t.Errorf("o-%d: timer at %d vanished, command %+v: nothing drives the order any more", i, set, fired)
		}
	}
	t.Logf("%d of %d timers vanished", vanished, orders)
}

// A command tells when its timer was due, so that its lateness can be seen, and
// hands on the trace that its sender was in.
func TestSchedule_ItsCommandTellsWhenItWasDueAndHandsOnTheTrace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	traced := telemetry.Extract(t.Context(), nats.Header{"traceparent": {parent}})
	due, got := time.Now().Add(300*time.Millisecond), consume(t, b.js)
	must(t, b.q.Schedule(traced, p, messages.Check, command("o-1"), due))
	m := receive(t, got)
	at, err := time.Parse(time.RFC3339Nano, m.Headers().Get(messages.HeaderDue))
	must(t, err)
	if !at.Equal(due) {
		t.Errorf("due at %s, want %s", at, due)
	}
	if got := m.Headers().Get("traceparent"); got != parent {
		t.Errorf("trace %q", got)
	}
	must(t, b.q.Send(t.Context(), p, messages.Check, command("o-2")))
	if m := receive(t, got); m.Headers().Get(messages.HeaderDue) != "" || m.Headers().Get("traceparent") != "" {
		t.Errorf("a command that was no timer, of no trace: %v", m.Headers())
	}
}
