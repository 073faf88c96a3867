package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

// ask sends a request from peer to the admin routes.
func ask(h *app.Health, path, peer, host string) *httptest.ResponseRecorder {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "beltline_probe", Help: "x"}))
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.RemoteAddr, req.Host = peer, host
	rec := httptest.NewRecorder()
	app.AdminHandler(h, reg).ServeHTTP(rec, req)
	return rec
}

const here = "127.0.0.1:5"

func TestReadyz_NamesEveryComponentThatIsNotReady(t *testing.T) {
	t.Parallel()
	h := app.NewHealth()
	lane, store := h.Component("lane"), h.Component("store")
	store.Ready()
	lane.NotReady("no stream yet")
	rec := ask(h, "/readyz", here, here)
	want := `{"ready":false,"reasons":[{"component":"lane","reason":"no stream yet"}]}`
	if rec.Code != http.StatusServiceUnavailable || strings.TrimSpace(rec.Body.String()) != want {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	lane.Ready()
	rec = ask(h, "/readyz", here, here)
	if rec.Code != http.StatusOK || strings.TrimSpace(rec.Body.String()) != `{"ready":true,"reasons":[]}` {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
}

func TestReadyz_IsUnavailableWhileDrainingAndHealthzIsNot(t *testing.T) {
	t.Parallel()
	h := app.NewHealth()
	h.Drain()
	if rec := ask(h, "/readyz", here, here); rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), "draining") {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	if rec := ask(h, "/healthz", here, here); rec.Code != http.StatusOK {
		t.Errorf("healthz answered %d: a supervisor would kill a program that is finishing its work", rec.Code)
	}
}

func TestAdmin_ProfilesAreForThisMachineOnly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path, peer, host string
		want             int
	}{
		{"/debug/pprof/", here, "127.0.0.1:80", http.StatusOK},
		{"/debug/pprof/heap", here, "localhost:80", http.StatusOK},
		{"/debug/pprof/heap", "10.0.0.7:5", "127.0.0.1:80", http.StatusForbidden},
		{"/debug/pprof/heap", here, "rebound.example.com", http.StatusForbidden},
		{"/debug/pprof/trace", "10.0.0.7:5", "localhost", http.StatusForbidden},
		{"/debug/pprof/cmdline", here, "localhost", http.StatusNotFound},
		{"/metrics", "10.0.0.7:5", "worker:80", http.StatusOK},
		{"/nowhere", here, "localhost", http.StatusNotFound},
	} {
		if rec := ask(app.NewHealth(), tc.path, tc.peer, tc.host); rec.Code != tc.want {
			t.Errorf("%s from %s to %s: got %d, want %d", tc.path, tc.peer, tc.host, rec.Code, tc.want)
		}
	}
	if rec := ask(app.NewHealth(), "/metrics", here, here); !strings.Contains(rec.Body.String(), "beltline_probe 0") {
		t.Errorf("metrics: %s", rec.Body)
	}
}

func TestMetrics_TellWhetherTheProgramIsReadyAsReadyzDoes(t *testing.T) {
	t.Parallel()
	h := app.NewHealth()
	store := h.Component("store")
	reg := app.NewRegistry(app.Program{Name: "worker-gamesdrop", Provider: messages.GamesDrop}, h)
	page := func() string {
		rec := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		app.AdminHandler(h, reg).ServeHTTP(rec, req)
		return rec.Body.String()
	}
	const line = `beltline_ready{program="worker-gamesdrop",provider="gamesdrop"} `
	if got := page(); !strings.Contains(got, line+"0\n") {
		t.Errorf("before it is ready: %s", got)
	}
	store.Ready()
	if got := page(); !strings.Contains(got, line+"1\n") {
		t.Errorf("once it is ready: %s", got)
	}
	h.Drain()
	if got := page(); !strings.Contains(got, line+"0\n") {
		t.Errorf("while it drains: %s", got)
	}
}
