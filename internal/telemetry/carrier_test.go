package telemetry_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/telemetry"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestExtract_WhatCameInGoesOutAsItWas(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]telemetry.Header{
		"as W3C writes it":                       {"traceparent": {parent}, "tracestate": {"a=1,b=2"}},
		"as a client with the library's carrier": {"Traceparent": {parent}, "Tracestate": {"a=1,b=2"}},
	} {
		out := telemetry.Header{"Content-Type": {"application/json"}}
		telemetry.Inject(telemetry.Extract(t.Context(), in), out)
		want := telemetry.Header{"Content-Type": {"application/json"}, "traceparent": {parent}, "tracestate": {"a=1,b=2"}}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		delete(want, "Content-Type")
		if diff := cmp.Diff(want, telemetry.Only(in)); diff != "" {
			t.Errorf("%s: only the trace (-want +got):\n%s", name, diff)
		}
	}
}

func TestExtract_WhatIsNoTraceIsNotPassedOn(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]telemetry.Header{
		"none":             nil,
		"other headers":    {"Nats-Msg-Id": {"1"}},
		"garbage":          {"traceparent": {"00-abc"}},
		"no trace at all":  {"traceparent": {"00-00000000000000000000000000000000-00f067aa0ba902b7-01"}},
		"another line":     {"traceparent": {parent + "\r\nNats-Rollup: all"}},
		"far too long":     {"traceparent": {parent + strings.Repeat("-0", 100)}},
		"only a state":     {"tracestate": {"a=1"}},
		"a version beyond": {"traceparent": {"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}},
	} {
		out := telemetry.Header{}
		telemetry.Inject(telemetry.Extract(t.Context(), in), out)
		if len(out) != 0 {
			t.Errorf("%s: %v", name, out)
		}
	}
	long := telemetry.Header{"traceparent": {parent}, "tracestate": {"a=" + strings.Repeat("x", 1000)}}
	if got := telemetry.Only(long); len(got) != 1 {
		t.Errorf("a state that is too long: %v", got)
	}
}

func TestProcess_WithoutAnExporterTheTraceOfTheOrderGoesOn(t *testing.T) {
	t.Parallel()
	other := telemetry.Header{"traceparent": {"00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01"}}
	for name, c := range map[string]struct{ of, sender, want telemetry.Header }{
		"of an order":      {telemetry.Header{"traceparent": {parent}}, other, telemetry.Header{"traceparent": {parent}}},
		"of a submission":  {nil, other, other},
		"of neither":       {nil, nil, telemetry.Header{}},
		"of an order only": {other, nil, other},
	} {
		ctx, span := telemetry.Process(context.Background(), "work", telemetry.About{Destination: "COMMANDS"}, c.of, c.sender)
		out := telemetry.Header{}
		telemetry.Inject(ctx, out)
		span.Wrote("accepted")
		span.Failed("ambiguous")
		span.End()
		if diff := cmp.Diff(c.want, out); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
