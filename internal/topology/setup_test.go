package topology_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// all is how much Setup makes: streams, permit streams, consumers, bucket.
var all = 4 + len(providers.Registrations()) + 1 + 2*len(providers.Registrations()) + 1

// small reserves little, so that many tests fit on one disk.
func small() topology.Settings {
	s := topology.Default()
	s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes = 64<<20, 16<<20, 16<<20
	return s
}

func setUp(t *testing.T, js jetstream.JetStream, s topology.Settings) topology.Report {
	t.Helper()
	r, err := topology.Setup(t.Context(), js, s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func config(t *testing.T, js jetstream.JetStream, name string) jetstream.StreamConfig {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatalf("stream %s: %v", name, err)
	}
	return s.CachedInfo().Config
}

// change edits a stream behind Beltline's back.
func change(t *testing.T, js jetstream.JetStream, name string, edit func(*jetstream.StreamConfig)) {
	t.Helper()
	c := config(t, js, name)
	edit(&c)
	if _, err := js.UpdateStream(t.Context(), c); err != nil {
		t.Fatalf("change %s: %v", name, err)
	}
}

// eventually polls cond until it holds. The server announces none of what the
// tests wait for.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), natstest.Patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s for %s", natstest.Patience, what)
		}
	}
}

func TestSetup_CreatesEverythingAndThenLeavesIt(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	first := setUp(t, js, small())
	if len(first.Created) != all || len(first.Updated)+len(first.Left)+len(first.Notes) != 0 {
		t.Errorf("first run: %+v", first)
	}
	second := setUp(t, js, small())
	if diff := cmp.Diff(first.Created, second.Left); diff != "" || len(second.Created)+len(second.Updated)+len(second.Notes) != 0 {
		t.Errorf("second run changed something: %+v\n%s", second, diff)
	}
	if first.Namespace == "" || first.Namespace != second.Namespace {
		t.Errorf("namespace %q, then %q", first.Namespace, second.Namespace)
	}
}

