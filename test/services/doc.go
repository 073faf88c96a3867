// Package services holds the tests of the NATS micro services from outside: the
// real dispatcher and the real workers, a real NATS server, the shops' fakes,
// and a plain NATS client that asks as anybody may.
//
// It has no code of its own, and nobody imports it.
package services
