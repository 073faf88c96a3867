package app

import (
	"maps"
	"strings"
	"time"

	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// Times holds the times that are the same for every provider. A Lease or
// AckWait of 0 was not set and follows the provider's time-out; what holds for a
// provider is told by [Common.Provider].
type Times struct {
	Lease       time.Duration `name:"lease" env:"LEASE" placeholder:"TIME" group:"Times" help:"How long an intent belongs to the worker that wrote it (default: the provider's time-out + 5s)."`
	AckWait     time.Duration `name:"ack-wait" env:"ACK_WAIT" placeholder:"TIME" group:"Times" help:"When a message that was not acknowledged is delivered again (default: lease + 10s)."`
	PollFirst   time.Duration `name:"poll-first" env:"POLL_FIRST" default:"2s" group:"Times" help:"When a placed order is first asked about."`
	PollMax     time.Duration `name:"poll-max" env:"POLL_MAX" default:"1h" group:"Times" help:"The longest time between two questions."`
	AbsenceWait time.Duration `name:"absence-wait" env:"ABSENCE_WAIT" default:"15m" group:"Times" help:"How long an exchange must be absent from every answer before it is placed again."`
	HoldDown    time.Duration `name:"hold-down" env:"HOLD_DOWN" default:"15m" group:"Times" help:"How long an operator must wait before ruling out that an order was bought."`
	BlockedMax  time.Duration `name:"blocked-max" env:"BLOCKED_MAX" default:"1h" group:"Times" help:"How long an order waits for our account at the provider to work again."`
}

// Check applies the rules that hold for every provider.
func (t *Times) Check(f *Faults) {
	for _, v := range []struct {
		name  string
		value time.Duration
	}{
		{"LEASE", t.Lease},
		{"ACK_WAIT", t.AckWait},
		{"POLL_FIRST", t.PollFirst},
		{"POLL_MAX", t.PollMax},
		{"ABSENCE_WAIT", t.AbsenceWait},
		{"HOLD_DOWN", t.HoldDown},
		{"BLOCKED_MAX", t.BlockedMax},
	} {
		follows := (v.name == "LEASE" || v.name == "ACK_WAIT") && !f.Given(v.name)
		if v.value <= 0 && !follows {
			f.Add(v.name, "must be longer than 0")
		}
	}
	if t.PollMax > 0 && t.PollFirst > t.PollMax {
		f.Add("POLL_FIRST", "%s must not be longer than POLL_MAX %s", t.PollFirst, t.PollMax)
	}
}

// Provider returns the limits and times of the provider, each time longer than
// the one before: a request must have ended before another worker may take the
// order for abandoned, and that before the message comes again. They are known
// after loading.
func (c *Common) Provider(p messages.Provider) topology.ProviderSettings { return c.settings[p] }

// Topology returns what streams and consumers follow from.
func (c *Common) Topology() topology.Settings {
	return topology.Settings{
		Replicas:       c.NATS.Replicas,
		Providers:      maps.Clone(c.settings),
		MaxInFlight:    c.MaxInFlight,
		EventsMaxBytes: int64(c.Storage.EventsMaxBytes),
		OrdersMaxBytes: int64(c.Storage.OrdersMaxBytes),
		DLQMaxBytes:    int64(c.Storage.DLQMaxBytes),
	}
}

// derive fills the settings of every provider and notes what breaks the order
// of the times. own is the one provider of a worker, or empty where the program
// knows all of them.
func (c *Common) derive(f *Faults, own messages.Provider) {
	c.settings = make(map[messages.Provider]topology.ProviderSettings)
	fits, holds := false, false
	for i, r := range providers.Registrations() {
		p, asSet := c.settingsOf(f, r.Name, c.limits(i), own)
		c.settings[r.Name] = p
		fits = fits || asSet
		holds = holds || p.AckWait < c.Times.HoldDown
		if own == "" || own == r.Name {
			c.checkOrder(f, r.Name, p, own)
		}
	}
	if own != "" {
		return
	}
	if !holds && c.Times.HoldDown > 0 {
		f.Add("HOLD_DOWN", "%s is not longer than the ack wait of any provider", c.Times.HoldDown)
	}
	if fits {
		return
	}
	for _, name := range []string{"LEASE", "ACK_WAIT"} {
		if f.Given(name) {
			f.Add(name, "is too short for every provider")
		}
	}
}

// settingsOf derives the settings of one provider. asSet is false where LEASE or
// ACK_WAIT was set, is too short for this provider, and therefore keeps out of
// its way: one LEASE=25s must not keep the dispatcher from starting because the
// exchanger, which nobody may be using, needs 60 s by default. Who sets the
// provider's own TIMEOUT means that provider, and is told.
func (c *Common) settingsOf(f *Faults, name messages.Provider, l limits, own messages.Provider) (p topology.ProviderSettings, asSet bool) {
	follow := topology.ForProvider(l.rate, l.timeout)
	p = follow
	if f.Given("LEASE") {
		p.AckWait += c.Times.Lease - p.Lease
		p.Lease = c.Times.Lease
	}
	if f.Given("ACK_WAIT") {
		p.AckWait = c.Times.AckWait
	}
	lenient := own != name && !f.Given(timeoutVariable(name))
	tooShort := p.Lease <= p.Timeout || (!f.Given("LEASE") && p.AckWait <= p.Lease)
	if lenient && tooShort {
		return follow, false
	}
	return p, true
}

// checkOrder notes where the times of a provider are not in order. It blames
// what was set: of two that were derived neither can be wrong.
func (c *Common) checkOrder(f *Faults, name messages.Provider, p topology.ProviderSettings, own messages.Provider) {
	switch {
	case p.Timeout <= 0:
		f.Add(timeoutVariable(name), "must be longer than 0")
		return
	case f.Given("LEASE") && p.Lease <= p.Timeout:
		f.Add("LEASE", "%s must be longer than %s, %s", p.Lease, timeoutVariable(name), p.Timeout)
	case f.Given("ACK_WAIT") && p.AckWait <= p.Lease:
		f.Add("ACK_WAIT", "%s must be longer than the lease for %s, %s", p.AckWait, name, p.Lease)
	}
	// Where a program knows all providers, a HOLD_DOWN that suits those in use
	// must not fail for one that nobody has configured.
	meant := own == name || f.Given(timeoutVariable(name))
	if meant && c.Times.HoldDown > 0 && p.AckWait >= c.Times.HoldDown {
		f.Add("HOLD_DOWN", "%s must be longer than the ack wait for %s, %s", c.Times.HoldDown, name, p.AckWait)
	}
}

func timeoutVariable(p messages.Provider) string { return strings.ToUpper(string(p)) + "_TIMEOUT" }
