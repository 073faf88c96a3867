// Package skinsbacktest is a SkinsBack of our own: a server that keeps its own
// books of deposits, for tests, for the demo, and as a process.
//
// It promises to be as strict as the document, and stricter where a client
// could hide a mistake: POST and forms with their content type only, every
// field known and given once, credentials of one kind and to the letter, a
// signature over exactly what was sent, numbers as plain decimals. It writes
// its JSON by hand, signs by its own code and shares no type with the client,
// so that the two cannot be wrong together. Whose deposit it is it learns from
// the Steam id, not from our order_id. What a customer would do is a command
// ([Shop.Pay], [Shop.Fail]) or a matter of time ([WithLife]).
//
// It cannot tell how the real server behaves where the document is silent: the
// HTTP status of errors (200 here, [WithErrorStatus] changes it), whether
// numbers come as strings ([WithStrings]), the code for a bad trade_token (6
// here, a gap in the document), the form of a webhook ([Form] or [JSON]) and
// whether a lost one is sent again (not here, unless a test does it). A field
// that is not known is HTTP 400 with a page: the real server would ignore it.
//
// Tests and programs that run a demonstration may import it; nothing that
// trades.
package skinsbacktest
