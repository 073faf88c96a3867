package query

import (
	"sync"
	"time"
)

// mostKept bounds the answers that are kept.
const mostKept = 4096

// kept holds answers for as long as they are good.
type kept struct {
	mu  *sync.Mutex
	all map[string]keptAnswer
}

type keptAnswer struct {
	told
	until time.Time
}

func newKept() kept { return kept{mu: new(sync.Mutex), all: make(map[string]keptAnswer)} }

// get returns an answer that is still good.
func (k kept) get(key string, now time.Time) (told, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, ok := k.all[key]
	if !ok || !now.Before(a.until) || now.Before(a.at) { // a clock that was put back
		return told{}, false
	}
	return a.told, true
}

// put keeps an answer. Where there is no room it is not kept, which costs a
// request and nothing else.
func (k kept) put(key string, t told, until, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.all[key]; !ok && len(k.all) >= mostKept {
		for other, a := range k.all {
			if !now.Before(a.until) {
				delete(k.all, other)
			}
		}
		if len(k.all) >= mostKept {
			return
		}
	}
	k.all[key] = keptAnswer{t, until}
}
