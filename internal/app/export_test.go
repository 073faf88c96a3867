package app

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

// AdminHandler opens the routes to tests.
func AdminHandler(h *Health, reg *prometheus.Registry) http.Handler { return adminHandler(h, reg) }

// Drain makes the health say that the program is about to end.
func (h *Health) Drain() { h.drain() }

// ExitCodeOf opens the mapping of errors to exit codes.
func ExitCodeOf(err error) int { return exitCode(err) }

// NewRegistry opens the metrics that every program has.
func NewRegistry(p Program, h *Health) *prometheus.Registry {
	reg, _ := newRegistry(ReadVersion(), p, h)
	return reg
}
