// Package client buys digital goods through Beltline from a Go program.
//
// A program opens one [Client] for its tenant and keeps it:
//
//	c, err := client.Connect(client.Options{URL: "nats://127.0.0.1:4222", Tenant: "acme"})
//
// It sends an order with [Client.Submit] and learns what becomes of it from
// events: with [Client.Wait] for one order, with [Client.Watch] for all of them.
// [Client.Cancel] and [Client.Confirm] say what the customer has decided.
// [Client.Get], [Client.History] and [Client.Orders] look orders up, and
// [Client.FindOffer], [Client.GiftCardPrice] and their like ask a provider before
// anything is bought.
//
// # What to know
//
// An order is (tenant, id), for ever. To submit the same order again is always
// safe and never buys twice, so take the id from your own books, store it with
// the order before you submit, and submit again whenever you are not sure.
//
// Stored is not accepted: an order that was submitted may still be rejected,
// which its first event says.
//
// Unknown is not failed. An order in the state unresolved may have been bought:
// do not buy it elsewhere before it has ended otherwise. In the same way
// [ErrFateUnknown] is not [ErrNotStored].
//
// After succeeded there is one more state, reversed: the provider took it back.
// Watch tells it; Wait has returned by then.
//
// # Following all orders
//
// Keep the Seq of the last event that you have dealt with, in the same
// transaction as what you did about it, and begin the next watch there:
//
//	for e, err := range c.Watch(ctx, client.Filter{After: place}) {
//		if err != nil {
//			return err
//		}
//		// deal with e, and store e.Seq
//	}
//
// # What it promises
//
// An order counts as sent only when the server has stored it. A watch leaves
// nothing out and tells nothing twice, across lost connections, restarted
// servers and, with the place that you keep, restarted programs. Every call ends
// with its context. An error says whether it is certain.
//
// # What it needs
//
// An account needs permission for its own subjects only; docs/upstream.md of the
// repository has the lines for the server's configuration. The client never
// decides about an order, never writes to the ledger, and logs nothing.
//
// It is the one package of pkg/ that imports NATS. Every program may import it;
// of Beltline's own packages only commands do.
package client
