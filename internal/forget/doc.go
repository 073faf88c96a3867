// Package forget takes finished orders out of the ledger for good, so that what
// customers told about themselves does not stay for ever.
//
// It promises:
//
//   - An order that is forgotten was exported before: the file is on the disk
//     before the first event of the order is touched.
//   - At any moment each order is either whole or forgotten. Forgotten it is
//     from the instant in which its tombstone is stored, by compare-and-set on
//     the very event that was exported; an order that has moved stays whole.
//   - The tombstone holds the id, the state, the cost and a salted digest of
//     the content, so that the id stays used and the same order is recognised.
//   - Whatever ends it half-way, the next run erases what is left behind
//     tombstones, and counts each erased event once (package fence would take
//     an event that is gone and was not counted for lost).
//   - One run at a time: the key lease.forget in the bucket.
//
// It never touches an order that has not ended, needs an operator or is watched,
// never erases the tombstone, and never writes to the ledger but through package
// ledger. Only `beltline forget` and tests may import it.
package forget
