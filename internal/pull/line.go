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
	express chan struct{} // slots of what passes the others
	passes  func(subject string) bool
	room    int
	held    atomic.Int64 // waiting, or being handled
	freed   chan struct{}
	waiting sync.WaitGroup
	idle    chan turn // to goroutines that have handled a message before
}

// turn is a message that is taken in, and what becomes of it.
type turn struct {
	open   context.Context // nothing is begun when it has ended
	msg    jetstream.Msg
	handle func(jetstream.Msg)
}

// NewLine makes a line whose messages go into hand, atOnce of them being
// handled at a time, and as many waiting.
func NewLine(hand *Hand, atOnce int) *Line {
	atOnce = max(atOnce, 1)
	return &Line{
		hand: hand, slots: make(chan struct{}, atOnce), express: make(chan struct{}, atOnce), room: 2 * atOnce,
		passes: func(string) bool { return false }, freed: make(chan struct{}, 1), idle: make(chan turn),
	}
}

// Express lets messages whose subject passes go before the others: they have as
// many slots of their own. So that they are seen where many others wait, ahead
// messages are held instead of as many as there are slots.
func (l *Line) Express(passes func(subject string) bool, ahead int) *Line {
	l.passes, l.room = passes, cap(l.slots)+max(ahead, cap(l.slots))
	return l
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
	n := l.room - int(l.held.Load()) - asked
	if n < max(cap(l.slots)/2, 1) {
		return 0
	}
	return n
}

// join takes a message in, and handles it when its turn has come. It does not wait.
func (l *Line) join(open context.Context, msg jetstream.Msg, handle func(jetstream.Msg)) {
	l.held.Add(1)
	l.waiting.Add(1)
	l.hand.add(msg)
	t := turn{open, msg, handle}
	select {
	case l.idle <- t:
	default:
		go l.serve(t)
	}
}

// serve takes turns until reading has ended. A goroutine that stays has the
// stack that a message needs; each new one would make it grow again, bit by bit.
// There are never more than messages were held at one time.
func (l *Line) serve(t turn) {
	for {
		l.take(t.open, t.msg, t.handle)
		t = turn{open: t.open} // who waits keeps no message alive
		select {
		case t = <-l.idle:
		case <-t.open.Done():
			return
		}
	}
}

// take waits for a slot and handles the message, or gives it back.
func (l *Line) take(open context.Context, msg jetstream.Msg, handle func(jetstream.Msg)) {
	defer l.hand.remove(msg)
	defer l.free()
	slots := l.slots
	if l.passes(msg.Subject()) {
		slots = l.express
	}
	entered := enter(open, slots)
	if !entered {
		// A lost word costs the ack wait, nothing else. It is said before anybody
		// who waits for this may close the connection.
		_ = msg.Nak()
	}
	l.waiting.Done()
	if !entered {
		return
	}
	defer func() { <-slots }()
	handle(msg)
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
func enter(open context.Context, slots chan struct{}) bool {
	select {
	case <-open.Done():
		return false
	case slots <- struct{}{}:
	}
	if open.Err() != nil { // both were ready
		<-slots
		return false
	}
	return true
}
