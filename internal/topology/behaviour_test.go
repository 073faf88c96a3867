package topology_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	manyCommands = 20_000
	manyTimers   = 2_000
)

// timer builds a message that the server turns into a command at the time at.
func timer(i int, at time.Time) *nats.Msg {
	order := fmt.Sprintf("o-%d", i)
	m := nats.NewMsg(messages.ScheduleSubject(messages.GamesDrop, "acme", order))
	m.Header.Set("Nats-Schedule", "@at "+at.UTC().Format(time.RFC3339Nano))
	m.Header.Set("Nats-Schedule-Target", messages.CommandSubject(messages.GamesDrop, messages.Check, "acme", order))
	return m
}

// fill publishes timers first, so that they are the oldest messages, and then commands.
func fill(t *testing.T, js jetstream.JetStream, at time.Time) {
	t.Helper()
	patient := jetstream.WithStallWait(natstest.Patience)
	for i := range manyTimers {
		if _, err := js.PublishMsgAsync(timer(i, at), patient); err != nil {
			t.Fatal(err)
		}
	}
	for i := range manyCommands {
		subject := messages.CommandSubject(messages.GamesDrop, messages.Place, "acme", fmt.Sprintf("c-%d", i))
		if _, err := js.PublishAsync(subject, []byte(`{"v":1}`), patient); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(natstest.Patience):
		t.Fatal("publishing did not end")
	}
}

func count(t *testing.T, js jetstream.JetStream, filter string) int {
	t.Helper()
	s, err := js.Stream(t.Context(), messages.StreamCommands)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(filter))
	if err != nil {
		t.Fatal(err)
	}
	return len(info.State.Subjects)
}

func TestCommands_AFloodLosesNoTimer(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	fill(t, js, time.Now().Add(time.Hour))
	if got := count(t, js, "schedules.>"); got != manyTimers {
		t.Errorf("%d of %d timers left", got, manyTimers)
	}
	if got := count(t, js, "commands.>"); got != manyCommands {
		t.Errorf("%d of %d commands left", got, manyCommands)
	}
}

func TestCommands_EveryTimerOfAFloodFiresOnce(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	fill(t, js, time.Now().Add(2*time.Second))
	eventually(t, "all timers to fire", func() bool { return count(t, js, "schedules.>") == 0 })
	if got := count(t, js, "commands.gamesdrop.check.>"); got != manyTimers {
		t.Errorf("%d of %d timers became commands", got, manyTimers)
	}
	s, err := js.Stream(t.Context(), messages.StreamCommands)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.CachedInfo().State.Msgs; got != manyTimers+manyCommands {
		t.Errorf("%d messages instead of %d: a timer fired twice, or something was lost", got, manyTimers+manyCommands)
	}
}

// The negative control of the two tests above: with a limit, the server drops
// timers and reports no error to anybody.
func TestCommands_WithALimitTimersVanishSilently(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	change(t, js, messages.StreamCommands, func(c *jetstream.StreamConfig) { c.MaxMsgs = manyCommands })
	fill(t, js, time.Now().Add(time.Hour))
	if got := count(t, js, "schedules.>"); got != 0 {
		t.Errorf("%d timers survived a limit; COMMANDS could have one after all", got)
	}
}

// The server takes no discard-new together with schedules, which is why
// COMMANDS has no limit instead of one that refuses.
func TestCommands_DiscardNewIsRefusedByTheServer(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	c := config(t, js, messages.StreamCommands)
	c.Discard = jetstream.DiscardNew
	if _, err := js.UpdateStream(t.Context(), c); err == nil || !strings.Contains(err.Error(), "discard new") {
		t.Errorf("got %v", err)
	}
}

