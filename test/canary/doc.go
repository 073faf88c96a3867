// Package canary holds the test that looks for what must not be told. Nobody
// imports it.
//
// The whole pipeline runs on one server against the four fakes, with faults that
// make the shops echo our requests. Every credential, goods code, address to pay
// at and address of a customer is one of a kind. Afterwards everything that was
// left behind is read: all messages of all streams with their headers, the
// bucket, all logs, the metrics pages, the traces, the answers of all services, and the raw
// bytes of the server's store.
//
// It promises to read each of these places or to fail, and that its judge finds
// a leak that is planted in any of them.
package canary
