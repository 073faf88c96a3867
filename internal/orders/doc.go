// Package orders answers upstream's questions about its orders, as the NATS
// micro service "orders": what an order's last event is, and its whole history.
//
// It promises that an answer comes from the leader of the ledger, so that an
// event whose arrival upstream has seen is never missing; that every replica
// may answer (one does); and that the tenant is taken from the subject, where
// permissions can see it, and from nowhere else.
//
// It never changes anything, and never answers a question it does not
// understand completely: unknown fields are refused, as in orders.
//
// The dispatcher serves it. Only the dispatcher imports it.
package orders
