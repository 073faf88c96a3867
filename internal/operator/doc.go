// Package operator is the NATS micro service "operator": it shows the orders of
// all tenants, takes an operator's decision about an order that nobody can look
// up, and pauses and resumes the lanes of providers.
//
// It promises that a decision is written only if it rests on the order's last
// event, by the same compare-and-set as every other event; that no decision
// which rules a purchase out is taken before the hold-down is over, because a
// paused worker may still wake up and send; that each decision bears who made it
// and on what evidence; and that a dry run writes nothing and shows exactly the
// event that would be written. A decision whose fate is not known is said to be
// so.
//
// It never decides what may happen to an order (internal/order does), never
// calls a provider, and never lets a request name more than it says: unknown
// fields are refused.
//
// The dispatcher serves it, and nobody else imports it.
package operator
