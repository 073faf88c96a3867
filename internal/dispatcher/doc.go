// Package dispatcher takes what upstream puts on ORDERS, decides whether it is
// an order, writes that decision into the ledger and hands the order to its
// provider's worker.
//
// It promises:
//
//   - Nothing is acknowledged before its successor is stored: the command for
//     an accepted order, the event for a refused one, the dead letter for what
//     is neither. An error of ours leaves the message where it is.
//   - An order is accepted at most once, for ever: identity is decided by the
//     ledger's compare-and-set, never by a Msg-Id or a delivery count.
//   - The same content again has no effect; other content under a used id
//     changes nothing and becomes a dead letter.
//   - Nobody is told that an order was not bought while the ledger is in doubt:
//     requests for what waits are kept until it is believed again, and a worker has
//     said what is to become of what may have been bought.
//   - When the workers or the ledger cannot take more, it stops taking orders,
//     so that the pressure reaches upstream. Cancels and confirmations go on.
//   - Every unfinished order with nothing in the queue is found and driven
//     again (package sweep); nothing depends on a message surviving.
//
// It never calls a provider, never decides what may happen to an order
// (internal/order does), and never drops a message that it could not handle.
// A handler that panics is logged and its message left alone, to come back.
//
// Only programs import it.
package dispatcher
