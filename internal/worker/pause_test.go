package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// deaf is a client that is told of a key when it begins to watch it, and never
// hears of a change: what a watch may be for as long as a bad day lasts.
type deaf struct{ jetstream.JetStream }

func (d deaf) KeyValue(ctx context.Context, bucket string) (jetstream.KeyValue, error) {
	kv, err := d.JetStream.KeyValue(ctx, bucket)
	return deafBucket{kv}, err
}

type deafBucket struct{ jetstream.KeyValue }

func (d deafBucket) Watch(ctx context.Context, keys string, opts ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	w, err := d.KeyValue.Watch(ctx, keys, opts...)
	if err != nil {
		return nil, err
	}
	out := make(chan jetstream.KeyValueEntry, 16)
	go func() {
		for entry := range w.Updates() {
			out <- entry
			if entry == nil {
				return
			}
		}
	}()
	return deafWatcher{w, out}, nil
}

type deafWatcher struct {
	jetstream.KeyWatcher
	out chan jetstream.KeyValueEntry
}

func (d deafWatcher) Updates() <-chan jetstream.KeyValueEntry { return d.out }

// deafWorker runs a worker whose watch of the lane tells it nothing. The channel
// is closed when it knows of a change all the same.
func (b *bench) deafWorker(s providers.Provider, books worker.Ledger, o worker.Options) (knows <-chan struct{}, stop func()) {
	b.t.Helper()
	own := *b
	own.js = deaf{b.js}
	o.Log, knows = listening(o.Log)
	return knows, own.workOn(books, s, o, providertest.Unlimited{})
}

// listening is a log, and a channel that is closed when it says that the lane
// has changed.
func listening(log zerolog.Logger) (zerolog.Logger, <-chan struct{}) {
	heard := make(chan struct{})
	tell := sync.OnceFunc(func() { close(heard) })
	return log.Hook(zerolog.HookFunc(func(_ *zerolog.Event, _ zerolog.Level, text string) {
		if text == "lane changed" {
			tell()
		}
	})), heard
}

// putOff hears of commands that are given back.
func (b *bench) putOff() *nats.Subscription {
	b.t.Helper()
	acks, err := b.nc.SubscribeSync("$JS.ACK.COMMANDS.>")
	if err != nil {
		b.t.Fatal(err)
	}
	if err := acks.SetPendingLimits(-1, -1); err != nil {
		b.t.Fatal(err)
	}
	return acks
}

func (b *bench) refused(acks *nats.Subscription, n int) {
	b.t.Helper()
	for n > 0 {
		msg, err := acks.NextMsg(patience)
		if err != nil {
			b.t.Fatalf("%d more commands should have been put off: %v", n, err)
		}
		if strings.HasPrefix(string(msg.Data), "-NAK") {
			n--
		}
	}
}

// lastIntent is the sequence of the last intent in the ledger, by its leader.
func (b *bench) lastIntent() uint64 {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	for {
		answer, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+messages.StreamEvents, []byte(`{"last_by_subj":"events.*.*.*.placing"}`))
		var got struct {
			Message struct{ Seq uint64 }
		}
		if err == nil && json.Unmarshal(answer.Data, &got) == nil && got.Message.Seq > 0 {
			return got.Message.Seq
		}
		if ctx.Err() != nil {
			b.t.Fatalf("no leader told of the last intent: %v", err)
		}
	}
}

