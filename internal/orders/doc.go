// Package orders answers questions about orders from the ledger: an order's
// last event, its whole history, and lists; for a tenant as the NATS micro
// service "orders", and for all tenants through its [Reader], which the
// operator's service uses.
//
// It promises that what is answered of an order comes from the ledger, so that
// an event whose arrival upstream has seen is never missing; that a list costs
// the events that it shows, however many orders there are; that every replica
// may answer (one does); and that the tenant of the service "orders" is taken
// from the subject, where permissions can see it, and from nowhere else.
//
// For lists each replica keeps a row for each order, made from the subjects of
// the events: about 60 bytes, with what finds it, and none of them a pointer, so
// that the garbage collector passes over them. It says where to look; what is shown is
// read from the ledger. A list of a rare state costs little however many orders
// there are: rows lie in chunks, and each chunk knows how many of a state it has.
//
// It never changes anything, and never answers a question it does not
// understand completely: unknown fields are refused, as in orders.
//
// The dispatcher serves it. The dispatcher and the operator's service import it.
package orders
