// Package telemetry carries traces through the pipeline: the traceparent of an
// order's submission goes into its first event, and from each event into the
// next, so that upstream finds its own trace in the result days later.
//
// It promises that what came in is passed on even where nothing is traced here:
// without an exporter (package export) every span is empty, costs next to
// nothing, and hands on the trace that it was begun in. The headers are
// lower-case, as W3C writes them and NATS compares them.
//
// It never decides anything, never fails, and puts no customer's data, no
// deliverable, no URL and no credential into a span.
//
// Whoever handles an order or a question imports it.
package telemetry
