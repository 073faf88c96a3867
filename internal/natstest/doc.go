// Package natstest gives a test its own nats-server: the real one, in this
// process, with JetStream on files below the test's temporary directory.
//
// It promises that [Start] and [StartCluster] return only when the server or
// the cluster takes requests, that connections and servers are closed when the
// test ends, and that a restart keeps the store, and the port where there is
// one. Payloads are limited to 256 KB, the least the contract asks of a
// production server, so that a test finds what would not fit there.
//
// It never mocks anything, never skips, and needs no network beyond the
// loopback interface. Only tests may import it: it links the whole server.
package natstest
