// Package exchangertest is an exchanger of our own: a server that behaves like
// the Premium Exchanger script's user API and keeps its own books, for tests,
// for the demo, and as a process.
//
// It promises to be as strict as the manual and as awkward as the script: forms
// only (any other body counts as no parameters at all), errors as integers for
// some methods and as strings for others, HTTP 200 for all of them, [] or ""
// where there is no data, markup in texts, an api_id filter that looks at the
// wrong column, api_ids that are compared only if they are numbers, and one
// callback without a signature. Where a client could hide a mistake it is
// stricter: an unknown or repeated parameter answers HTTP 400. It writes its
// JSON by hand and shares no type with the client, so that the two cannot be
// wrong together. Whose a bid is it learns from the accounts and the e-mail, not
// from our api_id: a lost key could otherwise hide a second bid.
//
// It cannot tell what the manual leaves open: the texts of the site's own
// refusals, what plugins change, when a rate moves, what add_partner_payout
// refuses. Tests and programs that run a demonstration may import it; nothing
// that buys.
package exchangertest
