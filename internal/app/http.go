package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// adminServer serves health, readiness, metrics and profiles.
type adminServer struct {
	listener net.Listener
	server   *http.Server
	done     chan error
}

// serveAdmin starts to serve on addr.
func serveAdmin(ctx context.Context, addr string, h *Health, reg *prometheus.Registry) (*adminServer, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	s := &adminServer{
		listener: listener,
		done:     make(chan error, 1),
		server: &http.Server{
			Handler:           adminHandler(h, reg),
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
		},
	}
	go func() { s.done <- s.server.Serve(listener) }()
	return s, nil
}

// Addr is the address that was bound.
func (s *adminServer) Addr() string { return s.listener.Addr().String() }

// stop ends the server; requests still running when ctx ends are cut off.
func (s *adminServer) stop(ctx context.Context) {
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
	<-s.done
}

// adminHandler returns the routes. They read only.
func adminHandler(h *Health, reg *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		// Alive is all it says. Were it to depend on NATS, an outage there would
		// make the supervisor kill every worker in the middle of a purchase.
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		reasons := h.Reasons()
		w.Header().Set("Content-Type", "application/json")
		if len(reasons) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(struct {
			Ready   bool     `json:"ready"`
			Reasons []Reason `json:"reasons"`
		}{len(reasons) == 0, reasons})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg, EnableOpenMetrics: true}))
	mux.Handle("/debug/pprof/", thisMachineOnly(http.HandlerFunc(pprof.Index)))
	mux.Handle("/debug/pprof/cmdline", thisMachineOnly(http.NotFoundHandler())) // flags may hold secrets
	mux.Handle("/debug/pprof/profile", thisMachineOnly(http.HandlerFunc(pprof.Profile)))
	mux.Handle("/debug/pprof/symbol", thisMachineOnly(http.HandlerFunc(pprof.Symbol)))
	mux.Handle("/debug/pprof/trace", thisMachineOnly(http.HandlerFunc(pprof.Trace)))
	return mux
}

// thisMachineOnly refuses callers from elsewhere: a heap dump holds every
// secret of the process. The Host must be this machine too, so that a web page
// cannot reach it through a name of its own that points here.
func thisMachineOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, _, err := net.SplitHostPort(r.RemoteAddr)
		host, _, hostErr := net.SplitHostPort(r.Host)
		if hostErr != nil {
			host = r.Host
		}
		if err != nil || !loopback(peer) || !loopback(host) {
			http.Error(w, "only from this machine", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
