package failpoint

// Said begins the line that a process prints when a fault happens to it, before
// it happens.
const Said = "failpoint reached: "

// Role is who passes a point.
type Role string

// The roles.
const (
	Worker     Role = "worker"
	Dispatcher Role = "dispatcher"
	Sweeper    Role = "sweeper" // inside the dispatcher that leads
	Door       Role = "door"    // for callbacks, inside the worker
	Setup      Role = "setup"
	Operator   Role = "operator"
)

// Point is one moment, or one write with the moments before and after it.
type Point struct {
	Base string // "ledger.append"; the points are Base.before and Base.after
	// Moment: it is one moment and no write, so its name is Base itself.
	Moment bool
	Role   Role
	What   string // is written, or happens
	// Cases are the crash points of the catalogue of failures that this one
	// stands for, those of the moment before and those of the moment after.
	Before, After string
	// Details that HitOf is given here, where they matter.
	Details []string
	// Only is the one provider for which the point exists; empty for all.
	Only string
	// Rare: no ordinary order passes it; only a closed lane, a poisoned command or
	// a change of the configuration does.
	Rare bool
}

// Names of the points of p.
func (p Point) Names() []string {
	if p.Moment {
		return []string{p.Base}
	}
	return []string{p.Base + ".before", p.Base + ".after"}
}

