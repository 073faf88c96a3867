package services_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/beltline-io/beltline/internal/programs"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	parent  = "00-" + traceID + "-00f067aa0ba902b7-01"
)

// headersOf are the headers of each event of an order, the oldest first.
func (r *rig) headersOf(id string) []nats.Header {
	r.t.Helper()
	stream, err := r.js.Stream(r.t.Context(), "EVENTS")
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := stream.OrderedConsumer(r.t.Context(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.*." + tenant + "." + id + ".>"}})
	if err != nil {
		r.t.Fatal(err)
	}
	var all []nats.Header
	for {
		m, err := c.Next(jetstream.FetchMaxWait(patience))
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, m.Headers())
		meta, err := m.Metadata()
		if err != nil {
			r.t.Fatal(err)
		}
		if meta.NumPending == 0 {
			return all
		}
	}
}

// submitTraced submits an order with headers of its own.
func (r *rig) submitTraced(body, id string, h nats.Header, types ...string) {
	r.t.Helper()
	m := &nats.Msg{Subject: "orders." + tenant + ".submit", Data: []byte(body), Header: h}
	if _, err := r.js.PublishMsg(r.t.Context(), m); err != nil {
		r.t.Fatal(err)
	}
	r.reach(id, types...)
}

func deposit(id string) string {
	return fmt.Sprintf(`{"v":1,"id":%q,"provider":"skinsback","kind":"deposit","params":{"steam_id":"76561198000000001","trade_token":"abcdefgh"}}`, id)
}

// Tracing is turned on for a whole process, so what is not traced comes first.
func TestTrace_OfTheSubmissionStandsInEveryEvent(t *testing.T) {
	t.Parallel()
	t.Run("while nothing is traced here", untraced)
	t.Run("with a collector, each step is a span of it", traced)
}

// untraced: upstream's trace stands in every event as it came, through the
// dispatcher, the worker, the timers between two looks, and other replicas.
func untraced(t *testing.T) {
	r := newRig(t, 2, nil, programs.SkinsBack, programs.BalanceSteam)
	r.submitTraced(deposit("d1"), "d1", nats.Header{"traceparent": {parent}, "tracestate": {"shop=7"}}, "action_required")
	for _, d := range r.skins.Deposits() {
		if err := r.skins.Pay(d.OrderID, "12.5"); err != nil {
			t.Fatal(err)
		}
	}
	r.reach("d1", "succeeded")
	r.submitTraced(topup("t1", "login"), "t1", nil, "succeeded")
	all := r.headersOf("d1")
	if len(all) < 4 {
		t.Errorf("the order has %d events only", len(all))
	}
	for n, h := range all {
		if h.Get("traceparent") != parent || h.Get("tracestate") != "shop=7" {
			t.Errorf("event %d: %v", n+1, h)
		}
	}
	for n, h := range r.headersOf("t1") {
		if h.Get("traceparent") != "" {
			t.Errorf("event %d of an order without a trace: %v", n+1, h)
		}
	}
}

// sink is a collector of traces.
type sink struct {
	mu    sync.Mutex
	spans []*traces.Span
}

func (s *sink) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	var got collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &got)
	}
	if err != nil || q.URL.Path != "/v1/traces" {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range got.GetResourceSpans() {
		for _, in := range of.GetScopeSpans() {
			s.spans = append(s.spans, in.GetSpans()...)
		}
	}
}

// of are the spans of a trace with that name.
func (s *sink) of(trace, name string) (found []*traces.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.spans {
		if hex.EncodeToString(span.GetTraceId()) == trace && span.GetName() == name {
			found = append(found, span)
		}
	}
	return found
}

// traced: each step is a span of upstream's trace, and bears neither customers'
// data nor goods nor credentials.
func traced(t *testing.T) {
	s := &sink{}
	door := httptest.NewServer(s)
	t.Cleanup(door.Close)
	r := newRig(t, 1, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": door.URL, "OTEL_BSP_SCHEDULE_DELAY": "100"},
		programs.BalanceSteam, programs.SkinsBack, programs.Exchanger)
	r.submitTraced(topup("o1", "canary-login"), "o1", nats.Header{"traceparent": {parent}}, "succeeded")
	for _, name := range []string{"orders submit", "commands place", "place"} {
		r.await("a span "+name, func() bool { return len(s.of(traceID, name)) > 0 })
	}
	submitted, placed := s.of(traceID, "orders submit")[0], s.of(traceID, "commands place")[0]
	if got := hex.EncodeToString(submitted.GetParentSpanId()); got != "00f067aa0ba902b7" {
		t.Errorf("the submission is below %s", got)
	}
	if len(submitted.GetLinks()) != 1 || len(placed.GetLinks()) == 0 {
		t.Errorf("links: %v, %v", submitted.GetLinks(), placed.GetLinks())
	}
	for n, h := range r.headersOf("o1") {
		if got := strings.Split(h.Get("traceparent"), "-"); len(got) != 4 || got[1] != traceID || got[2] == "00f067aa0ba902b7" {
			t.Errorf("event %d: %v", n+1, h)
		}
	}
	requests(t, r, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.spans {
		if text := span.String(); strings.Contains(text, "canary") || strings.Contains(text, "127.0.0.1") {
			t.Errorf("a span tells too much: %s", text)
		}
	}
}
