// Package hooks shows that nobody can lead an order astray through the door for
// callbacks: in whatever order, how often, how early or late the provider's
// notifications come, the order ends as the provider's own books have it, and
// what is forged writes nothing and asks nothing.
//
// The programs are the real ones, beside a real nats-server, with several
// replicas of the worker behind one balancer; providers are the fakes, whose
// books are the truth. Events are read as bytes, as upstream does.
//
// Each permutation is an order of its own, and all of them share one pipeline.
// Timers are set to an hour where a test is about notifications: a hint that
// had no effect is then seen as an order that stands still.
//
// It holds tests only; nothing imports it.
package hooks
