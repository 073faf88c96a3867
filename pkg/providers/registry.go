package providers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Recovery says what may be done about a create whose answer was lost.
type Recovery uint8

// The ways to recover a lost answer.
const (
	// RecoverByOperator: neither key nor lookup; doubt is shown to the operator.
	RecoverByOperator Recovery = iota
	// RecoverByRepeat: the provider refuses a reference it has seen, so the same
	// request may be sent again; there is no lookup by our reference.
	RecoverByRepeat
	// RecoverByLookup: the provider can be asked by our reference.
	RecoverByLookup
)

// Rate is a number of requests in a window of time.
type Rate struct {
	Requests int
	Window   time.Duration
}

// String renders "500/1m0s" as "500/1m".
func (r Rate) String() string {
	w := r.Window.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(w, zero) {
			w = strings.TrimSuffix(w, zero[1:])
		}
	}
	return strconv.Itoa(r.Requests) + "/" + w
}

// ParseRate reads "500/1m".
func ParseRate(s string) (Rate, error) {
	n, w, ok := strings.Cut(s, "/")
	requests, err := strconv.Atoi(n)
	window, wErr := time.ParseDuration(w)
	if !ok || err != nil || wErr != nil || requests < 1 || window < time.Millisecond {
		return Rate{}, fmt.Errorf("rate %q is not of the form 500/1m", s)
	}
	return Rate{Requests: requests, Window: window}, nil
}

// UnmarshalText reads the form of [ParseRate] from configuration.
func (r *Rate) UnmarshalText(b []byte) error {
	v, err := ParseRate(string(b))
	if err == nil {
		*r = v
	}
	return err
}

// MarshalText writes the form of [ParseRate].
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Registration is what a provider declares about itself. Topology, dispatcher
// and configuration follow from it.
type Registration struct {
	Name     messages.Provider
	Title    string // as its owners write it
	Kinds    []messages.Kind
	Recovery Recovery
	// AbsentFor is how long, with RecoverByLookup, the provider must say that it
	// does not know our reference before the request is sent again; 0 for
	// ABSENCE_WAIT.
	AbsentFor time.Duration
	// RateLimit is what the provider documents, or our assumption.
	RateLimit Rate
	// Timeout is the deadline of one HTTP request.
	Timeout time.Duration
}

// Sells reports whether the provider has the kind.
func (r Registration) Sells(k messages.Kind) bool { return slices.Contains(r.Kinds, k) }

// Registrations lists every provider. A new provider is one line here.
func Registrations() []Registration {
	return []Registration{
		{Name: messages.BalanceSteam, Title: "BalanceSteam", Kinds: []messages.Kind{messages.Topup, messages.GiftCard}, Recovery: RecoverByOperator, RateLimit: Rate{60, time.Minute}, Timeout: 20 * time.Second},
		{Name: messages.SkinsBack, Title: "SkinsBack", Kinds: []messages.Kind{messages.Deposit}, Recovery: RecoverByLookup, AbsentFor: 30 * time.Second, RateLimit: Rate{500, time.Minute}, Timeout: 20 * time.Second},
		{Name: messages.GamesDrop, Title: "GamesDrop", Kinds: []messages.Kind{messages.Offer, messages.TelegramStars}, Recovery: RecoverByRepeat, RateLimit: Rate{30, time.Second}, Timeout: 20 * time.Second},
		{Name: messages.Exchanger, Title: "Exchanger", Kinds: []messages.Kind{messages.Exchange, messages.PartnerPayout}, Recovery: RecoverByLookup, RateLimit: Rate{60, time.Minute}, Timeout: 60 * time.Second},
	}
}

// Lookup returns the registration of a provider.
func Lookup(p messages.Provider) (Registration, bool) {
	for _, r := range Registrations() {
		if r.Name == p {
			return r, true
		}
	}
	return Registration{}, false
}
