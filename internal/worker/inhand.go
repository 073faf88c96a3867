package worker

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// inHand holds the messages that are being worked on, and tells the server so
// from time to time. It is a courtesy that avoids needless redeliveries:
// correctness rests on the lease in the ledger.
type inHand struct {
	mu   sync.Mutex
	msgs map[jetstream.Msg]bool // true once a beat has passed
}

func (h *inHand) add(m jetstream.Msg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.msgs == nil {
		h.msgs = map[jetstream.Msg]bool{}
	}
	h.msgs[m] = false
}

func (h *inHand) remove(m jetstream.Msg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.msgs, m)
}

// beat marks every message that has been in hand for at least one interval as
// in progress, until ctx ends.
func (h *inHand) beat(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, m := range h.old() {
				_ = m.InProgress() // a lost one costs a redelivery, nothing else
			}
		}
	}
}

func (h *inHand) old() []jetstream.Msg {
	h.mu.Lock()
	defer h.mu.Unlock()
	var old []jetstream.Msg
	for m, seen := range h.msgs {
		if seen {
			old = append(old, m)
		}
		h.msgs[m] = true
	}
	return old
}
