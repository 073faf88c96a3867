package fence_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/pkg/messages"
)

// cutTail cuts the last bytes off the newest block of a stream, and takes away
// what the server wrote beside it when it stopped: so a disk looks that never
// got its last writes.
func (r *rig) cutTail(stream string, bytes int64) {
	r.t.Helper()
	r.srv.Stop()
	dir := filepath.Join(r.dir, "jetstream", server.DEFAULT_GLOBAL_ACCOUNT, "streams", stream, "msgs")
	blocks, err := filepath.Glob(filepath.Join(dir, "*.blk"))
	if err != nil || len(blocks) == 0 {
		r.t.Fatalf("no blocks in %s: %v", dir, err)
	}
	newest := blocks[0]
	for _, b := range blocks[1:] {
		if len(b) > len(newest) || len(b) == len(newest) && b > newest { // they are numbered
			newest = b
		}
	}
	info, err := os.Stat(newest)
	if err != nil {
		r.t.Fatal(err)
	}
	if info.Size() <= bytes {
		r.t.Fatalf("%s has %d bytes", newest, info.Size())
	}
	if err := os.Truncate(newest, info.Size()-bytes); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "index.db")); err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	r.srv.Restart(r.t)
}

// The last event says that the order was bought. It is cut off, and the queue is
// that of before, so that the order is asked for again.
func TestDamage_ATailThatWasCutOffStopsBuying(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	orders := many("a", 3, topup)
	r.submit(orders...)
	older := r.copied()
	w1, w2 := r.fenced(messages.BalanceSteam, "w1"), r.fenced(messages.BalanceSteam, "w2")
	r.reach(messages.Succeeded, orders...)
	r.remembered()
	r.rollBackOnly(older, messages.StreamCommands)
	r.cutTail(messages.StreamEvents, 6*400) // about the intents and outcomes
	r.tripped(fence.Older)
	r.boughtOnce(orders...)
	for _, w := range []*node{w1, w2} {
		r.eventually("a worker to be stopped", func() bool { return w.fence.Ready() != nil })
	}
}

// A ledger that takes no more has lost nothing: intents are refused by the
// ledger, the fence is silent, and with room everything goes on.
func TestDamage_AFullLedgerIsNoAlarmAndNothingIsBought(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.fenced(messages.BalanceSteam, "w1")
	r.submit(topup("a"))
	r.reach(messages.Succeeded, topup("a"))
	orders := many("b", 3, topup)
	w.stop()
	r.submit(orders...)
	limit := func(bytes int64) {
		t.Helper()
		stream, err := r.js.Stream(r.within(), messages.StreamEvents)
		if err != nil {
			t.Fatal(err)
		}
		c := stream.CachedInfo().Config
		c.MaxBytes = bytes
		if _, err := r.js.UpdateStream(r.within(), c); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := r.js.Stream(r.within(), messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	limit(int64(stream.CachedInfo().State.Bytes)) //nolint:gosec // small
	w = r.fenced(messages.BalanceSteam, "w2")
	r.srv.Restart(t)
	r.sound(w)
	if n := len(r.steam.Purchases()); n != 1 {
		t.Errorf("%d purchases with a full ledger", n)
	}
	limit(64 << 20)
	r.reach(messages.Succeeded, orders...)
	r.sound(w)
	r.boughtOnce(append(orders, topup("a"))...)
}
