package fence_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// smallBlocks makes the ledger anew with blocks that some tens of events fill: a
// small limit is what decides about the blocks.
func (r *rig) smallBlocks() {
	r.t.Helper()
	if err := r.js.DeleteStream(r.within(), messages.StreamEvents); err != nil {
		r.t.Fatal(err)
	}
	c := settings().Streams()[0]
	c.MaxBytes, c.Metadata[topology.MetaEpoch] = 120_000, "0123456789abcdef0123456789abcdef"
	if _, err := r.js.CreateStream(r.within(), c); err != nil {
		r.t.Fatal(err)
	}
	r.books = openLedger(r.t, r.nc, r.js)
}

// breakRecord turns one bit round in the first record of the oldest block that
// holds the text. The server gives up that record and all after it in its block.
func (r *rig) breakRecord(text string) {
	r.t.Helper()
	r.srv.Stop()
	dir := filepath.Join(r.dir, "jetstream", server.DEFAULT_GLOBAL_ACCOUNT, "streams", messages.StreamEvents, "msgs")
	blocks, err := filepath.Glob(filepath.Join(dir, "*.blk"))
	if err != nil || len(blocks) < 2 {
		r.t.Fatalf("%d blocks, %v: a hole needs something after it", len(blocks), err)
	}
	block := filepath.Join(dir, "1.blk")
	body, err := os.ReadFile(block)
	if err != nil {
		r.t.Fatal(err)
	}
	at := bytes.Index(body, []byte(text))
	if at < 0 {
		r.t.Fatalf("%q is not in the oldest block", text)
	}
	body[at] ^= 1
	if err := os.WriteFile(block, body, 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "index.db")); err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	r.srv.Restart(r.t)
}

// The intents and outcomes of some orders are gone, and so much was written
// after them that the ledger ends where it did. With the queue of before they
// are asked for again, and nothing in the ledger speaks against it.
func TestDamage_AHoleInTheMiddleStopsBuying(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.smallBlocks()
	orders := many("a", 3, topup)
	r.submit(orders...)
	older := r.copied()
	w1, w2 := r.fenced(messages.BalanceSteam, "w1"), r.fenced(messages.BalanceSteam, "w2")
	r.reach(messages.Succeeded, orders...)
	for _, o := range many("b", 50, topup) {
		r.accept(o)
	}
	r.remembered()
	w2.stop()
	r.rollBackOnly(older, messages.StreamCommands)
	r.breakRecord(".placing")
	if s := r.tripped(fence.Holed); !strings.Contains(s.Found, "before its end") {
		t.Errorf("found %q", s.Found)
	}
	r.boughtOnce(orders...)

	// A process that starts knows it by the bucket, and after a clearing it is known to all.
	w1.stop()
	if _, err := fence.Clear(r.within(), r.js, "ada", "compared by hand", true); err != nil {
		t.Fatal(err)
	}
	w3 := r.fenced(messages.BalanceSteam, "w3")
	r.sound(w3)
	r.boughtOnce(orders...)
}

// Nobody has said that events would be erased: they may as well be lost.
func TestDamage_EventsErasedWithoutAWordStopBuying(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.fenced(messages.BalanceSteam, "w1")
	r.submit(many("a", 2, topup)...)
	r.reach(messages.Succeeded, many("a", 2, topup)...)
	r.remembered()
	w.stop()
	r.erase("a-0")
	r.fenced(messages.BalanceSteam, "w2")
	r.tripped(fence.Holed)
}

// announce says in the ledger's metadata how many events will be erased.
func (r *rig) announce(events int) {
	r.t.Helper()
	stream, err := r.js.Stream(r.within(), messages.StreamEvents)
	if err != nil {
		r.t.Fatal(err)
	}
	c := stream.CachedInfo().Config
	before, _ := strconv.Atoi(c.Metadata[fence.MetaErased]) // nothing was erased yet
	c.Metadata[fence.MetaErased] = strconv.Itoa(before + events)
	if _, err := r.js.UpdateStream(r.within(), c); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) erase(id string) {
	r.t.Helper()
	events, err := r.js.Stream(r.within(), messages.StreamEvents)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := events.Purge(r.within(), jetstream.WithPurgeSubject(messages.OrderEvents(tenant, id))); err != nil {
		r.t.Fatal(err)
	}
}
