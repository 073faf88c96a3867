// Package upstream speaks to Beltline as any upstream system would: it
// publishes requests for one tenant, follows events and dead letters, and asks
// the service "orders".
//
// It promises that a request counts as sent only when the server has stored it,
// that a feed begins exactly where it was told to and goes on after the
// connection was lost, and that an error says what to do about it;
// that a question which NATS does not allow is told from one that nobody
// answers, and one that nobody has got from one whose fate is not known.
//
// What it does for a tenant takes no more than an upstream account's rights; Ask
// and OperatorHistory ask whatever service the account may. It never decides about
// an order. Only the packages of cmd/beltline may import it.
package upstream
