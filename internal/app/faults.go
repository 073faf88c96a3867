package app

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Fault is one thing wrong with the configuration. Text never holds the value
// of a secret.
type Fault struct {
	Name string // the variable, or where in the file
	Text string
}

// String renders "NATS_REPLICAS: must be between 1 and 5".
func (f Fault) String() string {
	if f.Name == "" {
		return f.Text
	}
	return f.Name + ": " + f.Text
}

// ConfigError holds every fault that was found. A program that meets one ends
// with [ExitConfig]; a Run function may return one for a fault that shows only
// against the streams.
type ConfigError struct{ Faults []Fault }

// Misconfigured makes a [ConfigError] of one fault.
func Misconfigured(name, format string, args ...any) *ConfigError {
	return &ConfigError{Faults: []Fault{{Name: name, Text: fmt.Sprintf(format, args...)}}}
}

// Error lists all faults, one on each line.
func (e *ConfigError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "configuration: %d fault", len(e.Faults))
	if len(e.Faults) != 1 {
		b.WriteByte('s')
	}
	for _, f := range e.Faults {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}

// Faults collects what is wrong. Checking goes on after a fault, so that one
// start shows all of them.
type Faults struct {
	list   []Fault
	broken map[string]bool
	given  map[string]Source
}

// Add notes a fault of the variable name, unless its value could not be read in
// the first place: what a rule says of the zero left behind is noise.
func (f *Faults) Add(name, format string, args ...any) {
	fault := Fault{Name: name, Text: fmt.Sprintf(format, args...)}
	if !f.broken[name] && !slices.Contains(f.list, fault) {
		f.list = append(f.list, fault)
	}
}

// unreadable notes that the value of name could not be read at all.
func (f *Faults) unreadable(name, format string, args ...any) {
	f.Add(name, format, args...)
	if name == "" {
		return
	}
	if f.broken == nil {
		f.broken = make(map[string]bool)
	}
	f.broken[name] = true
}

// address notes an address that nothing can listen on.
func (f *Faults) address(name, addr string) {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		f.Add(name, "is not an address like 127.0.0.1:8080")
	}
}

// Given reports whether the variable was set by flag, environment or file, and
// is not merely the default.
func (f *Faults) Given(name string) bool { return f.given[name] > FromDefault }

// drop takes a variable for not set, because what a stronger source gives stands
// in its place.
func (f *Faults) drop(name string) { delete(f.given, name) }

// Err returns nil, or a *[ConfigError] with everything that was noted.
func (f *Faults) Err() error {
	if len(f.list) == 0 {
		return nil
	}
	list := slices.Clone(f.list)
	slices.SortStableFunc(list, func(a, b Fault) int { return strings.Compare(a.Name, b.Name) })
	return &ConfigError{Faults: list}
}

// Checker is offered by a section of the configuration that has rules of its own.
type Checker interface{ Check(*Faults) }

// Source says where a value comes from.
type Source uint8

// The sources, weakest first.
const (
	FromDefault Source = iota
	FromFile
	FromEnv
	FromFlag
)

// String names the source for the log.
func (s Source) String() string {
	return [...]string{"default", "file", "env", "flag"}[s]
}
