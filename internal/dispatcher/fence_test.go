package dispatcher_test

import (
	"errors"
	"testing"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/pkg/messages"
)

// guard is a fence that says what the test has it say.
type guard struct {
	stopped, holds bool
	silent         error // it cannot say whether an order is held
}

func (g *guard) Allows() error {
	if g.stopped {
		return errors.New("the ledger is older than it was")
	}
	return nil
}

func (g *guard) Held(*ledger.Entry, func() ([]ledger.Entry, error)) (bool, error) {
	return g.holds, g.silent
}

// What waits may have been bought by what the ledger has lost: nobody is told
// that it is canceled, nor that there is nothing to confirm. What was sent, as
// far as the ledger knows, is answered as ever.
func TestFence_RequestsForWhatWaitsAreKeptWhileTheLedgerIsInDoubt(t *testing.T) {
	t.Parallel()
	answers := map[string][2]messages.Type{ // to a cancel and to a confirm, in the end
		"accepted": {messages.Canceled, messages.ConfirmRefused},
		"retrying": {messages.Canceled, messages.ConfirmRefused},
		"placing":  {"", messages.ConfirmRefused}, // a cancel waits for the outcome
	}
	doubts := map[string]*guard{"stopped": {stopped: true}, "held": {holds: true}, "unknown": {silent: errors.New("no answer")}}
	r := newRig(t)
	for doubt, g := range doubts {
		for state, answer := range answers {
			for i, request := range []string{"cancel", "confirm"} {
				id := doubt + "-" + state + "-" + request
				o := r.options()
				o.Fence = g
				was := r.seed(t, "acme", id, lives()[state]).Event.Type
				decide := func(d *dispatcher.Dispatcher) bool {
					return d.Decide(t.Context(), "orders.acme."+request, []byte(`{"v":1,"id":"`+id+`"}`), 9)
				}
				if decide(dispatcher.New(r.nc, r.js, r.ledger, r.queue, o)) {
					t.Errorf("%s: not kept", id)
				}
				if got := r.history(t, "acme", id); got[len(got)-1] != was {
					t.Errorf("%s: %v", id, got)
				}
				o.Fence = &guard{}
				acked := decide(dispatcher.New(r.nc, r.js, r.ledger, r.queue, o))
				if got := r.history(t, "acme", id); acked != (answer[i] != "") || acked && got[len(got)-1] != answer[i] {
					t.Errorf("%s, once the ledger is believed: acknowledged %t, %v", id, acked, got)
				}
			}
		}
	}
	o := r.options()
	o.Fence = doubts["stopped"]
	r.seed(t, "acme", "sent", lives()["processing"])
	if !dispatcher.New(r.nc, r.js, r.ledger, r.queue, o).Decide(t.Context(), "orders.acme.cancel", []byte(cancelOf("sent")), 9) {
		t.Error("a cancel of what was sent is kept")
	}
}
