package service

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Tally is what a replica says of an endpoint, as data in the answer to
// $SRV.STATS. The library counts errors that it answers itself, and we answer
// ours; and it measures its handler, which only hands the question on. It holds
// words of the contract and the provider's codes only: whoever may ask for it
// need not be who asked the question.
type Tally struct {
	// Answers are the questions that were worked on; the times are theirs, in
	// nanoseconds as the library's are.
	Answers               int           `json:"answers"`
	ProcessingTime        time.Duration `json:"processing_time"`
	AverageProcessingTime time.Duration `json:"average_processing_time"`

	Errors      int        `json:"errors"`
	LastError   string     `json:"last_error,omitempty"`
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
}

// tallies count by endpoint.
type tallies struct {
	mu  sync.Mutex
	all map[string]Tally
}

// note counts a failure. What the asker did wrong is no error of ours.
func (t *tallies) note(endpoint string, f *Failure) {
	if f.Status < TooMany {
		return
	}
	now := time.Now().UTC()
	text := strings.TrimSpace(fmt.Sprintf("%d %s %s", f.Status, f.Problem.Code, cmp.Or(f.Problem.ProviderCode, f.Problem.Reason)))
	t.change(endpoint, func(y *Tally) { y.Errors, y.LastError, y.LastErrorAt = y.Errors+1, line(text), &now })
}

// took counts an answer and how long the work on it was.
func (t *tallies) took(endpoint string, d time.Duration) {
	t.change(endpoint, func(y *Tally) {
		y.Answers++
		y.ProcessingTime += d
		y.AverageProcessingTime = y.ProcessingTime / time.Duration(y.Answers)
	})
}

func (t *tallies) change(endpoint string, by func(*Tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[string]Tally{}
	}
	y := t.all[endpoint]
	by(&y)
	t.all[endpoint] = y
}

func (t *tallies) of(endpoint string) Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all[endpoint]
}
