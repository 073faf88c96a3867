package fence

import (
	"errors"
	"slices"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Held reports whether an order may have been bought by what the ledger has lost,
// as the operator who cleared it said: it waited for its purchase, or was about
// to be sent, when that was said. What was noted of it since, a request of
// upstream that was refused perhaps, does not change that. last is its last event.
//
// It asks nobody, unless there was such a clearing and the last event does not
// tell: then history is called.
func (f *Fence) Held(last *ledger.Entry, history func() ([]ledger.Entry, error)) (bool, error) {
	cleared, ok := f.holding()
	switch {
	case !ok:
		return false, nil
	case last.Seq <= cleared:
		return true, nil
	case waits(last.Event):
		return false, nil
	}
	all, err := history()
	if errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrInvalid) {
		return true, nil // part of it is gone
	}
	if err != nil {
		return false, err
	}
	for _, e := range slices.Backward(all) {
		if e.Seq <= last.Seq && waits(e.Event) {
			return e.Seq <= cleared, nil
		}
	}
	return true, nil // what it waited by is gone
}

// holding is the end of the ledger at the last clearing, and false where there
// was none, or what waited is not held.
func (f *Fence) holding() (seq uint64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.state.Cleared
	if c == nil || !c.HoldWaiting {
		return 0, false
	}
	return c.Seq, true
}

// waits reports whether the order waits for its purchase since this event, or is
// about to be sent under it.
func waits(e *messages.Event) bool {
	return e.Type == messages.Accepted || e.Type == messages.Retrying || e.Type == messages.Placing
}
