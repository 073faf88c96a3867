package bench

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Mode is what the orders are kept on.
type Mode string

// The modes.
const (
	OneAlways   Mode = "one-always"   // one server that syncs every write before it answers
	OneDefault  Mode = "one-default"  // one server that syncs every two minutes
	ThreeAlways Mode = "three-always" // a cluster of three, three copies, each synced
)

// Modes lists all modes.
func Modes() []Mode { return []Mode{OneAlways, OneDefault, ThreeAlways} }

// nodes is the number of servers, and of copies.
func (m Mode) nodes() int {
	if m == ThreeAlways {
		return 3
	}
	return 1
}

func (m Mode) always() bool { return m != OneDefault }

// Title is the mode in words.
func (m Mode) Title() string {
	switch m {
	case OneAlways:
		return "one node, sync_interval: always"
	case OneDefault:
		return "one node, default sync"
	case ThreeAlways:
		return "three nodes, sync_interval: always"
	default:
		return string(m)
	}
}

// Kinds lists what orders can be measured.
func Kinds() []messages.Kind { return []messages.Kind{messages.Topup, messages.Deposit} }

// Options say what is measured.
type Options struct {
	Orders  int // in the burn-down, and again in the steady part
	Rounds  int
	Modes   []Mode
	Workers []int // replicas of the worker: each number is measured
	// Floor measures as well a loop that stores the same messages as the pipeline,
	// and does nothing else.
	Floor bool
	Kind  messages.Kind
	// Rate is the load under which latency is measured; 0 is 30 % of what was
	// reached in the same round.
	Rate     float64
	Latency  time.Duration // how long each measurement of latency takes
	InFlight int           // messages in work at one time, in each program of both
	Dir      string        // below which the servers keep their files; empty for where temporary files are
	// Say tells how it goes. It may be nil.
	Say func(format string, args ...any)
}

// Check says what is wrong with the options.
func (o Options) Check() error {
	switch {
	case o.Orders < 1, o.Rounds < 1, o.InFlight < 1:
		return errors.New("orders, rounds and what is in flight must be at least 1")
	case o.Latency <= 0, o.Rate < 0:
		return errors.New("latency takes longer than 0, at a rate that is not negative")
	case len(o.Modes) == 0, len(o.Workers) == 0:
		return errors.New("at least one mode and one number of workers are needed")
	case !slices.Contains(Kinds(), o.Kind):
		return fmt.Errorf("the kind must be one of %v", Kinds())
	}
	for _, m := range o.Modes {
		if !slices.Contains(Modes(), m) {
			return fmt.Errorf("a mode must be one of %v", Modes())
		}
	}
	for _, n := range o.Workers {
		if n < 1 || n > 64 {
			return errors.New("a number of workers must be between 1 and 64")
		}
	}
	return nil
}

func (o Options) say(format string, args ...any) {
	if o.Say != nil {
		o.Say(format, args...)
	}
}
