package fence_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// intent is what a worker writes before it calls.
func intent(t *testing.T, last *messages.Event) *messages.Event {
	t.Helper()
	e, verdict := order.Apply(last, order.Change{Input: order.Claim, At: time.Now(), Intent: &order.Intent{
		Nonce: "n", Owner: "w1", ReferenceN: 1, LeaseUntil: time.Now().Add(time.Minute),
	}})
	if verdict != order.Write {
		t.Fatal(verdict)
	}
	return e
}

// rare is a fence that looks once, and then not again during the test.
func (r *rig) rare(name string) (*fence.Fence, *fence.Books) {
	r.t.Helper()
	f := fence.New(r.nc, r.js, fence.Options{Instance: name, Every: time.Hour})
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); f.Run(ctx) }()
	r.t.Cleanup(func() { cancel(); <-ended })
	return f, f.Around(r.books)
}

// Between two looks the ledger was made anew under a living connection. The
// acknowledgement of the intent gives it away, before anything is sent.
func TestAppend_AnIntentThatComesToStandTooEarlyTripsTheFence(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f, books := r.rare("w1")
	r.eventually("the first look", func() bool { return f.Allows() == nil })
	for _, o := range many("a", 5, topup) {
		r.accept(o)
	}
	e, seq := r.accept(topup("b"))
	if _, err := books.At(r.within(), seq); err != nil { // as a worker reads what its command points at
		t.Fatal(err)
	}
	if _, err := books.Append(r.within(), intent(t, e), seq); err != nil {
		t.Fatalf("an intent in a sound ledger: %v", err)
	}
	if err := r.js.DeleteStream(r.within(), messages.StreamEvents); err != nil {
		t.Fatal(err)
	}
	r.setUp()
	e, seq = r.accept(topup("b"))
	if _, err := books.Append(r.within(), intent(t, e), seq); !errors.Is(err, fence.ErrStopped) {
		t.Errorf("an intent in a ledger that was made anew: %v", err)
	}
	r.tripped(fence.Older)
	if _, err := books.Append(r.within(), intent(t, e), seq); !errors.Is(err, fence.ErrStopped) {
		t.Errorf("the next intent: %v", err)
	}
}

// Only what buys is stopped: an outcome that is known must be recorded.
func TestAppend_OutcomesAreStoredWhileBuyingIsStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f, books := r.rare("w1")
	r.eventually("the first look", func() bool { return f.Allows() == nil })
	e, seq := r.accept(topup("a"))
	placed := intent(t, e)
	seq, err := books.Append(r.within(), placed, seq)
	if err != nil {
		t.Fatal(err)
	}
	f.Surprised(r.within(), "a shop knows more")
	done, verdict := order.Apply(placed, order.Change{Input: order.OwnSucceeded, Nonce: "n", At: time.Now(), Ref: map[string]string{"id": "1"}})
	if verdict != order.Write {
		t.Fatal(verdict)
	}
	if _, err := books.Append(r.within(), done, seq); err != nil {
		t.Errorf("the outcome was not stored: %v", err)
	}
}

// Before the first look nobody knows whether buying was stopped.
func TestAppend_NoIntentIsStoredBeforeTheFirstLook(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := fence.New(r.nc, r.js, fence.Options{Instance: "w1"})
	e, seq := r.accept(topup("a"))
	if _, err := f.Around(r.books).Append(r.within(), intent(t, e), seq); !errors.Is(err, fence.ErrUnsure) {
		t.Errorf("got %v", err)
	}
	if last := r.last("a"); last.Type != messages.Accepted {
		t.Errorf("the order is %s", last.Type)
	}
}
