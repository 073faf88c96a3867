// Package worker fulfils the orders of one provider. It is the one place where
// a permit, an intent, an HTTP call and an outcome meet, in that order:
//
//	command ▸ event it points at ▸ checks, quote ▸ permit ▸ placing (CAS) ▸ HTTP ▸ outcome (CAS) ▸ successor ▸ ack
//
// It promises that nothing is sent without an intent that this very call has
// written, that an outcome is recorded before its command is acknowledged, and
// that no unfinished order is acknowledged without a successor in the queue.
// The verb of a command is a hint: the worker does what the order's state needs.
// Of payouts to one target, which bear no key of ours, at most one is in doubt at
// a time (payout.go).
//
// It never decides what may happen to an order (internal/order does), never
// speaks a provider's language (pkg/providers/<name> does), and never trusts a
// delivery count or an acknowledgement to tell whether a provider was called.
//
// Only programs import it.
package worker
