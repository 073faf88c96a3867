// Package query is the NATS micro service of a provider,
// "provider-<provider>": upstream and operators ask the provider what its
// document lets them ask, through our credentials and within our rate limit.
//
// It promises that a question takes its permit from the limit that all replicas
// share, and waits for it a short while only: then it is refused with how long
// to wait; that nothing is asked while the provider's lane is closed; that equal
// questions asked at the same time are one request, and an answer is told again
// only for as long as the provider's document says it is good; that questions
// are decoded as strictly as orders; and that neither our credentials nor our
// balance is in any error.
//
// It never buys, never writes an event, and never closes a lane for what a
// question met with, but for the provider's own "too many".
//
// The programs of the workers serve it, and nobody else imports it.
package query
