package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
)

// lines is what a program writes: it is read line by line while it grows.
type lines struct {
	mu      sync.Mutex
	all     []string
	partial []byte
	changed chan struct{} // closed and replaced at every line
}

func newLines() *lines { return &lines{changed: make(chan struct{})} }

// Write takes a part of the output.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, whole := bytes.Cut(l.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.all = append(l.all, string(line))
		l.partial = bytes.Clone(rest)
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// count is how many lines there are; a wait can begin after them.
func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// text is everything written so far.
func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n") + "\n" + string(l.partial)
}

// await returns the first line with all the words in it, after the first ones.
func (l *lines) await(ctx context.Context, after int, words ...string) (string, error) {
	for at := after; ; {
		l.mu.Lock()
		fresh, changed := l.all[min(at, len(l.all)):], l.changed
		l.mu.Unlock()
		for _, line := range fresh {
			if containsAll(line, words) {
				return line, nil
			}
		}
		at += len(fresh)
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("no line with %q: %w", words, ctx.Err())
		}
	}
}

// first returns the first line with all the words in it, after the first ones;
// empty while there is none.
func (l *lines) first(after int, words ...string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all[min(after, len(l.all)):] {
		if containsAll(line, words) {
			return line
		}
	}
	return ""
}

func containsAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}
