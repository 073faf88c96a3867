package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
)

// The headers of W3C Trace Context.
const (
	HeaderParent = "traceparent"
	HeaderState  = "tracestate"
)

// A caller may put any text into these headers, and each event of its order
// repeats it. Longer ones are not passed on.
const (
	longestParent = 128
	longestState  = 512 // what W3C asks everybody to pass on at least
)

var format = propagation.TraceContext{}

// Header is the headers of a NATS message, whose names are case-sensitive.
type Header = map[string][]string

// carrier is headers of NATS as a propagator sees them. The library's own
// carrier for headers writes "Traceparent", which no NATS client finds under
// "traceparent": headers of NATS are case-sensitive.
type carrier Header

// Get returns the value of a key, which clients with the library's carrier
// have written with a capital.
func (c carrier) Get(key string) string {
	most := longestState
	other := "Tracestate"
	if key == HeaderParent {
		most, other = longestParent, "Traceparent"
	}
	for _, k := range []string{key, other} {
		if v := c[k]; len(v) > 0 && v[0] != "" && len(v[0]) <= most {
			return v[0]
		}
	}
	return ""
}

// Set writes a key.
func (c carrier) Set(key, value string) { c[key] = []string{value} }

// Keys lists the keys.
func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}

// Extract returns ctx within the trace that the headers tell of; ctx itself
// where they tell of none.
func Extract(ctx context.Context, h Header) context.Context {
	if len(h) == 0 {
		return ctx
	}
	return format.Extract(ctx, carrier(h))
}

// Inject writes the trace of ctx into headers, if there is one.
func Inject(ctx context.Context, h Header) { format.Inject(ctx, carrier(h)) }

// Only returns the headers of a trace alone, nil where there is none: what an
// event keeps of the message before it.
func Only(h Header) Header {
	if len(h) == 0 {
		return nil
	}
	c := carrier(h)
	parent := c.Get(HeaderParent)
	if parent == "" {
		return nil
	}
	kept := Header{HeaderParent: {parent}}
	if state := c.Get(HeaderState); state != "" {
		kept[HeaderState] = []string{state}
	}
	return kept
}
