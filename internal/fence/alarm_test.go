package fence_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// A stream that was made anew under the same connection, by setup, which gives
// it the same namespace again: nothing but its identity tells.
func TestAnother_ALedgerMadeAnewStopsBuying(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	orders := many("a", 3, topup)
	r.submit(orders...)
	w := r.fenced(messages.BalanceSteam, "w1")
	r.reach(messages.Succeeded, orders...)
	r.remembered()
	if err := r.js.DeleteStream(r.within(), messages.StreamEvents); err != nil {
		t.Fatal(err)
	}
	r.setUp()
	r.submit(orders...) // upstream sends them again, and they are news to this ledger
	// Whichever comes first: the next look, or an intent whose number was given out before.
	r.tripped(fence.Another, fence.Older)
	r.eventually("the worker to say so", func() bool { return errors.Is(w.fence.Ready(), fence.ErrStopped) })
	r.boughtOnce(orders...)
}

// A copy of the configuration bears the epoch of the stream that was lost.
func TestAnother_ALedgerMadeAnewWithTheSameEpochStopsAProcessThatStarts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	orders := many("a", 3, topup)
	r.submit(orders...)
	w := r.fenced(messages.BalanceSteam, "w1")
	r.reach(messages.Succeeded, orders...)
	r.remembered()
	w.stop()
	stream, err := r.js.Stream(r.within(), messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.js.DeleteStream(r.within(), messages.StreamEvents); err != nil {
		t.Fatal(err)
	}
	if _, err := r.js.CreateStream(r.within(), stream.CachedInfo().Config); err != nil {
		t.Fatal(err)
	}
	r.submit(orders...)
	r.fenced(messages.BalanceSteam, "w2")
	r.tripped(fence.Another)
	r.boughtOnce(orders...)
}

func TestCalm_AFreshInstallIsNoAlarm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.fenced(messages.BalanceSteam, "w1")
	r.sound(w)
	r.submit(topup("a"))
	r.reach(messages.Succeeded, topup("a"))
	r.remembered()
	r.sound(w)
	r.boughtOnce(topup("a"))
}

func TestCalm_RestartsOfTheServerAreNoAlarm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w1, w2 := r.fenced(messages.BalanceSteam, "w1"), r.fenced(messages.BalanceSteam, "w2")
	var all []messages.Order
	for i := range 3 {
		orders := many(fmt.Sprintf("r%d", i), 10, topup)
		r.submit(orders...)
		r.reach(messages.Succeeded, orders[0]) // the rest is under way
		r.srv.Restart(t)
		all = append(all, orders...)
	}
	r.reach(messages.Succeeded, all...)
	r.sound(w1, w2)
	r.boughtOnce(all...)
}

// An order may be erased for good, once that was said: the end of the ledger
// stays where it was, and what is remembered of the event is gone. What was said
// and not done yet hides nothing that is known.
func TestCalm_AnOrderThatWasErasedIsNoAlarm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.fenced(messages.BalanceSteam, "w1")
	r.submit(topup("a"))
	r.reach(messages.Succeeded, topup("a"))
	r.remembered()
	r.announce(int(r.last("a").N)) //nolint:gosec // small
	r.srv.Restart(t)
	r.sound(w, r.fenced(messages.BalanceSteam, "w2"))
	r.erase("a")
	r.srv.Restart(t)
	r.sound(w, r.fenced(messages.BalanceSteam, "w3"))
	r.submit(topup("b"))
	r.reach(messages.Succeeded, topup("b"))
	r.boughtOnce(topup("a"), topup("b"))
}

func TestCalm_ABucketThatWasLostIsFilledAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.fenced(messages.BalanceSteam, "w1")
	r.submit(topup("a"))
	r.reach(messages.Succeeded, topup("a"))
	r.remembered()
	if err := r.js.DeleteKeyValue(r.within(), messages.Bucket); err != nil {
		t.Fatal(err)
	}
	r.setUp()
	r.remembered()
	r.submit(topup("b"))
	r.reach(messages.Succeeded, topup("b"))
	r.sound(w, r.fenced(messages.BalanceSteam, "w2"))
	r.boughtOnce(topup("a"), topup("b"))
}

// The bucket that said "stopped" is lost: those who know say it again.
func TestStopped_StaysSoThoughTheBucketIsLost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.fenced(messages.BalanceSteam, "w1")
	r.sound(w)
	w.fence.Surprised(r.within(), "a shop knows more")
	first := r.tripped(fence.Surprise)
	if err := r.js.DeleteKeyValue(r.within(), messages.Bucket); err != nil {
		t.Fatal(err)
	}
	r.setUp()
	if again := r.tripped(fence.Surprise); again.Since != first.Since || again.Found != first.Found {
		t.Errorf("%+v became %+v", first, again)
	}
	r.submit(topup("a"))
	w.stop()
	w2 := r.fenced(messages.BalanceSteam, "w2")
	r.eventually("a worker that starts to know", func() bool { return errors.Is(w2.fence.Ready(), fence.ErrStopped) })
	if n := len(r.steam.Purchases()); n != 0 {
		t.Errorf("%d purchases", n)
	}
}

// A bucket that was rolled back to before the alarm is no clearing of it.
func TestStopped_StaysSoThoughTheBucketIsRolledBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.fenced(messages.BalanceSteam, "w1")
	r.sound(w)
	older := r.copied()
	r.sound(w)
	w.fence.Surprised(r.within(), "a shop knows more")
	r.tripped(fence.Surprise)
	r.rollBackOnly(older, "KV_"+messages.Bucket)
	r.tripped(fence.Surprise)
	if !errors.Is(w.fence.Allows(), fence.ErrStopped) {
		t.Errorf("the worker may buy: %v", w.fence.Allows())
	}
}

// Commands lie in their stream while their consumer is gone. The worker says
// what is missing, and goes on when it is there again; nothing is lost.
func TestConsumer_OneThatWasDeletedIsMissedAndItsOrdersAreNotLost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.fenced(messages.BalanceSteam, "w1")
	r.submit(topup("a"))
	r.reach(messages.Succeeded, topup("a"))
	for _, name := range []string{messages.BalanceSteam.PlaceConsumer(), messages.BalanceSteam.FollowConsumer()} {
		if err := r.js.DeleteConsumer(r.within(), messages.StreamCommands, name); err != nil {
			t.Fatal(err)
		}
	}
	r.eventually("the worker to say what is missing", func() bool { return w.worker.Ready() != nil })
	orders := many("b", 5, topup)
	r.submit(orders...)
	r.setUp()
	r.reach(messages.Succeeded, orders...)
	r.eventually("the worker to be ready again", func() bool { return w.worker.Ready() == nil })
	r.boughtOnce(append(orders, topup("a"))...)
	r.sound(w)
}

// Whoever looks first writes down what is there, so that the next one has
// something to compare with.
func TestMark_IsWrittenByTheFirstWhoLooks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fenced(messages.BalanceSteam, "w1")
	r.eventually("a mark", func() bool {
		report, finding, err := r.inspect()
		return err == nil && finding == "" && report.Mark != nil && report.Mark.By == "w1" &&
			report.Mark.Epoch == report.Ledger.Epoch && report.Ledger.Epoch != "" && report.Mark.Created.Equal(report.Ledger.Created)
	})
	kv, err := r.js.KeyValue(r.within(), messages.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(r.within(), topology.LedgerMarkKey, []byte("{")); err != nil {
		t.Fatal(err)
	}
	r.eventually("one that cannot be read to be written anew", func() bool {
		report, _, err := r.inspect()
		return err == nil && report.Mark != nil
	})
}
