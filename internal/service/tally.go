package service

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Tally is what a replica says of an endpoint's errors, as data in the answer
// to $SRV.STATS. The library's own count is of errors that it answers itself,
// and we answer ours. It holds words of the contract and the provider's codes
// only: whoever may ask for it need not be who asked the question.
type Tally struct {
	Errors      int        `json:"errors"`
	LastError   string     `json:"last_error,omitempty"`
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
}

// tallies count the errors by endpoint.
type tallies struct {
	mu  sync.Mutex
	all map[string]Tally
}

// note counts a failure. What the asker did wrong is no error of ours.
func (t *tallies) note(endpoint string, f *Failure) {
	if f.Status < TooMany {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[string]Tally{}
	}
	now := time.Now().UTC()
	text := strings.TrimSpace(fmt.Sprintf("%d %s %s", f.Status, f.Problem.Code, cmp.Or(f.Problem.ProviderCode, f.Problem.Reason)))
	t.all[endpoint] = Tally{Errors: t.all[endpoint].Errors + 1, LastError: line(text), LastErrorAt: &now}
}

func (t *tallies) of(endpoint string) Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all[endpoint]
}
