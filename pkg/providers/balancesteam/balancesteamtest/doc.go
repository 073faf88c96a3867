// Package balancesteamtest is a BalanceSteam of our own: a server with its own
// balance and books, for tests, for the demo, and as a process.
//
// It promises to be as strict as the document, and stricter where a client
// could hide a mistake: POST and forms with their content type only, every
// field known, present and given once, amounts as plain decimals. It writes its
// JSON by hand and shares no type with the client, so that the two cannot be
// wrong together. As the provider does, it takes no key: every create that is
// good buys, and only the login or address tells whose purchase it was.
//
// It cannot tell how the real server behaves where the document is silent: the
// HTTP status of errors (200 here, [WithErrorStatus] changes it), the texts of
// refusals other than the two documented, what a top-up debits beyond its
// amount ([WithFee]), the least amount. Each of these is an option or simply
// not promised.
//
// Tests and programs that run a demonstration may import it; nothing that buys.
package balancesteamtest
