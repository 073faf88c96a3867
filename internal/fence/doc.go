// Package fence stops all buying when the ledger is not the one that is
// remembered: rolled back to an older copy, made anew, or ignorant of an order
// that a provider knows. Such a ledger asks for purchases that were made before,
// and no compare-and-set on it can tell.
//
// It promises:
//
//   - Nothing is sent under an intent whose place in the ledger is not after
//     everything that this process saw acknowledged there, and nothing after a
//     connection was lost until the ledger was compared anew.
//   - What one process finds, all are told, by the key fence.events in the bucket.
//     It stays so over restarts, until a person clears it with a name and a reason.
//   - What waited in the ledger when that person cleared it is held, whatever is
//     noted of it afterwards, unless the person says that nothing of it was bought.
//   - A question costs no request. The ledger is looked at about once a second,
//     by each process, whatever the number of orders.
//   - A leader that has not caught up, a restart, an order that was erased, and a
//     bucket that was lost while the ledger is whole, stop nobody for longer than
//     it takes to look again.
//
// It never writes to the ledger, and never stops checks, lookups and outcomes:
// what was bought must still be recorded. What nobody remembers it cannot see:
// the ledger, the bucket and all processes that knew better, lost at once.
//
// Programs and `beltline doctor` import it; workers and dispatchers know it by an
// interface.
package fence
