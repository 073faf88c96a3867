package app

import (
	"maps"
	"slices"
	"sync"
)

// Health knows which components of a program are ready. It says nothing about
// providers: one that is down must not take the program out of service.
type Health struct {
	mu       sync.Mutex
	reasons  map[string]string // by component; empty when ready
	awaited  bool              // the program has yet to say what it consists of
	draining bool
}

// Component is one part of a program whose readiness counts.
type Component struct {
	name   string
	health *Health
}

// Reason says why a component is not ready.
type Reason struct {
	Component string `json:"component"`
	Reason    string `json:"reason"`
}

// NewHealth returns a Health without components, which is ready.
func NewHealth() *Health { return &Health{reasons: make(map[string]string)} }

// Component adds a component. It is not ready until it says so.
func (h *Health) Component(name string) *Component {
	c := &Component{name: name, health: h}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.awaited = false
	h.reasons[name] = "starting"
	return c
}

// await makes the program unready until it adds a component. Between the first
// connection and that moment it has done nothing yet, and must not say that it
// is ready for anything.
func (h *Health) await() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.awaited = true
}

// Ready says that the component does its work.
func (c *Component) Ready() { c.NotReady("") }

// NotReady says why the component does not do its work. The reason is shown to
// anyone who asks: no secrets.
func (c *Component) NotReady(reason string) {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	c.health.reasons[c.name] = reason
}

// drain says that the program is about to end, and will not be ready again.
func (h *Health) drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Reasons returns why the program is not ready, or nothing when it is.
func (h *Health) Reasons() []Reason {
	h.mu.Lock()
	defer h.mu.Unlock()
	reasons := []Reason{}
	if h.draining {
		reasons = append(reasons, Reason{Component: "process", Reason: "draining"})
	}
	if h.awaited {
		reasons = append(reasons, Reason{Component: "program", Reason: "starting"})
	}
	for _, name := range slices.Sorted(maps.Keys(h.reasons)) {
		if r := h.reasons[name]; r != "" {
			reasons = append(reasons, Reason{Component: name, Reason: r})
		}
	}
	return reasons
}
