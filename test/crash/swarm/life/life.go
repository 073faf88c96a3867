package life

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ErrDead is what a dead life answers to everything.
var ErrDead = errors.New("life: it is over")

// Life is one life of one program.
type Life struct {
	onDeath func(how string)

	mu        sync.Mutex
	dead      atomic.Bool
	at        time.Time
	sockets   map[net.Conn]bool
	listeners []net.Listener
	fronts    sync.WaitGroup
	died      chan struct{}

	mark    []byte
	working atomic.Bool
	trigger atomic.Pointer[trigger]
	late    counters
}

// counters count what the dead still tried.
type counters struct{ dials, writes, reads, lines atomic.Int64 }

// Late is how often a dead program still tried something.
type Late struct{ Dials, Writes, Reads, Lines int64 }

// New begins a life. onDeath is called at the instant of its death, before
// anybody can notice it; it must not wait. The life is [Life.Working] once mark
// was written to NATS.
func New(mark string, onDeath func(how string)) *Life {
	return &Life{onDeath: onDeath, mark: []byte(mark), sockets: map[net.Conn]bool{}, died: make(chan struct{})}
}

// Die ends the life, unless it is over. It reports whether this call did it.
func (l *Life) Die(how string) bool {
	l.mu.Lock()
	if l.dead.Load() {
		l.mu.Unlock()
		return false
	}
	// From here on nothing begins. A write that has begun may still arrive: it
	// can depend on nothing that the death has caused.
	l.dead.Store(true)
	l.at = time.Now()
	l.onDeath(how)
	sockets := l.sockets
	l.sockets = nil
	l.mu.Unlock()
	for s := range sockets {
		_ = s.Close()
	}
	close(l.died)
	return true
}

// Died is closed when the life is over.
func (l *Life) Died() <-chan struct{} { return l.died }

// DiedAt is when it ended; zero while it goes on.
func (l *Life) DiedAt() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

// Working reports whether the program has written the mark.
func (l *Life) Working() bool { return l.working.Load() }

// Late tells what the dead program still tried.
func (l *Life) Late() Late {
	return Late{l.late.dials.Load(), l.late.writes.Load(), l.late.reads.Load(), l.late.lines.Load()}
}

// Close closes the fronts. Until the program has ended they must stay: a port
// that is free again may become that of a living one, and then a dead program
// would reach the world through it.
func (l *Life) Close() {
	l.mu.Lock()
	listeners, sockets := l.listeners, l.sockets
	l.listeners, l.sockets = nil, nil
	l.mu.Unlock()
	for _, f := range listeners {
		_ = f.Close()
	}
	for s := range sockets {
		_ = s.Close()
	}
	l.fronts.Wait()
}

// own makes a socket one that the death closes; false where it has come.
func (l *Life) own(s net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sockets == nil {
		_ = s.Close()
		return false
	}
	l.sockets[s] = true
	return true
}

func (l *Life) disown(s net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sockets, s)
}

// Log is where the program may log as long as it lives.
func (l *Life) Log(to io.Writer) io.Writer { return &log{l, to} }

type log struct {
	life *Life
	to   io.Writer
}

// Write implements [io.Writer]. A dead program is not told: a process that was
// killed has nobody to tell.
func (g *log) Write(p []byte) (int, error) {
	if g.life.dead.Load() {
		g.life.late.lines.Add(1)
		return len(p), nil
	}
	return g.to.Write(p)
}

// wrote notes what was written to NATS.
func (l *Life) wrote(b []byte) {
	if !l.working.Load() && bytes.Contains(b, l.mark) {
		l.working.Store(true)
	}
}
