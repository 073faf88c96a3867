// Package accounts holds the test of the accounts that deploy/nats ships: a
// nats-server in a process of its own with the shipped files, the real programs,
// and for every role all that it needs and all that it must not get.
//
// It promises that what is forbidden is made from the pinned server's own list
// of requests, so that a new one is noticed. It needs no network. Nobody
// imports it.
package accounts
