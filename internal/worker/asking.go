package worker

import (
	"context"

	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/providers"
)

// asking begins a request to the provider as a span of the order's trace, named
// after what is asked. told ends it; it says by our own word how the request
// failed, because texts of errors may hold what does not belong into a trace.
func (t *task) asking(ctx context.Context, what string) (_ context.Context, told func(error)) {
	ctx, span := telemetry.Call(ctx, what, string(t.o.Provider))
	return ctx, func(err error) {
		if err != nil {
			span.Failed(providers.AsError(err).Class.String())
		}
		span.End()
	}
}

// answering is asking for what is also counted as a step. What is counted is
// what the span tells, so that neither knows of a request without the other.
func (t *task) answering(ctx context.Context, s step, what string) (_ context.Context, told func(error)) {
	ctx, end := t.asking(ctx, what)
	return ctx, func(err error) {
		t.metrics.answered(s, err)
		end(err)
	}
}
