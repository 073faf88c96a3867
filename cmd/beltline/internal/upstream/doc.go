// Package upstream connects the command line to Beltline: by the settings of the
// programs, as a tenant, whose work pkg/client does, and as an operator.
//
// It promises that an error says what to do about it; and of an operator's
// question, which may change something, that it is asked once, that one which
// NATS does not allow is told from one that nobody answers, and one that nobody
// has got from one whose fate is not known.
//
// What it does for a tenant takes no more than an upstream account's rights. It
// never decides about an order. Only the packages of cmd/beltline may import it.
package upstream
