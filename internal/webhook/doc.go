// Package webhook is the door through which providers call back.
//
// A callback is a hint and never a fact: it makes a worker look the order up,
// and the lookup decides. So the door reads the order's last event, stores a
// check command that points at it, and answers.
//
// # What it promises
//
// "200" means stored: the command, or the dead letter, stands in its stream
// before the answer is written. Whatever cannot be stored is answered with 503,
// so that the provider sends it again. A callback that fits no order is kept in
// dlq.hooks.<provider> and answered as any other: the answer tells nobody which
// orders exist.
//
// Nobody gets past the path without the token of that very order, an HMAC over
// provider, tenant and order id. A wrong token looks the same as a path that
// does not exist. Behind it stands the provider's own signature, where there is
// one. Several keys are accepted, so that one can be replaced while callbacks
// to addresses made with the other are still to come.
//
// Where a callback bears the time at which it was sent, one of more than five
// minutes ago is refused, and so is one that tells of the future. An old one
// without such a time is taken: it makes a worker ask, which does no harm.
//
// It is bounded in everything: connections, headers, bodies, time, requests of
// one peer and for one order, and what it remembers of them. A flood without a
// valid token does not use up what is kept for callbacks with one, even when
// all of them come through the same proxy.
//
// # What it never does
//
// It never writes an event: it is given no way to. It never logs a body, a
// token or what a signature was refused for. It never believes
// X-Forwarded-For. It stores nothing of a body but the fields that the
// provider's verifier names, cut short; a dead letter alone keeps the body as
// it came, as every dead letter does.
//
// It speaks plain HTTP; TLS ends at the proxy in front of it.
//
// internal/programs may import it.
package webhook
