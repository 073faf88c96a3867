package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Exit codes of every program.
const (
	ExitOK      = 0
	ExitFailure = 1
	ExitConfig  = 2
	ExitSignal  = 130 // a second signal cut the draining short
)

// Program is one program: what it is called, what it can be told, what it does.
type Program struct {
	// Name stands in the log, in the name of the connection and in help.
	Name, Description string
	// Provider is the one provider of a worker; empty for every other program.
	Provider messages.Provider
	// Config is a pointer to a struct with [Common] embedded in it and the
	// program's further sections. It is filled before Run is called.
	Config Config
	// Check says what of a configuration that was read cannot be worked with, such
	// as a key that fits into no header; nil for nothing. It connects to nothing.
	Check func() error
	// Anew makes the program again with a configuration of its own, so that it can
	// be read and checked again while this one runs. Nil: its secrets stay what
	// they were at the start.
	Anew func() Program
	// Run does the work until ctx ends, and then drains: nothing new, and what is
	// in flight as long as the runtime's Hard context allows. Its error ends the
	// program with code 1, or 2 where it is a *[ConfigError].
	Run func(ctx context.Context, rt *Runtime) error
}

// Config is a configuration struct with [Common] embedded in it.
type Config interface{ common() *Common }

func (c *Common) common() *Common { return c }

// Process is the surroundings of a program. Tests, and programs that run others
// inside themselves, make their own.
type Process struct {
	Args           []string
	Environ        map[string]string
	Stdout, Stderr io.Writer
	Terminal       bool             // standard error is a terminal
	Signals        <-chan os.Signal // the first drains, the second ends at once
	Reload         <-chan os.Signal // each makes the program read its secrets again; nil for never
	NATS           []nats.Option    // added last, such as an in-process server
}

// ThisProcess returns the surroundings of the running process. Signals of
// termination are caught from here on, it leaves no core behind, and its memory
// is collected less often.
func ThisProcess() Process {
	harden()
	easeCollector()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	environ := make(map[string]string)
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		environ[name] = value
	}
	info, err := os.Stderr.Stat()
	return Process{
		Args: os.Args[1:], Environ: environ, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals,
		Terminal: err == nil && info.Mode()&os.ModeCharDevice != 0 && environ["TERM"] != "dumb",
	}
}

// Main runs the program in this process and ends the process.
func Main(p Program) {
	proc := ThisProcess()
	proc.Reload = hangups(proc.Terminal)
	os.Exit(p.Execute(context.Background(), proc))
}

// hangups are the signals to read secrets again. On a terminal they say what
// they were made for: that the terminal has gone, and the program is to end.
func hangups(terminal bool) <-chan os.Signal {
	if terminal {
		return nil
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	return reload
}

// Execute runs the program and returns its exit code. The end of ctx is taken
// for the first signal.
func (p Program) Execute(ctx context.Context, proc Process) int {
	proc.Stdout, proc.Stderr = cmp.Or(proc.Stdout, io.Writer(io.Discard)), cmp.Or(proc.Stderr, io.Writer(io.Discard))
	loaded, err := p.Load(Input{Args: proc.Args, Environ: proc.Environ, Stdout: proc.Stdout, Stderr: proc.Stderr})
	if err != nil {
		return report(proc.Stderr, p.Name, err)
	}
	s := newShell(p, proc, loaded)
	return s.run(ctx)
}

// Load reads and checks the configuration as the program does before it starts;
// see the function [Load]. What in says of the program itself is not needed.
func (p Program) Load(in Input) (*Loaded, error) {
	in.Name, in.Description, in.Provider = p.Name, p.Description, p.Provider
	loaded, err := Load(p.Config, in)
	if err != nil || p.Check == nil {
		return loaded, err
	}
	if err := p.Check(); err != nil {
		config := new(ConfigError)
		for _, fault := range apart(err) {
			config.Faults = append(config.Faults, Fault{Text: fault.Error()})
		}
		return loaded, config
	}
	return loaded, nil
}

// apart lists the errors that were joined to one.
func apart(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // what was joined last, not what was wrapped in it
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, apart(e)...)
	}
	return all
}

// report writes why a program did not start, for people, and returns the code.
func report(w io.Writer, name string, err error) int {
	var exit ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	_, _ = fmt.Fprintf(w, "%s: %s\n", name, err)
	return exitCode(err)
}

// exitCode maps the end of a program to its code.
func exitCode(err error) int {
	var config *ConfigError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &config):
		return ExitConfig
	default:
		return ExitFailure
	}
}

// newInstance names one run of a program: where it runs, and a random part,
// because two containers may have the same host name.
func newInstance(name string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host + "/" + strings.ToLower(rand.Text()[:8])
}