func TestSetup_WhatTheServerHoldsIsWhatTheDataSays(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	for _, want := range small().Streams() {
		got := config(t, js, want.Name)
		for key := range got.Metadata {
			if strings.HasPrefix(key, "_nats.") || key == topology.MetaNamespace || key == topology.MetaEpoch {
				delete(got.Metadata, key)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", want.Name, diff)
		}
	}
}

func TestSetup_FourAtOnceAgree(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	type result struct {
		report topology.Report
		err    error
	}
	results := make(chan result, 4)
	for i := range 4 {
		js := srv.JS(t)
		s := small()
		s.EventsMaxBytes += int64(i) << 20 // not even alike
		go func() {
			r, err := topology.Setup(t.Context(), js, s)
			results <- result{r, err}
		}()
	}
	namespaces := make(map[string]bool)
	for range 4 {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		namespaces[r.report.Namespace] = true
	}
	js := srv.JS(t)
	ns, err := topology.Namespace(t.Context(), js)
	if err != nil || len(namespaces) != 1 || !namespaces[ns] {
		t.Errorf("namespaces %v, stored %q, %v", namespaces, ns, err)
	}
	// The server has no compare-and-set for a configuration, so of several
	// wishes at the same instant any may be the last; none may be lost for good.
	least, most := small().EventsMaxBytes, small().EventsMaxBytes+3<<20
	if got := config(t, js, messages.StreamEvents).MaxBytes; got < least || got > most {
		t.Errorf("max_bytes of EVENTS is %d, which nobody wished", got)
	}
	s := small()
	s.EventsMaxBytes = most
	setUp(t, js, s)
	setUp(t, js, small())
	if got := config(t, js, messages.StreamEvents).MaxBytes; got != most {
		t.Errorf("max_bytes of EVENTS is %d, not the largest wish %d", got, most)
	}
}

func TestSetup_ChangesTheRateAndNeverShrinksWhatHoldsData(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	change(t, js, messages.StreamDLQ, func(c *jetstream.StreamConfig) { c.MaxAge = 0 })

	s := small()
	s.EventsMaxBytes, s.OrdersMaxBytes = 32<<20, 32<<20
	s.Providers[messages.SkinsBack] = topology.ForProvider(providers.Rate{Requests: 7, Window: 2 * time.Second}, 30*time.Second)
	r := setUp(t, js, s)

	if got := config(t, js, messages.StreamEvents).MaxBytes; got != 64<<20 {
		t.Errorf("max_bytes of EVENTS became %d", got)
	}
	if got := config(t, js, messages.StreamOrders).MaxBytes; got != 32<<20 {
		t.Errorf("max_bytes of ORDERS is %d, not raised", got)
	}
	if got := config(t, js, messages.StreamDLQ).MaxAge; got != 0 {
		t.Errorf("max_age of DLQ became %s: dead letters were deleted", got)
	}
	wantNotes := []string{"stream EVENTS keeps max_bytes 67108864 instead of 33554432", "stream DLQ keeps max_age 0s instead of 720h0m0s"}
	if diff := cmp.Diff(wantNotes, r.Notes); diff != "" {
		t.Errorf("notes (-want +got)\n%s", diff)
	}
	permits := config(t, js, "PERMITS_SKINSBACK")
	if permits.MaxMsgs != 7 || permits.MaxAge != 2500*time.Millisecond ||
		permits.Metadata[topology.MetaRate] != "7/2s" || permits.Metadata[topology.MetaTimeout] != "30s" {
		t.Errorf("permits: %+v", permits)
	}
	c, err := js.Consumer(t.Context(), messages.StreamCommands, messages.SkinsBack.FollowConsumer())
	if err != nil || c.CachedInfo().Config.AckWait != 45*time.Second {
		t.Errorf("follow consumer: %+v, %v", c.CachedInfo(), err)
	}
	want := []string{
		"stream ORDERS", "stream PERMITS_SKINSBACK",
		"consumer COMMANDS/worker-skinsback-place", "consumer COMMANDS/worker-skinsback-follow",
	}
	if diff := cmp.Diff(want, r.Updated); diff != "" {
		t.Errorf("updated (-want +got)\n%s", diff)
	}
}

// A lower rate must not throw away the permits that are out: that would grant
// the same requests twice.
func TestSetup_LoweringTheRateKeepsTheGrantedPermits(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	for range 50 {
		if _, err := js.Publish(t.Context(), messages.SkinsBack.PermitSubject(), nil); err != nil {
			t.Fatal(err)
		}
	}
	s := small()
	s.Providers[messages.SkinsBack] = topology.ForProvider(providers.Rate{Requests: 10, Window: time.Minute}, 20*time.Second)
	setUp(t, js, s)
	stream, err := js.Stream(t.Context(), "PERMITS_SKINSBACK")
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; got != 50 {
		t.Errorf("%d of 50 permits left", got)
	}
	if _, err := js.Publish(t.Context(), messages.SkinsBack.PermitSubject(), nil); err == nil {
		t.Error("an eleventh request in the window was allowed")
	}
}

func TestSetup_HealsWhatWasChangedByHand(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	change(t, js, messages.StreamCommands, func(c *jetstream.StreamConfig) { c.MaxMsgs, c.MaxAge = 1000, time.Hour })
	if err := js.DeleteConsumer(t.Context(), messages.StreamOrders, topology.DispatcherConsumer); err != nil {
		t.Fatal(err)
	}
	r := setUp(t, js, small())
	if c := config(t, js, messages.StreamCommands); c.MaxMsgs != -1 || c.MaxAge != 0 {
		t.Errorf("COMMANDS still has limits: %d, %s", c.MaxMsgs, c.MaxAge)
	}
	if !slices.Contains(r.Updated, "stream COMMANDS") || !slices.Contains(r.Created, "consumer ORDERS/dispatcher") {
		t.Errorf("report: %+v", r)
	}
}

func TestSetup_DoesNotOpenAClosedLane(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	name := messages.GamesDrop.PlaceConsumer()
	if _, err := js.PauseConsumer(t.Context(), messages.StreamCommands, name, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	s := small()
	s.Providers[messages.GamesDrop] = topology.ForProvider(providers.Rate{Requests: 30, Window: time.Second}, 40*time.Second)
	setUp(t, js, s)
	c, err := js.Consumer(t.Context(), messages.StreamCommands, name)
	if err != nil {
		t.Fatal(err)
	}
	if info := c.CachedInfo(); !info.Paused || info.Config.AckWait != 55*time.Second {
		t.Errorf("paused %t, ack wait %s", info.Paused, info.Config.AckWait)
	}
}

func TestSetup_SaysWhichVariableToLower(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t, natstest.Configure(func(o *server.Options) { o.JetStreamMaxStore = 128 << 20 })).JS(t)
	for _, tt := range []struct {
		edit func(*topology.Settings)
		want string
	}{
		{func(s *topology.Settings) { s.EventsMaxBytes = 200 << 20 }, "lower EVENTS_MAX_BYTES"},
		{func(s *topology.Settings) { s.OrdersMaxBytes = 200 << 20 }, "lower ORDERS_MAX_BYTES"},
		{func(s *topology.Settings) { s.DLQMaxBytes = 200 << 20 }, "lower DLQ_MAX_BYTES"},
	} {
		s := small()
		tt.edit(&s)
		_, err := topology.Setup(t.Context(), js, s)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("want %q in %v", tt.want, err)
		}
	}
}

