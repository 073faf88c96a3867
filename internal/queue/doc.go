// Package queue puts commands, timers and dead letters on their streams. It is
// the only publisher to COMMANDS and DLQ.
//
// It promises that a call which returns nil has been stored, and that a call
// which does not is worth repeating: every message may be published twice,
// because a command only points at an event and the worker does what the
// order's state needs. So it tries again through time-outs and leader changes
// until its context ends.
//
// It never sets a message id on a command: ids are remembered for a while, and
// a command that looks like an old one would be taken and not stored. It never
// puts a token into a subject that does not match the contract.
//
// # What a timer is worth
//
// A timer fires once, never early by the server's clock, and late by little.
// Measured on nats-server 2.15.2, one node and three: the time counts to the
// nanosecond, but the server looks at its timers at most every 250 ms. So a
// timer that is due sooner than that fires 250 ms after it was set, one that is
// due later fires within some milliseconds of its time, and one that falls
// shortly after another one fired is up to 250 ms late. (WithScheduleAt of
// nats.go cuts the time to whole seconds, which makes timers early; it is not
// used.) Retry times below 250 ms work, but take 250 ms.
//
// A firing timer removes whatever stands on its subject. A new timer that is
// set at that very instant can be removed with it; the fired command then
// stands in the queue behind it. Hence the rule of the workers: no command is
// acknowledged without a successor, whatever timers were set before.
//
// internal/dispatcher, internal/worker and internal/webhook may import it, and
// cmd/beltline, which sends dead letters back.
package queue
