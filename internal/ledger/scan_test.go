package ledger_test

import (
	"testing"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestNextOf_FindsEveryEventOfATypeAndNothingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := within(t)
	var want []uint64
	for i := range 5 {
		id := orderID(i)
		last := mustAppend(t, b.l, event(id, 1, messages.Accepted, ""), 0)
		placed := mustAppend(t, b.l, event(id, 2, messages.Placing, "a"), last)
		want = append(want, placed)
		mustAppend(t, b.l, event(id, 3, messages.Succeeded, "a"), placed)
	}
	provider := event("x", 1, messages.Accepted, "").Provider
	var got []uint64
	for seq := uint64(0); ; {
		e, err := b.l.NextOf(ctx, seq, provider, messages.Placing)
		if err != nil {
			wantErr(t, err, ledger.ErrNotFound)
			break
		}
		if e.Event.Type != messages.Placing || e.Seq < seq {
			t.Fatalf("from %d: %s at %d", seq, e.Event.Type, e.Seq)
		}
		got = append(got, e.Seq)
		seq = e.Seq + 1
	}
	if len(got) != len(want) {
		t.Fatalf("found %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("found %v, want %v", got, want)
		}
	}
	// One that cannot be read says where it stands, so that a reader can go on.
	ack, err := b.js.Publish(ctx, "events."+string(provider)+".acme.spoiled.placing", []byte("{"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.l.NextOf(ctx, want[4]+1, provider, messages.Placing)
	wantErr(t, err, ledger.ErrInvalid)
	if e == nil || e.Seq != ack.Sequence {
		t.Errorf("entry %+v, want one at %d", e, ack.Sequence)
	}
	_, err = b.l.NextOf(ctx, 1, messages.SkinsBack, messages.Placing)
	wantErr(t, err, ledger.ErrNotFound)
}
