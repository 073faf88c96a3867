package pull

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Hand holds the messages that this process has taken, and tells the server so
// from time to time. It is a courtesy that avoids needless redeliveries, and
// lets the ack wait be short. The zero value is ready for use.
type Hand struct {
	mu   sync.Mutex
	msgs map[jetstream.Msg]bool // true once a beat has passed
	busy sync.WaitGroup
}

// Go runs work on a message that is in hand until work returns.
func (h *Hand) Go(msg jetstream.Msg, work func()) {
	h.add(msg)
	go func() {
		defer h.remove(msg)
		work()
	}()
}

// Wait returns when nothing is in hand any more.
func (h *Hand) Wait() { h.busy.Wait() }

// add takes a message in hand, until remove.
func (h *Hand) add(m jetstream.Msg) {
	h.busy.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.msgs == nil {
		h.msgs = map[jetstream.Msg]bool{}
	}
	h.msgs[m] = false
}

func (h *Hand) remove(m jetstream.Msg) {
	defer h.busy.Done()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.msgs, m)
}

// Beat marks every message that has been in hand for at least one interval as
// in progress, until ctx ends. A third of the ack wait is a good interval: one
// beat may be lost.
func (h *Hand) Beat(ctx context.Context, interval time.Duration) {
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

func (h *Hand) old() []jetstream.Msg {
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
