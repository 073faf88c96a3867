package providertest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// FaultKind is one way in which a provider or the network misbehaves.
type FaultKind string

// The kinds of faults. Those that spoil the answer do so after the request was
// executed, because that is the case in which a wrong conclusion costs money;
// [Fault.BeforeCommit] turns it round.
const (
	// TimeoutBeforeCommit: the request is neither executed nor answered.
	TimeoutBeforeCommit FaultKind = "timeout_before_commit"
	// TimeoutAfterCommit: the request is executed and never answered.
	TimeoutAfterCommit FaultKind = "timeout_after_commit"
	// ResetBeforeCommit: the connection is reset, nothing is executed.
	ResetBeforeCommit FaultKind = "reset_before_commit"
	// ResetAfterCommit: the request is executed, then the connection is reset.
	ResetAfterCommit FaultKind = "reset_after_commit"
	// Truncated: half of the genuine answer, then the connection is closed.
	Truncated FaultKind = "truncated"
	// HTML: status 200 with a page, as a captcha or a maintenance notice.
	HTML FaultKind = "html"
	// Empty: status 200 without a body.
	Empty FaultKind = "empty"
	// Huge: a genuine answer with a megabyte of spaces after it.
	Huge FaultKind = "huge"
	// WrongTypes: the genuine answer with every value of its object wrapped in
	// an array.
	WrongTypes FaultKind = "wrong_types"
	// DuplicateKeys: the genuine answer with its first key repeated.
	DuplicateKeys FaultKind = "duplicate_keys"
	// StatusOnly: Fault.Status with an HTML page; nothing is executed.
	StatusOnly FaultKind = "status"
	// StatusWithBody: the genuine answer under Fault.Status.
	StatusWithBody FaultKind = "status_with_body"
	// TooManyRequests: 429 with Fault.RetryAfter; nothing is executed.
	TooManyRequests FaultKind = "too_many"
	// RedirectTo: Fault.Status to another path of the same server, which counts
	// as a second request if it is followed; nothing is executed.
	RedirectTo FaultKind = "redirect"
	// Echo: status 200 with the whole request as text, its credentials included,
	// as a careless error page does.
	Echo FaultKind = "echo"
	// Slow: the genuine answer after Fault.Delay.
	Slow FaultKind = "slow"
)

// Fault is one planned misbehaviour.
type Fault struct {
	Kind       FaultKind
	Status     int           // StatusOnly, StatusWithBody, RedirectTo
	RetryAfter time.Duration // TooManyRequests; 0 sends no header
	Delay      time.Duration // Slow
	// commit overrides whether the request is executed: nil is the kind's way.
	commit *bool
}

// Status returns a fault that answers with an HTTP status and a page.
func Status(code int) Fault { return Fault{Kind: StatusOnly, Status: code} }

// TooMany returns a fault that answers 429. A positive retryAfter is sent in
// seconds.
func TooMany(retryAfter time.Duration) Fault {
	return Fault{Kind: TooManyRequests, RetryAfter: retryAfter}
}

// Redirect returns a fault that answers with a redirect to another path.
func Redirect(code int) Fault { return Fault{Kind: RedirectTo, Status: code} }

// AfterCommit returns the fault with the request executed before it.
func (f Fault) AfterCommit() Fault { yes := true; f.commit = &yes; return f }

// BeforeCommit returns the fault with the request never executed. The answer
// that a fault spoils is then an empty object.
func (f Fault) BeforeCommit() Fault { no := false; f.commit = &no; return f }

// Commits reports whether the request is executed.
func (f Fault) Commits() bool {
	if f.commit != nil {
		return *f.commit
	}
	switch f.Kind {
	case TimeoutBeforeCommit, ResetBeforeCommit, StatusOnly, TooManyRequests, RedirectTo:
		return false
	default:
		return true
	}
}

// String names the fault for test names and books.
func (f Fault) String() string {
	s := string(f.Kind)
	if f.Status != 0 {
		s += fmt.Sprintf("_%d", f.Status)
	}
	if f.commit != nil {
		s += map[bool]string{true: "_after_commit", false: "_before_commit"}[*f.commit]
	}
	return s
}

// Any is the endpoint name that stands for every endpoint.
const Any = "*"

// Faults is a script of faults, by endpoint: first what was planned with Once
// and Next, in order, then chance. It is safe for concurrent use.
type Faults struct {
	mu      sync.Mutex
	random  *rand.Rand
	planned map[string][]Fault
	chance  map[string]chance
}

type chance struct {
	percent int
	faults  []Fault
}

// NewFaults returns an empty script; seed fixes what chance will do, as far as
// the order of the requests is fixed.
func NewFaults(seed uint64) *Faults {
	return &Faults{
		random:  rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // repeatable on purpose
		planned: map[string][]Fault{}, chance: map[string]chance{},
	}
}

// Once plans a fault for the next request to op (or to [Any] endpoint).
func (f *Faults) Once(op string, fault Fault) { f.Next(op, 1, fault) }

// Next plans a fault for the next n requests to op.
func (f *Faults) Next(op string, n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.planned[op] = append(f.planned[op], fault)
	}
}

// Percent gives that share of all requests to op one of the faults, by chance.
func (f *Faults) Percent(op string, percent int, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if percent <= 0 || len(faults) == 0 {
		delete(f.chance, op)
		return
	}
	f.chance[op] = chance{percent, faults}
}

// Clear forgets everything planned and all chance: the provider has healed.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.planned)
	clear(f.chance)
}

// Take removes and returns the fault for a request to op, if there is one.
func (f *Faults) Take(op string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range []string{op, Any} {
		if plan := f.planned[key]; len(plan) > 0 {
			f.planned[key] = plan[1:]
			return plan[0], true
		}
	}
	for _, key := range []string{op, Any} {
		if c, ok := f.chance[key]; ok && f.random.IntN(100) < c.percent {
			return c.faults[f.random.IntN(len(c.faults))], true
		}
	}
	return Fault{}, false
}
