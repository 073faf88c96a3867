//go:build failpoint

package failpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The actions.
const (
	actionKill  = "kill"
	actionStop  = "stop"
	actionTerm  = "term"
	actionPanic = "panic"
	actionPause = "pause"
)

// fault is what is to happen at one point.
type fault struct {
	text   string // as it was written
	name   string
	detail string // empty for any
	action string
	at     int // which hit
	pause  time.Duration
	hits   int
}

// counts counts a hit of this fault's point, and reports whether it is the one.
func (f *fault) counts(name, detail string) bool {
	if f.name != name || f.detail != "" && f.detail != detail {
		return false
	}
	f.hits++
	return f.hits == f.at
}

// parse reads the variable.
func parse(text string) ([]*fault, error) {
	var all []*fault
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		f, err := parseOne(part)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", part, err)
		}
		all = append(all, f)
	}
	return all, nil
}

func parseOne(part string) (*fault, error) {
	point, what, ok := strings.Cut(part, "=")
	if !ok {
		return nil, fmt.Errorf("no action; write <point>=<action>")
	}
	f := &fault{text: part, at: 1}
	f.name, f.detail, _ = strings.Cut(point, "/")
	if !slices.Contains(Names(), f.name) {
		return nil, fmt.Errorf("there is no point %q", f.name)
	}
	args := strings.Split(what, ":")
	f.action, args = args[0], args[1:]
	switch f.action {
	case actionKill, actionStop, actionTerm, actionPanic:
	case actionPause:
		if len(args) == 0 {
			return nil, fmt.Errorf("a pause needs a duration")
		}
		var err error
		if f.pause, err = time.ParseDuration(args[0]); err != nil || f.pause <= 0 {
			return nil, fmt.Errorf("%q is no duration", args[0])
		}
		args = args[1:]
	default:
		return nil, fmt.Errorf("there is no action %q", f.action)
	}
	if len(args) > 1 {
		return nil, fmt.Errorf("too many parts")
	}
	if len(args) == 1 {
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of a hit", args[0])
		}
		f.at = n
	}
	return f, nil
}
