package telemetry

import (
	"context"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/beltline-io/beltline/internal/logkey"
)

// scope names us as the maker of spans.
const scope = "github.com/beltline-io/beltline"

// The names of attributes, as OpenTelemetry's conventions for messaging and
// HTTP have them, and our own.
const (
	keySystem      = attribute.Key("messaging.system")
	keyOperation   = attribute.Key("messaging.operation.type")
	keyDestination = attribute.Key("messaging.destination.name")
	keyTenant      = attribute.Key("beltline.tenant")
	keyOrder       = attribute.Key("beltline.order_id")
	keyProvider    = attribute.Key("beltline.provider")
	keyEvent       = attribute.Key("beltline.event")
	keyClass       = attribute.Key("error.type")
)

// Span is a piece of work. The zero value is none.
type Span struct{ span trace.Span }

// About says what a span is about.
type About struct {
	// Destination is the stream or the subject pattern that it came on; never a
	// subject with names in it, of which there are too many.
	Destination               string
	Tenant, OrderID, Provider string
}

func (a About) attributes(operation string) []attribute.KeyValue {
	all := []attribute.KeyValue{keySystem.String("nats"), keyOperation.String(operation), keyDestination.String(a.Destination)}
	for _, kv := range []attribute.KeyValue{keyTenant.String(a.Tenant), keyOrder.String(a.OrderID), keyProvider.String(a.Provider)} {
		if kv.Value.AsString() != "" {
			all = append(all, kv)
		}
	}
	return all
}

// Process begins the work on a message of an order. It goes on in the order's
// trace, and is linked to whoever sent the message, which may have been days
// after the order, or before.
func Process(ctx context.Context, name string, about About, of, sender Header) (context.Context, Span) {
	if len(of) == 0 {
		of, sender = sender, nil
	}
	ctx = Extract(ctx, of)
	opts := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(about.attributes("process")...)}
	for _, h := range []Header{of, sender} {
		if from := trace.SpanContextFromContext(Extract(context.Background(), h)); from.IsValid() {
			opts = append(opts, trace.WithLinks(trace.Link{SpanContext: from}))
		}
	}
	ctx, span := otel.Tracer(scope).Start(ctx, name, opts...)
	return ctx, Span{span}
}

// Serve begins the answer to a question.
func Serve(ctx context.Context, name string, h Header) (context.Context, Span) {
	ctx, span := otel.Tracer(scope).Start(Extract(ctx, h), name,
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(About{Destination: name}.attributes("process")...))
	return ctx, Span{span}
}

// Call begins a request to a provider. Its trace stays with us: the provider is
// not told of it.
func Call(ctx context.Context, operation, provider string) (context.Context, Span) {
	ctx, span := otel.Tracer(scope).Start(ctx, operation,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(keyProvider.String(provider)))
	return ctx, Span{span}
}

// Wrote says that an event was written.
func (s Span) Wrote(event string) {
	if s.span != nil {
		s.span.AddEvent("wrote", trace.WithAttributes(keyEvent.String(event)))
	}
}

// Failed says that the work failed, by a word of ours: texts of errors may hold
// what does not belong into a trace.
func (s Span) Failed(class string) {
	if s.span != nil {
		s.span.SetStatus(codes.Error, class)
		s.span.SetAttributes(keyClass.String(class))
	}
}

// End ends the work.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// Logger adds the trace of ctx to what a logger says, if there is one.
func Logger(ctx context.Context, log zerolog.Logger) zerolog.Logger {
	if c := trace.SpanContextFromContext(ctx); c.IsValid() {
		return log.With().Str(logkey.TraceID, c.TraceID().String()).Logger()
	}
	return log
}
