package dispatcher_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

func cancelOf(id string) string  { return fmt.Sprintf(`{"v":1,"id":%q,"reason":"changed my mind"}`, id) }
func confirmOf(id string) string { return fmt.Sprintf(`{"v":1,"id":%q}`, id) }

const asked = "asked" // the provider is asked, nothing is written

func TestCancel_InEachState(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	for state, life := range lives() {
		if state == "placing" {
			continue // kept: a test of its own
		}
		want := string(messages.CancelRefused)
		switch state {
		case "accepted", "retrying":
			want = string(messages.Canceled)
		case "action_required":
			want = asked
		}
		last := r.seed(t, "acme", state, life)
		drainHeard(r)
		r.publish(t, "orders.acme.cancel", cancelOf(state))
		wantAnswer(t, r, state, last.Seq, "cancel", want)
	}
}

func TestConfirm_InEachState(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	for state, life := range lives() {
		want := string(messages.ConfirmRefused)
		if state == "action_required" {
			want = asked
		}
		last := r.seed(t, "acme", state, life)
		drainHeard(r)
		r.publish(t, "orders.acme.confirm", confirmOf(state))
		wantAnswer(t, r, state, last.Seq, "confirm", want)
	}
}

// drainHeard forgets what the seeding published.
func drainHeard(r *rig) {
	for len(r.events) > 0 {
		<-r.events
	}
}

func wantAnswer(t *testing.T, r *rig, id string, seq uint64, verb, want string) {
	t.Helper()
	if want == asked {
		m := next(t, r.commands)
		if m.Subject != "commands.gamesdrop."+verb+".acme."+id {
			t.Errorf("%s: command on %s", id, m.Subject)
		}
		c, err := messages.DecodeCommand(m.Data)
		must(t, err)
		if c.Seq != seq {
			t.Errorf("%s: command points at %d, want %d", id, c.Seq, seq)
		}
		if want := map[string]string{"cancel": `{"cancel_reason":"changed my mind"}`}[verb]; string(c.Hint) != want {
			t.Errorf("%s: %s hands over %s, want %s", id, verb, c.Hint, want)
		}
		r.settled(t)
		return
	}
	e := lastHeard(t, r, id, messages.Type(want))
	if verb == "cancel" && e.Evidence["cancel_reason"] != "changed my mind" {
		t.Errorf("%s: evidence %v", id, e.Evidence)
	}
	r.settled(t)
	if got := r.history(t, "acme", id); got[len(got)-1] != messages.Type(want) {
		t.Errorf("%s: events %v, want %s at the end", id, got, want)
	}
	r.silent(t, r.commands)
}

// lastHeard waits for an event of the order with the type.
func lastHeard(t *testing.T, r *rig, id string, want messages.Type) *messages.Event {
	t.Helper()
	for {
		e := r.nextEvent(t)
		if e.OrderID == id && e.Type == want {
			return e
		}
	}
}

func TestCancel_WhilePlacingIsKeptUntilTheOutcome(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	last := r.seed(t, "acme", "o1", lives()["placing"])
	r.publish(t, "orders.acme.cancel", cancelOf("o1"))
	c, err := r.js.Consumer(t.Context(), messages.StreamOrders, "dispatcher")
	must(t, err)
	until(t, "the cancel was put back", func() bool {
		info, err := c.Info(t.Context())
		must(t, err)
		return info.NumRedelivered > 0
	})
	if got := r.history(t, "acme", "o1"); got[len(got)-1] != messages.Placing {
		t.Errorf("events %v", got)
	}
	e, _ := order.Apply(last.Event, order.Change{Input: order.OwnProcessing, Nonce: nonce, At: time.Now()})
	_, err = r.ledger.Append(t.Context(), e, last.Seq)
	must(t, err)
	r.settled(t)
	want := []messages.Type{messages.Accepted, messages.Placing, messages.Processing, messages.CancelRefused}
	if diff := cmp.Diff(want, r.history(t, "acme", "o1")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestCancel_OvertakingItsSubmitIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	r.publish(t, "orders.acme.cancel", cancelOf("o1"))
	r.publish(t, "orders.acme.submit", offer("o1"))
	r.settled(t)
	want := []messages.Type{messages.Accepted, messages.Canceled}
	if diff := cmp.Diff(want, r.history(t, "acme", "o1")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	r.silent(t, r.dead)
}

func TestCancel_OfAnUnknownOrderBecomesDeadLetterInTime(t *testing.T) {
	t.Parallel()
	const wait = 400 * time.Millisecond
	r := newRig(t)
	r.run(t, func(o *dispatcher.Options) { o.UnknownFor = wait })
	begun := time.Now()
	r.publish(t, "orders.acme.cancel", cancelOf("ghost"))
	wantDead(t, next(t, r.dead), "dlq.orders.acme", messages.ReasonUnknownOrder, cancelOf("ghost"), "ghost")
	if took := time.Since(begun); took < wait {
		t.Errorf("given up after %s", took)
	}
	r.publish(t, "orders.acme.confirm", confirmOf("ghost"))
	wantDead(t, next(t, r.dead), "dlq.orders.acme", messages.ReasonUnknownOrder, confirmOf("ghost"), "ghost")
	r.settled(t)
	// An order of another tenant is unknown too.
	r.seed(t, "bravo", "theirs", lives()["accepted"])
	r.publish(t, "orders.acme.cancel", cancelOf("theirs"))
	wantDead(t, next(t, r.dead), "dlq.orders.acme", messages.ReasonUnknownOrder, cancelOf("theirs"), "theirs")
	if got := r.history(t, "bravo", "theirs"); len(got) != 1 {
		t.Errorf("another tenant's order has %v", got)
	}
}

func TestRequest_UnreadableBodyBecomesDeadLetter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	for _, c := range []struct{ request, body, id string }{
		{"cancel", `{`, ""},
		{"cancel", `{"v":1,"id":"o1","why":"x"}`, "o1"},
		{"confirm", `{"v":1,"id":"o1","reason":"x"}`, "o1"},
		{"confirm", `{"v":2,"id":"o1"}`, "o1"},
		{"confirm", `{"v":1,"id":"*"}`, ""},
		{"cancel", strings.Repeat(" ", messages.MaxOrderBytes) + cancelOf("o1"), ""},
	} {
		r.publish(t, "orders.acme."+c.request, c.body)
		wantDead(t, next(t, r.dead), "dlq.orders.acme", messages.ReasonInvalidOrder, c.body, c.id)
	}
	r.settled(t)
	r.silent(t, r.events)
}

func TestCancel_DeliveredTwiceIsWrittenOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := dispatcher.New(r.nc, r.js, r.ledger, r.queue, r.options())
	r.seed(t, "acme", "o1", lives()["accepted"])
	for range 3 {
		if !d.Decide(t.Context(), "orders.acme.cancel", []byte(cancelOf("o1")), 9) {
			t.Error("not acknowledged")
		}
	}
	if diff := cmp.Diff([]messages.Type{messages.Accepted, messages.Canceled}, r.history(t, "acme", "o1")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	// Another request for the same is answered by an event of its own.
	d.Decide(t.Context(), "orders.acme.cancel", []byte(cancelOf("o1")), 10)
	want := []messages.Type{messages.Accepted, messages.Canceled, messages.CancelRefused}
	if diff := cmp.Diff(want, r.history(t, "acme", "o1")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