// No replica hears of the pause by its watch, and orders keep coming: what
// stops them is that each makes sure before it writes an intent.
func TestPause_OnceItHasReturnedNoIntentIsWrittenThoughNobodyHeardOfIt(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	const replicas, before, after = 3, 60, 30
	var know []<-chan struct{}
	for i := range replicas {
		o := b.options(messages.GamesDrop, fmt.Sprintf("w%d", i))
		o.MaxInFlight = 8
		knows, _ := b.deafWorker(s, b.ledger, o)
		know = append(know, knows)
	}
	for i := range before {
		b.submit(offer(fmt.Sprintf("o%d", i)))
	}
	b.becomes("o5", messages.Succeeded) // all are at it
	if _, changed, err := lane.Pause(t.Context(), b.kv(), messages.GamesDrop, "ann", "stocktaking", time.Now()); err != nil || !changed {
		t.Fatalf("paused: %t, %v", changed, err)
	}
	last := b.lastIntent()
	for i := range after {
		b.submit(offer(fmt.Sprintf("late%d", i)))
	}
	for _, knows := range know { // from the leader, when it was about to place another
		signal(t, knows)
	}
	if now := b.lastIntent(); now != last {
		t.Errorf("an intent was stored at %d after the pause had returned at %d", now, last)
	}
	for i := range after {
		if n := s.purchases(fmt.Sprintf("late%d", i)); n != 0 {
			t.Errorf("late%d was bought %d times while paused", i, n)
		}
	}
	// The deaf hear nothing of the end of it either: one that listens takes over.
	if _, _, err := lane.Resume(t.Context(), b.kv(), messages.GamesDrop, "ann", time.Now()); err != nil {
		t.Fatal(err)
	}
	b.work(s, b.options(messages.GamesDrop, "w9"))
	for i := range after {
		id := fmt.Sprintf("late%d", i)
		if e := b.ends(id); e.State != messages.Succeeded || s.purchases(id) != 1 {
			t.Errorf("%s: %s, bought %d", id, b.path(id), s.purchases(id))
		}
	}
}

// Three nodes, and the leaders of the bucket and of the ledger move around each
// pause: what a replica of the bucket that is behind would say does not count.
func TestPause_OnThreeNodesWhoseLeadersMoveNoIntentFollowsIt(t *testing.T) {
	t.Parallel()
	c := natstest.StartCluster(t, 3)
	b := benchOver(t, c.Conn(t), c.JS(t), func(s *topology.Settings) {
		s.Replicas = 3
		for p, ps := range s.Providers {
			ps.Timeout, ps.Lease, ps.AckWait = patience/6, patience/5, patience/4
			s.Providers[p] = ps
		}
	})
	s, n := newShop(), 0
	// What a node sends to a worker that has just gone from another comes back
	// after its ack wait.
	options := func(name string) worker.Options {
		o := b.options(messages.GamesDrop, name)
		o.Timeout, o.Lease, o.AckWait, o.HoldDown = patience/6, patience/5, patience/4, patience/3
		return o
	}
	more := func(orders int) {
		for range orders {
			b.submit(offer(fmt.Sprintf("o%d", n)))
			n++
		}
	}
	for round := range 3 {
		var know []<-chan struct{}
		var stops []func()
		for i := range 2 {
			knows, stop := b.deafWorker(s, b.ledger, options(fmt.Sprintf("w%d-%d", round, i)))
			know, stops = append(know, knows), append(stops, stop)
		}
		more(12)
		b.ends(fmt.Sprintf("o%d", n-12)) // they are at it
		move := func(stream string) {
			if err := c.StepDown(stream); err != nil {
				t.Logf("%s did not move: %v", stream, err) // it moves already
			}
		}
		move("KV_" + messages.Bucket)
		move(messages.StreamEvents)
		for {
			_, _, err := lane.Pause(t.Context(), b.kv(), messages.GamesDrop, "ann", "", time.Now())
			if err == nil {
				break
			}
			if t.Context().Err() != nil {
				t.Fatal(err)
			}
		}
		last := b.lastIntent()
		move("KV_" + messages.Bucket)
		more(8)
		for _, knows := range know {
			signal(t, knows)
		}
		if now := b.lastIntent(); now != last {
			t.Errorf("an intent was stored at %d after the pause had returned at %d", now, last)
		}
		for _, stop := range stops {
			stop()
		}
		for {
			if _, _, err := lane.Resume(t.Context(), b.kv(), messages.GamesDrop, "ann", time.Now()); err == nil || t.Context().Err() != nil {
				break
			}
		}
	}
	b.work(s, options("w9"))
	for i := range n {
		id := fmt.Sprintf("o%d", i)
		if e := b.ends(id); e.State != messages.Succeeded || s.purchases(id) != 1 {
			t.Errorf("%s: %s, bought %d", id, b.path(id), s.purchases(id))
		}
	}
}

