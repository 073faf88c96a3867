package secret

import (
	"slices"
	"sync"
	"time"
)

// turn is held while secrets are replaced, all of them that belong together, and
// while several are read. A login of one day with a key of the next is refused
// like a wrong one, and would close the lane for nothing.
var turn sync.RWMutex

// held is what the copies of a secret share.
type held struct{ *texts }

// texts are the present text and what it has replaced.
type texts struct {
	now     string
	earlier []former // the latest first
}

// former is a text that was replaced.
type former struct {
	text string
	at   time.Time
}

// Change says what is to be revealed in place of a secret.
type Change struct{ Of, By String }

// Replace makes the changes, all at one instant, and returns how many of them
// there were: what already is as it should be is left alone. A secret that was
// empty when the program started cannot be replaced, nor can one be emptied:
// what is made of it was left out, and is not made now.
func Replace(at time.Time, changes ...Change) int {
	turn.Lock()
	defer turn.Unlock()
	n := 0
	for _, c := range changes {
		if c.Of.held == nil || c.By.held == nil || c.Of.held.now == c.By.held.now {
			continue
		}
		h := c.Of.held
		h.earlier = slices.Insert(h.earlier, 0, former{h.now, at})
		h.now = c.By.held.now
		n++
	}
	return n
}

// RevealAll returns the texts of secrets that are sent together, as they were at
// one instant.
func RevealAll(secrets ...String) []string {
	turn.RLock()
	defer turn.RUnlock()
	texts := make([]string, len(secrets))
	for i, s := range secrets {
		if s.held != nil {
			texts[i] = s.held.now
		}
	}
	return texts
}

// Ever returns every text that the secret has had, the present one first, and
// nothing for the empty secret. It is for masking: the answer to a request that
// was sent before may still quote what it was sent with.
func (s String) Ever() []string {
	turn.RLock()
	defer turn.RUnlock()
	if s.held == nil {
		return nil
	}
	texts := []string{s.held.now}
	for _, f := range s.held.earlier {
		texts = append(texts, f.text)
	}
	return texts
}

// Since returns the present secret and those that it has replaced after the
// given time, as secrets of their own. It is for checking what others made with
// a key that has been replaced meanwhile.
func (s String) Since(after time.Time) []String {
	turn.RLock()
	defer turn.RUnlock()
	if s.held == nil {
		return nil
	}
	all := []String{New(s.held.now)}
	for _, f := range s.held.earlier {
		if f.at.After(after) {
			all = append(all, New(f.text))
		}
	}
	return all
}
