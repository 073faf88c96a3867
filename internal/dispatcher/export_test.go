package dispatcher

import (
	"context"
	"time"
)

// Hurry shortens the waits that are seconds in production.
func (d *Dispatcher) Hurry() {
	d.pace = pace{
		placing: 20 * time.Millisecond, doubt: 20 * time.Millisecond, trouble: 20 * time.Millisecond, room: 50 * time.Millisecond,
		unknown: 20 * time.Millisecond, pressure: 20 * time.Millisecond,
	}
}

// Decide handles a message as if it had been delivered, and reports whether it
// would be acknowledged.
func (d *Dispatcher) Decide(ctx context.Context, subject string, body []byte, seq uint64) bool {
	return d.decide(ctx, request{subject: subject, body: body, seq: seq, sent: d.o.Now(), deliveries: 1}).ack
}

// Leading reports whether this replica sweeps.
func (d *Dispatcher) Leading() bool { return d.sweeper.Leading() }
