package lane_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

const drop = messages.GamesDrop

func bucket(t *testing.T) jetstream.KeyValue {
	t.Helper()
	js := natstest.Start(t).JS(t)
	if _, err := topology.Setup(t.Context(), js, topology.Default()); err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), messages.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func TestPause_StaysUntilItIsResumedWhoeverClosedItBefore(t *testing.T) {
	t.Parallel()
	kv, now := bucket(t), time.Now()
	if s, _, err := lane.Read(t.Context(), kv, drop); err != nil || s.State != lane.Open {
		t.Fatalf("without a key: %+v, %v", s, err)
	}
	s, changed, err := lane.Shut(t.Context(), kv, drop, lane.State{Reason: "429", Until: now.Add(time.Minute), By: "w1"}, now)
	if err != nil || !changed || s.State != lane.Closed || s.Paused() {
		t.Fatalf("shut: %+v, %t, %v", s, changed, err)
	}
	if s, changed, err = lane.Pause(t.Context(), kv, drop, "ann", "stocktaking", now); err != nil || !changed || !s.Paused() {
		t.Fatalf("paused: %+v, %t, %v", s, changed, err)
	}
	if s, changed, err = lane.Shut(t.Context(), kv, drop, lane.State{Reason: "429", Until: now}, now); err != nil || changed || !s.Paused() {
		t.Errorf("a worker shortened the pause: %+v, %t, %v", s, changed, err)
	}
	if s, changed, err = lane.Resume(t.Context(), kv, drop, "bob", now); err != nil || !changed || s.State != lane.Open || s.By != "bob" {
		t.Errorf("resumed: %+v, %t, %v", s, changed, err)
	}
	if _, changed, err = lane.Resume(t.Context(), kv, drop, "bob", now); err != nil || changed {
		t.Errorf("resumed twice: %t, %v", changed, err)
	}
	if s, _, err := lane.Read(t.Context(), kv, messages.SkinsBack); err != nil || s.State != lane.Open {
		t.Errorf("another provider's lane: %+v, %v", s, err)
	}
}

func TestRead_WhatCannotBeReadIsClosedAndCanBeResumed(t *testing.T) {
	t.Parallel()
	kv := bucket(t)
	for _, value := range []string{`{`, `{"v":1,"state":"ajar"}`, ``} {
		if _, err := kv.Put(t.Context(), drop.LaneKey(), []byte(value)); err != nil {
			t.Fatal(err)
		}
		if s, _, err := lane.Read(t.Context(), kv, drop); err != nil || s.State != lane.Closed || s.Reason != lane.ReasonUnreadable {
			t.Errorf("%q: %+v, %v", value, s, err)
		}
	}
	if s, changed, err := lane.Resume(t.Context(), kv, drop, "ann", time.Now()); err != nil || !changed || s.State != lane.Open {
		t.Errorf("resumed: %+v, %t, %v", s, changed, err)
	}
}

func TestChange_OfManyAtOnceNoneIsLost(t *testing.T) {
	t.Parallel()
	kv := bucket(t)
	var wrote atomic.Int64
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			_, changed, err := lane.Change(t.Context(), kv, drop, func(s lane.State) (lane.State, bool) {
				s.State, s.Times = lane.Closed, s.Times+1
				return s, true
			})
			if err != nil || !changed {
				t.Errorf("%t, %v", changed, err)
			}
			wrote.Add(1)
		})
	}
	all.Wait()
	if s, _, err := lane.Read(t.Context(), kv, drop); err != nil || int64(s.Times) != wrote.Load() {
		t.Errorf("%d of %d changes are there, %v", s.Times, wrote.Load(), err)
	}
}

// A shop that was asked too often is well again when it was left alone for long
// enough. Whether an account has been topped up only an order can tell.
func TestRested_OpensOnlyWhatWasBusyAndIsOver(t *testing.T) {
	t.Parallel()
	kv, now := bucket(t), time.Now()
	end := now.Add(time.Minute)
	for _, step := range []struct {
		what   string
		shut   lane.State
		at     time.Time
		opened bool
	}{
		{"busy, too early", lane.State{Reason: "429", Until: end, Busy: true}, end.Add(-time.Second), false},
		{"busy, over", lane.State{Reason: "429", Until: end, Busy: true}, end, true},
		{"no money, over", lane.State{Reason: "balance over", Until: end}, end, false},
		{"no money, and busy when it was tried", lane.State{Reason: "429", Until: end, Busy: true}, end, false},
	} {
		if _, _, err := lane.Shut(t.Context(), kv, drop, step.shut, step.at); err != nil {
			t.Fatal(err)
		}
		s, opened, err := lane.Rested(t.Context(), kv, drop, "w1", step.at)
		if err != nil || opened != step.opened || (s.State == lane.Open) != step.opened {
			t.Errorf("%s: %+v, %t, %v", step.what, s, opened, err)
		}
	}
}
