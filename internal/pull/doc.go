// Package pull reads a durable consumer into handlers: so many at once, as many
// again waiting for their turn, and everything that was delivered in sight.
//
// It promises:
//
//   - Never more is asked of the server than there is room for, and nothing that
//     comes is dropped, whatever was asked twice because a connection broke. A
//     message that this process had and lost would return only after its ack wait.
//   - What was delivered is in hand: the server is told so from time to time
//     until it is handled or given back, however long it waits for its turn.
//   - When reading ends, what was not begun is given back at once.
//   - Nothing is asked while there is no connection; after a reconnect, and when
//     the server has gone silent, everything is asked for anew.
//   - No message from outside is taken for a word of the server.
//
// The client's own iterator holds as many messages as one request asks for, and
// after a reconnect it has asked for more: the rest was dropped.
//
// It never decides what becomes of a message (its handler does), and correctness
// never rests on it: a message may be delivered again at any time.
//
// The dispatcher and the worker import it.
package pull
