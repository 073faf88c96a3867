// Package check judges a run of the whole pipeline from what it left behind:
// the dumped streams, the books of the fake shops, what was done to which
// process, and everything that the processes printed.
//
// It promises to be a judge apart from what it judges. It reads events with a
// decoder of its own, knows the allowed ways of an order from the contract's
// text and not from internal/order, and believes the shops' books alone about
// what was bought. Whose a purchase is it learns from the customer's account,
// never from our reference: a lost reference must not hide a second purchase.
// Each invariant has a test with a history that breaks it, so that a check that
// sees nothing is found.
//
// It decides nothing at run time, opens no connection and writes no file. The
// rig in test/crash and its tests import it; what runs in production never does.
package check
