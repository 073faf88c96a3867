package pull

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"
)

// Line is where the messages of one consumer wait for one of its slots. They
// are in hand while they wait.
type Line struct {
	hand    *Hand
	slots   chan struct{}
	held    atomic.Int64 // waiting, or being handled
	freed   chan struct{}
	waiting sync.WaitGroup
}

// NewLine makes a line whose messages go into hand, atOnce of them being
// handled at a time, and as many waiting.
func NewLine(hand *Hand, atOnce int) *Line {
	return &Line{hand: hand, slots: make(chan struct{}, max(atOnce, 1)), freed: make(chan struct{}, 1)}
}

// Read hands the consumer's messages to handle until ctx ends, which is no
// error, or reading fails. Then it begins nothing more: it returns when what
// was still waiting has been given back. What is being handled goes on, and is
// in hand until it is done.
//
// While everything here is taken, nothing more is asked for.
func (l *Line) Read(ctx context.Context, js jetstream.JetStream, c jetstream.Consumer, handle func(jetstream.Msg)) error {
	open, giveBack := context.WithCancel(ctx)
	defer l.waiting.Wait()
	defer giveBack()
	s, err := listen(js, c, func(msg jetstream.Msg) { l.join(open, msg, handle) })
	if err != nil {
		return err
	}
	defer s.close()
	return s.run(ctx, l.freed, l.wanted)
}

// wanted says how many more messages to ask for when asked of them are on their
// way. It waits until a request is worth its while.
func (l *Line) wanted(asked int) int {
	n := 2*cap(l.slots) - int(l.held.Load()) - asked
	if n < max(cap(l.slots)/2, 1) {
		return 0
	}
	return n
}

// join takes a message in, and handles it when its turn has come. It does not wait.
func (l *Line) join(open context.Context, msg jetstream.Msg, handle func(jetstream.Msg)) {
	l.held.Add(1)
	l.waiting.Add(1)
	l.hand.Go(msg, func() {
		defer l.free()
		entered := l.enter(open)
		if !entered {
			// A lost word costs the ack wait, nothing else. It is said before anybody
			// who waits for this may close the connection.
			_ = msg.Nak()
		}
		l.waiting.Done()
		if !entered {
			return
		}
		defer func() { <-l.slots }()
		handle(msg)
	})
}

// free says that there is room for one more.
func (l *Line) free() {
	l.held.Add(-1)
	select {
	case l.freed <- struct{}{}:
	default: // said already
	}
}

// enter waits for a slot; false when nothing more is begun.
func (l *Line) enter(open context.Context) bool {
	select {
	case <-open.Done():
		return false
	case l.slots <- struct{}{}:
	}
	if open.Err() != nil { // both were ready
		<-l.slots
		return false
	}
	return true
}
