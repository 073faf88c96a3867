// Package gamesdroptest is a GamesDrop of our own: a server that keeps its own
// books, for tests, for the demo, and as a process.
//
// It promises to be as strict as the document, and stricter where a client
// could hide a mistake: JSON with its content type only, offerId a number (a
// string for Stars), price a number, the token bare, no unknown field. It
// writes its JSON by hand and shares no type with the client, so that the two
// cannot be wrong together. What a purchase was for it learns from the
// customer's e-mail and player id, not from our transactionId: a lost key could
// otherwise hide a second purchase.
//
// It cannot tell how the real server behaves where the document is silent: the
// HTTP status and the shape of errors, whether price or duplicate is checked
// first, whether a refused attempt uses up its transactionId, whether CANCELED
// gives the money back. Each of these is an option, and the client is tested
// under all of them.
//
// Tests and programs that run a demonstration may import it; nothing that buys.
package gamesdroptest
