// Package doctor looks at a running Beltline from outside and says what is
// wrong with it: the server, the streams and consumers, the ledger and its
// fence, the orders that wait, the lanes, the workers, our accounts at the
// providers and the doors for their callbacks.
//
// It promises that each [Finding] says what was found, what it means for orders
// and what to do about it; that what could not be asked is said to be unknown
// and never to be well; and that it changes nothing: it reads streams, asks the
// services what they answer to anybody, puts one harmless question to each
// provider within its rate limit, and sends a callback that no door accepts.
//
// It never shows a credential, a goods code or what is in an order.
//
// Only cmd/beltline imports it.
package doctor