// An intent that took so long to be stored that a pause has come into force
// meanwhile is not sent: its owner asks once more, since its watch tells nothing.
func TestPause_AnIntentThatWasStoredAfterItHadReturnedIsNotSent(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	var last uint64
	slow := &books{Ledger: b.ledger, trouble: func(ctx context.Context, store func() (uint64, error)) (uint64, error) {
		if _, _, err := lane.Pause(ctx, b.kv(), messages.GamesDrop, "ann", "", time.Now()); err != nil {
			t.Errorf("not paused: %v", err)
		}
		seq, err := store()
		last = seq
		return seq, err
	}}
	b.deafWorker(s, slow, patiently(b.options(messages.GamesDrop, "w1")))
	b.submit(offer("o1"))
	e := b.until("not sent", func(e *messages.Event) bool { return e.Type == messages.Retrying })
	if e.Error == nil || e.Error.Code != providers.CodeNotSent || e.Error.Class != "retryable" {
		t.Errorf("%+v", e.Error)
	}
	if last == 0 || len(s.sent()) != 0 {
		t.Errorf("the intent is at %d, and %d requests were sent", last, len(s.sent()))
	}
	if _, _, err := lane.Resume(t.Context(), b.kv(), messages.GamesDrop, "ann", time.Now()); err != nil {
		t.Fatal(err)
	}
	b.work(s, patiently(b.options(messages.GamesDrop, "w2")))
	if e := b.ends("o1"); e.State != messages.Succeeded || s.purchases("o1") != 1 {
		t.Errorf("%s, bought %d", b.path("o1"), s.purchases("o1"))
	}
}

// A replica whose watch works does not even send what it had an intent for.
func TestPause_WhatHasNotLeftYetWhenItIsHeardOfIsNotSent(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	paused := make(chan struct{})
	first := true
	s.onPlace = func(providers.Order) {
		if first { // the connection is being made
			first = false
			<-paused
		}
	}
	o := patiently(b.options(messages.GamesDrop, "w1"))
	var heard <-chan struct{}
	o.Log, heard = listening(o.Log)
	b.work(s, o)
	b.submit(offer("o1"))
	b.becomes("o1", messages.Placing)
	if _, _, err := lane.Pause(t.Context(), b.kv(), messages.GamesDrop, "ann", "", time.Now()); err != nil {
		t.Fatal(err)
	}
	signal(t, heard)
	close(paused)
	e := b.becomes("o1", messages.Retrying)
	if e.Error.Code != providers.CodeNotSent || len(s.sent()) != 0 {
		t.Errorf("%+v, %d requests", e.Error, len(s.sent()))
	}
	if _, _, err := lane.Resume(t.Context(), b.kv(), messages.GamesDrop, "ann", time.Now()); err != nil {
		t.Fatal(err)
	}
	if e := b.ends("o1"); e.State != messages.Succeeded || s.purchases("o1") != 1 {
		t.Errorf("%s, bought %d", b.path("o1"), s.purchases("o1"))
	}
}

// A lane of which nothing can be learnt lets nothing through.
func TestPause_WhereNobodyKnowsOfTheLaneNothingIsSent(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	b.ends("o1")
	if err := b.js.DeleteKeyValue(t.Context(), messages.Bucket); err != nil {
		t.Fatal(err)
	}
	<-time.After(lane.InForce) // what was seen before counts no more
	acks := b.putOff()
	b.submit(offer("o2"))
	b.refused(acks, 2)
	if got := b.path("o2"); got != "accepted" || len(s.sent()) != 1 {
		t.Errorf("%s, %d requests", got, len(s.sent()))
	}
	if _, err := topology.Setup(t.Context(), b.js, b.settings); err != nil {
		t.Fatal(err)
	}
	if e := b.ends("o2"); e.State != messages.Succeeded || s.purchases("o2") != 1 {
		t.Errorf("%s, bought %d", b.path("o2"), s.purchases("o2"))
	}
}
