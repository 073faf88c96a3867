package lane_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestCertain_TellsWhatTheLeaderHasWhateverBecameOfTheKey(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	if _, _, err := lane.Certain(t.Context(), js, drop); err == nil {
		t.Error("a lane without a bucket was taken for known")
	}
	if _, err := topology.Setup(t.Context(), js, topology.Default()); err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), messages.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	want := func(what, state string) uint64 {
		t.Helper()
		s, revision, err := lane.Certain(t.Context(), js, drop)
		if err != nil || s.State != state {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
		return revision
	}
	want("no key", lane.Open)
	put := func(value string) uint64 {
		t.Helper()
		revision, err := kv.Put(t.Context(), drop.LaneKey(), []byte(value))
		if err != nil {
			t.Fatal(err)
		}
		return revision
	}
	if put, got := put(`{"v":1,"state":"closed","reason":"paused"}`), want("closed", lane.Closed); put != got {
		t.Errorf("revision %d, not %d", got, put)
	}
	put(`{`)
	want("unreadable", lane.Closed)
	if err := kv.Delete(t.Context(), drop.LaneKey()); err != nil {
		t.Fatal(err)
	}
	want("deleted", lane.Open)
	put(`{"v":1,"state":"closed"}`)
	if err := kv.Purge(t.Context(), drop.LaneKey()); err != nil {
		t.Fatal(err)
	}
	want("purged", lane.Open)
}

// The leader is asked where the client has been told that JetStream is.
func TestCertain_AsksBelowTheClientsOwnPrefix(t *testing.T) {
	t.Parallel()
	nc := natstest.Start(t).Conn(t)
	for _, made := range []func() (jetstream.JetStream, error){
		func() (jetstream.JetStream, error) { return jetstream.NewWithAPIPrefix(nc, "HUB.API") },
		func() (jetstream.JetStream, error) { return jetstream.NewWithDomain(nc, "hub") },
	} {
		js, err := made()
		if err != nil {
			t.Fatal(err)
		}
		asked, err := nc.SubscribeSync(map[bool]string{true: "HUB.API.>", false: "$JS.hub.API.>"}[js.Options().Domain == ""])
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _, _ = lane.Certain(ctx, js, drop) }()
		m, err := asked.NextMsg(time.Minute)
		cancel()
		if err != nil || !strings.HasSuffix(m.Subject, ".STREAM.MSG.GET.KV_beltline") || !strings.Contains(string(m.Data), "$KV.beltline.lane.gamesdrop") {
			t.Errorf("asked %v, %v", m, err)
		}
	}
}

func TestPause_IsReturnedWhenItIsInForceAndKeepsWhoPausedItFirst(t *testing.T) {
	t.Parallel()
	kv := bucket(t)
	begun := time.Now()
	s, changed, err := lane.Pause(t.Context(), kv, drop, "ann", "stocktaking", begun)
	if err != nil || !changed || !s.Paused() || s.Message != "stocktaking" || s.Reason != lane.ReasonPaused {
		t.Fatalf("%+v, %t, %v", s, changed, err)
	}
	if took := time.Since(begun); took < lane.InForce {
		t.Errorf("it returned after %s, when workers may still rest on what they saw before", took)
	}
	if s, changed, err = lane.Pause(t.Context(), kv, drop, "bob", "", begun); err != nil || changed || s.By != "ann" || s.Message != "stocktaking" {
		t.Errorf("paused again: %+v, %t, %v", s, changed, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watch, err := kv.Watch(t.Context(), messages.SkinsBack.LaneKey(), jetstream.UpdatesOnly())
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-watch.Updates(); cancel() }() // once it is stored nobody waits any more
	if _, _, err := lane.Pause(ctx, kv, messages.SkinsBack, "ann", "", begun); !errors.Is(err, context.Canceled) {
		t.Errorf("a pause that is perhaps not in force was said to be: %v", err)
	}
	if s, _, err := lane.Read(t.Context(), kv, messages.SkinsBack); err != nil || !s.Paused() {
		t.Errorf("%+v, %v", s, err)
	}
}

// What an order pays for it: nothing but a look at a clock, and twice a second
// this question, for all orders of a replica together.
func BenchmarkCertain(b *testing.B) {
	js := natstest.Start(b).JS(b)
	if _, err := topology.Setup(b.Context(), js, topology.Default()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := lane.Certain(b.Context(), js, drop); err != nil {
			b.Fatal(err)
		}
	}
}
