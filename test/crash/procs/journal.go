package procs

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
)

// Journal is the log of what was done to processes and shops.
type Journal struct {
	mu    sync.Mutex
	lines []check.Incident
}

// Note adds a line with the present time.
func (j *Journal) Note(program, process string, deed check.Deed, note string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, check.Incident{Time: time.Now().UTC(), Program: program, Process: process, Deed: deed, Note: note})
}

// Lines returns everything so far, oldest first.
func (j *Journal) Lines() []check.Incident {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// Count returns how often a deed was done to any process but those of the
// programs named.
func (j *Journal) Count(deed check.Deed, except ...string) int {
	n := 0
	for _, l := range j.Lines() {
		if l.Deed == deed && !slices.Contains(except, l.Program) {
			n++
		}
	}
	return n
}

// Noted counts the deeds whose note begins so.
func (j *Journal) Noted(deed check.Deed, begin string) int {
	n := 0
	for _, l := range j.Lines() {
		if l.Deed == deed && strings.HasPrefix(l.Note, begin) {
			n++
		}
	}
	return n
}

// Suicides counts the processes that have killed themselves at a point.
func (j *Journal) Suicides() int {
	n := 0
	for _, l := range j.Lines() {
		if l.Deed == check.Exited && l.Note == "signal: killed" {
			n++
		}
	}
	return n
}
