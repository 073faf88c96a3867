// Package e2e runs Beltline as it runs in production, and judges it from
// outside: the real programs as child processes beside a real nats-server, fake
// providers with books of their own, and an upstream that knows nothing but the
// contract's text. Orders are bytes, events are maps; nothing here decodes a
// message with the project's own types, so that a wire that two of our packages
// get wrong together is still found.
//
// What was bought is told by the fakes' books, never by our events or logs.
// Around the pipeline lives a world of its own: customers who pay where an event
// told them to, staff who release, return and cancel, and a front that loses,
// doubles and falsifies callbacks on their way to one of two replicas.
//
// It holds tests only. E2E_SEED repeats the orders and faults of a run, and
// E2E_ORDERS sets how many orders it takes; the timing of real processes is not
// repeated.
package e2e
