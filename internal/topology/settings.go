package topology

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// PermitSlack is the greatest age at which a permit may still be used. A
// permit lives its window and this much longer in the stream, because the
// provider counts arrivals, which come later than grants.
const PermitSlack = 500 * time.Millisecond

const (
	gib = int64(1) << 30
	mib = int64(1) << 20

	leaseAfterTimeout = 5 * time.Second
	ackWaitAfterLease = 10 * time.Second

	maxReplicas = 5 // what the server allows
)

// Settings are the parts of the topology that configuration decides.
type Settings struct {
	// Replicas is the number of copies of every stream (NATS_REPLICAS).
	Replicas int
	// Providers holds every provider that has consumers and permits.
	Providers map[messages.Provider]ProviderSettings
	// MaxInFlight is the number of commands one replica works on at a time.
	MaxInFlight int
	// The sizes at which the streams refuse more. The server reserves them.
	EventsMaxBytes, OrdersMaxBytes, DLQMaxBytes int64
	// Progress is told, in a sentence, when setup has to wait; may be nil.
	Progress func(string)
}

// ProviderSettings are what streams and consumers of one provider follow from.
// The order Timeout < Lease < AckWait is what keeps a slow request from being
// taken for a dead one.
type ProviderSettings struct {
	Rate                    providers.Rate
	Timeout, Lease, AckWait time.Duration
}

// ForProvider derives the times of a provider from the deadline of its requests.
func ForProvider(rate providers.Rate, timeout time.Duration) ProviderSettings {
	lease := timeout + leaseAfterTimeout
	return ProviderSettings{Rate: rate, Timeout: timeout, Lease: lease, AckWait: lease + ackWaitAfterLease}
}

// Default is the topology of every registered provider on one server.
func Default() Settings {
	s := Settings{
		Replicas:       1,
		Providers:      make(map[messages.Provider]ProviderSettings),
		MaxInFlight:    64,
		EventsMaxBytes: 4 * gib,
		OrdersMaxBytes: 512 * mib,
		DLQMaxBytes:    512 * mib,
	}
	for _, r := range providers.Registrations() {
		s.Providers[r.Name] = ForProvider(r.RateLimit, r.Timeout)
	}
	return s
}

// Validate names every fault at once.
func (s Settings) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if s.Replicas < 1 || s.Replicas > maxReplicas {
		fault("replicas is %d, not 1 to %d", s.Replicas, maxReplicas)
	}
	if s.MaxInFlight < 1 {
		fault("max in flight is %d, not 1 or more", s.MaxInFlight)
	}
	for _, b := range []struct {
		name string
		n    int64
	}{{envEvents, s.EventsMaxBytes}, {envOrders, s.OrdersMaxBytes}, {envDLQ, s.DLQMaxBytes}} {
		if b.n < mib {
			fault("%s is %d, not 1 MiB or more", b.name, b.n)
		}
	}
	for _, p := range s.names() {
		ps := s.Providers[p]
		if !p.Known() {
			fault("%q is not a provider", p)
		}
		if ps.Rate.Requests < 1 || ps.Rate.Window < time.Millisecond {
			fault("%s: rate limit %s allows nothing", p, ps.Rate)
		}
		if ps.Timeout <= 0 || ps.Lease <= ps.Timeout || ps.AckWait <= ps.Lease {
			fault("%s: timeout %s, lease %s and ack wait %s are not in this order", p, ps.Timeout, ps.Lease, ps.AckWait)
		}
	}
	return errors.Join(faults...)
}

// names lists the providers in a fixed order, so that data and reports are stable.
func (s Settings) names() []messages.Provider {
	return slices.Sorted(maps.Keys(s.Providers))
}
