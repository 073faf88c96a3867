// Package providertest proves that a provider adapter keeps the promises of
// the port, and holds what fake providers are built from.
//
// [Run] is the conformance suite. Every adapter passes it against its own fake
// server. It judges by the books of the fake ([Book]), never by what the
// adapter says of itself.
//
// A fake provider is a stateful HTTP handler in the folder <name>test of its
// adapter. It writes wire JSON by hand, never with the adapter's types, and
// wraps its handler in a [Door], which plays the faults of [Faults] and writes
// down what came in and what went out. The fake itself writes down what it
// executed, with [Door.Commit].
//
// A fake cannot tell how the real provider behaves where the documents are
// silent; it is the strictest reading of them. Only tests, the demonstration
// and the fakes import this package; a worker never does.
package providertest
