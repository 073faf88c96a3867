package services_test

import (
	"testing"

	"github.com/nats-io/nats.go"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// requests: whatever the providers are asked for an order is a span of the
// order's trace, below the command that led to it, and so is a question of an
// operator in the operator's own trace.
func requests(t *testing.T, r *rig, s *sink) {
	t.Helper()
	traced := func(id string) (trace string, h nats.Header) {
		trace = traceID[:30] + id
		return trace, nats.Header{"traceparent": {"00-" + trace + "-00f067aa0ba902b7-01"}}
	}
	topups, h := traced("a1")
	r.submitTraced(topup("s1", "canary-login"), "s1", h, "succeeded")

	lost, h := traced("a2")
	r.steam.Door().Faults.Once("create_topup", providertest.Fault{Kind: providertest.ResetAfterCommit})
	r.submitTraced(topup("s2", "canary-login"), "s2", h, "unresolved")

	deposits, h := traced("a3")
	r.submitTraced(deposit("s3"), "s3", h, "action_required")

	exchanges, h := traced("a4")
	r.submitTraced(`{"v":1,"id":"s4","provider":"exchanger","kind":"exchange","params":{"direction_id":"101","amount":"3000","amount_side":"give",`+
		`"account_from":"2202200112345678","account_to":"canary-wallet","fields":{"cf6":"canary@example.com"}}}`, "s4", h, "action_required")
	if _, err := r.js.Publish(t.Context(), "orders."+tenant+".cancel", []byte(`{"v":1,"id":"s4"}`)); err != nil {
		t.Fatal(err)
	}
	r.reach("s4", "canceled")

	questions, h := traced("a5")
	if _, err := r.nc.RequestMsg(&nats.Msg{Subject: "svc.providers.balancesteam.check_login", Data: []byte(`{"login":"canary-login"}`), Header: h}, patience); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct{ trace, name, below, fails string }{
		{topups, "prepare", "commands place", ""},
		{topups, "place", "commands place", ""},
		{lost, "place", "commands place", "ambiguous"},
		{lost, "witness", "commands place", ""},
		{deposits, "lookup", "commands check", ""},
		{exchanges, "cancel", "commands cancel", ""},
		{questions, "ask", "", ""},
	} {
		r.await("a span "+c.name, func() bool { return len(s.of(c.trace, c.name)) > 0 })
		if c.below != "" {
			r.await("a span "+c.below, func() bool { return len(s.of(c.trace, c.below)) > 0 })
		}
		span := s.of(c.trace, c.name)[0]
		if span.GetKind() != traces.Span_SPAN_KIND_CLIENT || span.GetStatus().GetMessage() != c.fails {
			t.Errorf("%s: %s, %q", c.name, span.GetKind(), span.GetStatus().GetMessage())
		}
		if c.below != "" && !within(span, s.of(c.trace, c.below)) {
			t.Errorf("%s is not below %s", c.name, c.below)
		}
	}
}

// within reports whether a span was begun in one of the others.
func within(span *traces.Span, others []*traces.Span) bool {
	for _, o := range others {
		if string(o.GetSpanId()) == string(span.GetParentSpanId()) {
			return true
		}
	}
	return false
}