func TestLedger_RefusesEveryHeaderPower(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	for header, value := range map[string]string{
		"Nats-Rollup": "sub", "Nats-TTL": "1s", "Nats-Schedule": "@at 2999-01-01T00:00:00Z", "Nats-Incr": "1",
	} {
		for _, subject := range []string{"events.gamesdrop.acme.o-1.accepted", "orders.acme.submit", "dlq.orders.acme"} {
			m := nats.NewMsg(subject)
			m.Header.Set(header, value)
			m.Header.Set("Nats-Schedule-Target", subject+"x")
			if _, err := js.PublishMsg(t.Context(), m); err == nil {
				t.Errorf("%s was stored with %s", subject, header)
			}
		}
	}
}

// Only a deletion overwrites what is on the disk. A ledger of the time when it
// was denied keeps that, and can be purged.
func TestLedger_AnOrderCanBeErasedEventByEventAndAnOlderLedgerCanBePurged(t *testing.T) {
	t.Parallel()
	for _, older := range []bool{false, true} {
		js := natstest.Start(t).JS(t)
		if older {
			config := small().Streams()[0]
			config.DenyDelete = true
			natstest.CreateStream(t, js, config)
		}
		setUp(t, js, small())
		for _, order := range []string{"o-1", "o-2"} {
			for _, typ := range []messages.Type{messages.Accepted, messages.Failed} {
				if _, err := js.Publish(t.Context(), messages.EventSubject(messages.GamesDrop, "acme", order, typ), nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		s, err := js.Stream(t.Context(), messages.StreamEvents)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SecureDeleteMsg(t.Context(), 1); (err != nil) != older {
			t.Errorf("older is %v, and deleting says %v", older, err)
		}
		if err := s.Purge(t.Context(), jetstream.WithPurgeSubject(messages.OrderEvents("acme", "o-1")), jetstream.WithPurgeSequence(2)); err != nil {
			t.Fatal(err)
		}
		info, err := s.Info(t.Context())
		if err != nil || info.State.Msgs != 3 || info.State.LastSeq != 4 || info.State.FirstSeq != 2 {
			t.Errorf("after erasing the first event of o-1: %+v, %v", info.State, err)
		}
	}
}

func TestPermits_CanNeitherBePurgedNorDeleted(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	if _, err := js.Publish(t.Context(), messages.GamesDrop.PermitSubject(), nil); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), messages.GamesDrop.PermitStream())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err == nil {
		t.Error("permits were purged")
	}
	if err := s.DeleteMsg(t.Context(), 1); err == nil {
		t.Error("a permit was deleted")
	}
}

// Msg-Ids belong to the whole stream: within the window the id of one tenant
// swallows the order of another, and its PubAck says so (`duplicate: true`
// means not stored). The window is therefore the least there is, and upstream
// is told to use no Msg-Id.
func TestOrders_TwoTenantsWithOneMsgID(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	publish := func(tenant string) *jetstream.PubAck {
		ack, err := js.Publish(t.Context(), messages.OrderSubject(tenant, messages.SubmitRequest), []byte("{}"), jetstream.WithMsgID("order-1"))
		if err != nil {
			t.Fatal(err)
		}
		return ack
	}
	// Whether the second of two publishes falls into 100 ms is up to the
	// machine, so the pair is repeated with the window over until it does.
	var swallowed bool
	eventually(t, "a pair within the window", func() bool {
		first := publish("acme")
		second := publish("other")
		swallowed = !first.Duplicate && second.Duplicate && second.Sequence == first.Sequence
		return swallowed
	})
	started := time.Now()
	eventually(t, "the id to be forgotten", func() bool { return !publish("other").Duplicate })
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("the id was remembered for %s", took)
	}
}

func TestBucket_KeysMayHaveATimeToLive(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	kv := bucket(t, js)
	if _, err := kv.Create(t.Context(), "lease.test", []byte("me"), jetstream.KeyTTL(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Create(t.Context(), "lease.test", []byte("you")); err == nil {
		t.Error("a held lease was taken")
	}
	eventually(t, "the lease to end by the server's clock", func() bool {
		_, err := kv.Create(t.Context(), "lease.test", []byte("you"))
		return err == nil
	})
}