// Points is the table of all points, in the order in which an order passes
// them. The catalogue's crash points are C01 to C25: C01 and C02 lie with the
// upstream, C09 and C10 are one here (after the intent nothing comes but the
// request), C15 and C16 are one (the outcome is the result), C19 and C20 are
// ledger.append of the worker's doubt and of the operator's decision, and C23 to
// C25 are ways to die at each of the others: the same point again, term, panic.
func Points() []Point {
	return []Point{
		{Base: "order.begin", Moment: true, Role: Dispatcher, What: "a message of ORDERS is taken up", Before: "C03"},
		{
			Base: "ledger.append", Role: Worker, What: "an event is appended by compare-and-set", Before: "C03 C06 C09 C13 C18 C19 C20", After: "C04 C10 C14 C15",
			Details: []string{"accepted", "rejected", "placing", "succeeded", "failed", "processing", "action_required", "unresolved", "retrying", "canceled"},
		},
		{Base: "queue.send", Role: Worker, What: "a command is stored", Before: "C03 C15", After: "C04 C16", Details: []string{"place", "check", "cancel", "confirm"}},
		{Base: "commit.batch", Role: Worker, What: "the messages of a batch leave, but for the last", Before: "C06 C13", After: "C06 C13", Rare: true},
		{Base: "commit.last", Role: Worker, What: "the last message of a batch commits it", Before: "C06 C13", After: "C10 C14", Rare: true},
		{Base: "order.ack", Role: Dispatcher, What: "a message of ORDERS is acknowledged", Before: "C04", After: "C05"},
		{Base: "order.nak", Role: Dispatcher, What: "a message of ORDERS is given back", Before: "C04", After: "C05", Rare: true},
		{Base: "queue.bury", Role: Dispatcher, What: "a dead letter is stored", Before: "C06", After: "C06", Rare: true},
		{Base: "command.begin", Moment: true, Role: Worker, What: "a command is taken up", Before: "C07"},
		{Base: "turn.mark", Role: Worker, What: "the bucket is marked as knowing all payouts in doubt", Before: "C07", After: "C07", Only: "exchanger", Rare: true},
		{Base: "turn.write", Role: Worker, What: "a payout takes the turn of its target", Before: "C07", After: "C08", Only: "exchanger"},
		{Base: "permit.publish", Role: Worker, What: "a permit is asked for", Before: "C07", After: "C08"},
		{Base: "turn.keep", Role: Worker, What: "a payout proves its turn after its intent", Before: "C10", After: "C10", Only: "exchanger"},
		{Base: "http.write", Role: Worker, What: "a request is written to its connection", Before: "C10", After: "C11 C12", Details: []string{"create", "read"}},
		{Base: "http.answer", Moment: true, Role: Worker, What: "an answer was read, or will not come", Before: "C13 C18", Details: []string{"create", "read"}},
		{Base: "queue.schedule", Role: Worker, What: "a timer is stored", Before: "C15", After: "C16"},
		{Base: "turn.drop", Role: Worker, What: "a turn is given up", Before: "C16", After: "C16", Only: "exchanger"},
		{Base: "command.ack", Role: Worker, What: "a command is acknowledged", Before: "C16", After: "C17"},
		{Base: "command.nak", Role: Worker, What: "a command is given back", Before: "C16", After: "C17", Rare: true},
		{Base: "lane.put", Role: Worker, What: "the lane is closed, probed or opened", Before: "C14", After: "C14", Rare: true},
		{Base: "lane.change", Role: Operator, What: "an operator pauses or resumes the lane", Before: "C20", After: "C20", Rare: true},
		{Base: "fence.save", Role: Worker, What: "what is remembered of the ledger is stored, or buying is stopped", Before: "C07", After: "C07", Rare: true},
		{Base: "fence.doubt", Role: Worker, What: "a process notes that it doubts the ledger", Before: "C07", After: "C07", Rare: true},
		{Base: "fence.withdraw", Role: Worker, What: "a process takes its doubt back", Before: "C07", After: "C07", Rare: true},
		{Base: "fence.remark", Role: Operator, What: "the ledger is taken as it is for the truth", Before: "C20", After: "C20", Rare: true},
		{Base: "forget.lease", Role: Operator, What: "a run that forgets orders takes or renews its lease", Before: "C20", After: "C20", Rare: true},
		{Base: "forget.announce", Role: Operator, What: "events that are to be erased are counted with EVENTS", Before: "C20", After: "C20", Rare: true},
		{Base: "forget.erase", Role: Operator, What: "an event of a forgotten order is erased", Before: "C20", After: "C20", Rare: true},
		{Base: "forget.purge", Role: Operator, What: "the events of a forgotten order are purged, where none can be erased", Before: "C20", After: "C20", Rare: true},
		{Base: "forget.release", Role: Operator, What: "a run that forgets orders gives its lease up", Before: "C20", After: "C20", Rare: true},
		{Base: "suspect.write", Role: Worker, What: "a death of a command is counted", Before: "C23", After: "C23", Rare: true},
		{Base: "suspect.clear", Role: Worker, What: "the deaths of an order are forgotten", Before: "C23", After: "C23", Rare: true},
		{Base: "hook.begin", Moment: true, Role: Door, What: "a callback was read and is about to be kept", Before: "C21"},
		{Base: "hook.kept", Moment: true, Role: Door, What: "a callback is kept and not answered yet", Before: "C22"},
		{Base: "sweep.take", Role: Sweeper, What: "the sweeper's lease is taken", Before: "C03", After: "C03", Rare: true},
		{Base: "sweep.renew", Role: Sweeper, What: "the sweeper's lease is renewed", Before: "C03", After: "C03", Rare: true},
		{Base: "sweep.release", Role: Sweeper, What: "the sweeper's lease is given up", Before: "C24", After: "C24", Rare: true},
		{Base: "sweep.part", Role: Sweeper, What: "a part of the sweeper's index is saved", Before: "C03", After: "C03", Rare: true},
		{Base: "sweep.pointer", Role: Sweeper, What: "the saved index becomes the one in use", Before: "C03", After: "C03", Rare: true},
		{Base: "setup.step", Role: Setup, What: "a stream, consumer or bucket is created or changed", Rare: true},
		{Base: "setup.namespace", Role: Setup, What: "the namespace is stored in the bucket", Rare: true},
		{Base: "setup.metadata", Role: Setup, What: "the namespace is stored with EVENTS", Rare: true},
		{Base: "setup.epoch", Role: Setup, What: "the epoch is stored with EVENTS", Rare: true},
		{Base: "setup.shut", Role: Setup, What: "a permit stream is shut for a longer window", Rare: true},
	}
}

// Names lists the names of all points.
func Names() []string {
	var all []string
	for _, p := range Points() {
		all = append(all, p.Names()...)
	}
	return all
}
