// Package groupcommit stores the messages of many goroutines in one stream,
// together where that is faster.
//
// A server with sync_interval: always syncs each message by itself, but a
// batch once, however many messages it has. A batch costs some milliseconds
// before its first message, so one or two messages are better off alone.
// Measured with nats-server 2.15.2 on a disk with 3,200 syncs a second: 32
// writers store 3,900 messages a second each by itself and 5,800 together, 128
// writers 3,000 and 12,000; with default sync no batch is ever worth it. So
// the [Committer] watches what the server takes for either, and decides by
// that alone: nobody has to tell it how the server is configured.
//
// It promises that each message gets an answer of its own: where a batch is
// refused, which happens to all of it when a single member loses its race, its
// members are sent again one by one, and only the loser loses. It never says
// that a message is not stored unless that is certain.
//
// A message that is a schedule must never be sent through it: the message that
// it becomes would bear the headers of a batch, and the server would wait for
// the rest of it.
//
// internal/ledger, internal/queue and internal/ratelimit import it.
package groupcommit