func TestSetup_SaysWhatIsWrongWithTheServer(t *testing.T) {
	t.Parallel()
	t.Run("no JetStream", func(t *testing.T) {
		t.Parallel()
		js := natstest.Start(t, natstest.Configure(func(o *server.Options) { o.JetStream = false })).JS(t)
		_, err := topology.Setup(t.Context(), js, small())
		if err == nil || !strings.Contains(err.Error(), "start the server with JetStream") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("replicas on a single server", func(t *testing.T) {
		t.Parallel()
		s := small()
		s.Replicas = 3
		_, err := topology.Setup(t.Context(), natstest.Start(t).JS(t), s)
		if err == nil || !strings.Contains(err.Error(), "NATS_REPLICAS=1") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("subjects taken by another stream", func(t *testing.T) {
		t.Parallel()
		js := natstest.Start(t).JS(t)
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"orders.>"}}); err != nil {
			t.Fatal(err)
		}
		_, err := topology.Setup(t.Context(), js, small())
		if err == nil || !strings.Contains(err.Error(), "stream ORDERS") || !strings.Contains(err.Error(), "same subjects") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a stream of our name that is none of ours", func(t *testing.T) {
		t.Parallel()
		js := natstest.Start(t).JS(t)
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Storage: jetstream.MemoryStorage}); err != nil {
			t.Fatal(err)
		}
		_, err := topology.Setup(t.Context(), js, small())
		if err == nil || !strings.Contains(err.Error(), "nats stream info EVENTS") {
			t.Errorf("got %v", err)
		}
	})
}

func TestCheckVersion_NeedsSchedules(t *testing.T) {
	t.Parallel()
	for version, tooOld := range map[string]bool{
		"2.10.29": true, "2.11.9": true, "1.4.0": true,
		"2.12.0": false, "2.15.2": false, "2.12.0-RC.1": false, "3.0.0": false, "dev": false, "": false,
	} {
		if err := topology.CheckVersion(version); errors.Is(err, topology.ErrServerTooOld) != tooOld {
			t.Errorf("%q: %v", version, err)
		}
	}
}

func TestSetup_OnAClusterKeepsThreeCopies(t *testing.T) {
	t.Parallel()
	js := natstest.StartCluster(t, 3).JS(t)
	s := small()
	s.Replicas = 3
	setUp(t, js, s)
	names := []string{"KV_" + messages.Bucket}
	for _, c := range s.Streams() {
		names = append(names, c.Name)
	}
	for _, name := range names {
		if got := config(t, js, name).Replicas; got != 3 {
			t.Errorf("%s has %d copies", name, got)
		}
	}
	// A dispatcher started without NATS_REPLICAS must not cost copies.
	r := setUp(t, js, small())
	if got := config(t, js, messages.StreamEvents).Replicas; got != 3 {
		t.Errorf("a default setup left EVENTS with %d copies", got)
	}
	if len(r.Notes) != len(names) || len(r.Updated) != 0 {
		t.Errorf("report: %+v", r)
	}
	for _, p := range messages.Providers() {
		if err := topology.Verify(t.Context(), js, p, s); err != nil {
			t.Error(err)
		}
	}
	ack, err := js.Publish(t.Context(), messages.OrderSubject("acme", messages.SubmitRequest), fmt.Appendf(nil, "{}"))
	if err != nil || ack.Stream != messages.StreamOrders {
		t.Errorf("publish: %+v, %v", ack, err)
	}
}
