package fleet

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/beltline-io/beltline/internal/app"
)

// askEvery is how often a program's own readiness is looked at.
const askEvery = 20 * time.Millisecond

// Member is a program that runs in this process.
type Member struct {
	name    string
	stop    context.CancelFunc
	started chan *app.Runtime // gets the runtime once NATS is connected
	ended   chan struct{}

	mu      sync.Mutex
	runtime *app.Runtime
	code    int
}

// Start begins to run the program. It ends by itself, or by [Member.Stop]; the
// end of ctx alone does not end it, because the members stop in an order.
func Start(ctx context.Context, p app.Program, proc app.Process) *Member {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m := &Member{name: p.Name, stop: cancel, started: make(chan *app.Runtime, 1), ended: make(chan struct{})}
	run := p.Run
	p.Run = func(ctx context.Context, rt *app.Runtime) error {
		m.started <- rt
		return run(ctx, rt)
	}
	go func() {
		code := p.Execute(ctx, proc)
		m.mu.Lock()
		m.code = code
		m.mu.Unlock()
		close(m.ended)
	}()
	return m
}

// Name is the program's name.
func (m *Member) Name() string { return m.name }

// Ready waits until the program says that it does its work.
func (m *Member) Ready(ctx context.Context) error {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	reason := "not connected to NATS"
	for {
		if rt := m.running(); rt != nil {
			reasons := rt.Health.Reasons()
			if len(reasons) == 0 {
				return nil
			}
			reason = reasons[0].Component + ": " + reasons[0].Reason
		}
		select {
		case <-m.ended:
			return fmt.Errorf("%s ended with code %d", m.name, m.Code())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready (%s): %w", m.name, reason, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// running returns the runtime, or nil before the program has one.
func (m *Member) running() *app.Runtime {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case rt := <-m.started:
		m.runtime = rt
	default:
	}
	return m.runtime
}

// Address is where the program serves health and metrics, once it is ready.
func (m *Member) Address() string {
	if rt := m.running(); rt != nil {
		return rt.HTTPAddr
	}
	return ""
}

// Ended is closed when the program has ended.
func (m *Member) Ended() <-chan struct{} { return m.ended }

// Code is the program's exit code, once it has ended.
func (m *Member) Code() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.code
}

// Stop drains the program and returns its exit code.
func (m *Member) Stop() int {
	m.stop()
	<-m.ended
	return m.Code()
}

// Lines lets several programs write whole lines to one writer.
type Lines struct {
	mu sync.Mutex
	w  io.Writer
}

// NewLines wraps w.
func NewLines(w io.Writer) *Lines { return &Lines{w: w} }

// Write writes p at once.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
