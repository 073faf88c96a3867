// Package ledger is the only writer of events. The stream EVENTS is at once
// the state of every order, its history and the feed that upstream reads; this
// package appends to it by compare-and-set and reads it back.
//
// It promises:
//
//   - Of all appends that follow the same event of an order, at most one is
//     stored, whatever fails in between: server, leader, connection, process.
//   - An error of [Ledger.Append] never calls "unknown" "not stored". Only
//     [ErrConflict], [ErrNoRoom] and [ErrInvalid] say that nothing was written
//     and nothing will be; [ErrUnknown] says that it may be, even later.
//   - [Ledger.Last] and [Ledger.History] ask the leader of the stream, because
//     a follower may be behind. [Ledger.At] may ask anybody, because an event
//     never changes.
//   - The last fifth of the stream is kept for outcomes: orders and intents are
//     refused before the stream is full, so that what was bought can be recorded.
//
// Two rules make the compare-and-set airtight on a replicated stream, and both
// hold only if nobody else writes to EVENTS: every write is such a
// compare-and-set, and all of an order's name exactly the same filter,
// messages.OrderEvents.
//
// It never decides what may happen to an order (internal/order does), never
// changes or deletes an event, and never creates the stream. Dispatcher, worker
// and operator service import it; providers and pkg/ never do.
package ledger
