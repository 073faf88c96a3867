package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/bench"
)

// exitNotFound is the code for an order that does not exist.
const exitNotFound = 3

const description = "Beltline buys digital goods for other systems: orders in over NATS, every step an event, " +
	"never bought twice, never lost.\n\nBegin with `beltline demo`. `beltline COMMAND --help` says all there is to know about a command, with examples.\n\n" +
	"Results go to standard output, everything else to standard error; --output json writes one object a line; NO_COLOR is heeded.\n\n" +
	"Exit codes of every command: 0 done, and nothing is wrong; 1 not done, refused, not reached, or something is wrong; 2 wrong usage or settings; " +
	"3 there is no such order or letter; 130 cut short by a signal."

// Process is the surroundings of the command.
type Process struct {
	app.Process
	Stdin          io.Reader
	StdinTerminal  bool
	StdoutTerminal bool
}

// Main runs the command in this process and ends the process.
func Main() {
	if code, is := bench.Part(); is {
		os.Exit(code) //nolint:forbidigo // a process of a measurement, which is no command
	}
	os.Exit(Run(context.Background(), Process{ //nolint:forbidigo // the one end of this program
		Process: app.ThisProcess(), Stdin: os.Stdin, StdinTerminal: terminal(os.Stdin), StdoutTerminal: terminal(os.Stdout),
	}))
}

func terminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// root is the grammar. Setup, Up and Doctor are read by themselves, as the
// programs in cmd/ are: see programCommands.
type root struct {
	Version kong.VersionFlag `name:"version" help:"Show the version and exit."`

	Demo  demoCommand  `cmd:"" help:"Show everything in one process, with fake providers: 31 orders, and a table of what became of them."`
	Fakes fakesCommand `cmd:"" help:"Serve fake providers, for workers that are to buy nothing real."`
	Up    struct{}     `cmd:"" help:"Run everything in one process against the real providers, with NATS inside."`
	Setup struct{}     `cmd:"" help:"Create or update the streams and consumers on a NATS server."`
	Order orderCommand `cmd:"" help:"Submit, show, list, follow, cancel and confirm orders."`

	Resolve resolveCommand `cmd:"" help:"Show all that is known of an order that nobody can look up, and decide about it."`

	Provider providerCommand `cmd:"" help:"Show how the work for each provider stands, and stop or resume it."`

	DLQ dlqCommand `cmd:"" name:"dlq" help:"List, show, replay and drop dead letters: what could not be processed."`

	VerifyConfig verifyCommand     `cmd:"" name:"verify-config" help:"Show what a program would read from flags, environment and file, and name all that is wrong with it."`
	Doctor       struct{}          `cmd:"" help:"Say whether anything is wrong, what it means for orders, and what to do about it."`
	Completion   completionCommand `cmd:"" help:"Write the script with which a shell completes commands and flags."`
	Fence        fenceCommand      `cmd:"" help:"Let buying go on after the ledger was found older, or another."`

	Accounts accountsCommand `cmd:"" help:"Make an account on NATS for every role: what each may do, the keys, and how its program connects."`

	Forget forgetCommand `cmd:"" help:"Export finished orders to a file and erase them from the ledger."`

	Unseal  unsealCommand  `cmd:"" help:"Open the sealed deliverable of an order."`
	SealKey sealKeyCommand `cmd:"" help:"Make and show the keys that deliverables are sealed to."`

	Bench benchCommand `cmd:"" help:"Measure the pipeline beside a bare JetStream loop, in processes of their own on this machine."`
}

// command is what every command of the grammar can do.
type command interface {
	run(ctx context.Context, s *session) int
}

// session is one run of a command.
type session struct {
	Process
	look  plain.Look
	given map[string]app.Source // where each setting that is not the default comes from
}

// Run runs one command and returns its exit code.
func Run(ctx context.Context, proc Process) int {
	proc.Stdout, proc.Stderr = cmp.Or(proc.Stdout, io.Writer(io.Discard)), cmp.Or(proc.Stderr, io.Writer(io.Discard))
	proc.Stdin = cmp.Or(proc.Stdin, io.Reader(strings.NewReader("")))
	s := &session{Process: proc, look: plain.LookOf(proc.StdoutTerminal, proc.Environ)}
	if len(proc.Args) == 0 {
		s.Args = []string{"--help"}
	}
	if program, args, form, ok := toVerify(s.Args); ok {
		return s.verifyConfig(program, args, form)
	}
	name, c, in := s.choose()
	loaded, err := app.Load(c, in)
	if err != nil {
		return s.misused(name, err)
	}
	chosen, ok := c.(command)
	if !ok {
		chosen, ok = selected(loaded.Kong)
	}
	if !ok {
		return s.misused(name, errors.New("this is not a command"))
	}
	s.given = loaded.Sources
	return s.untilSignal(ctx, chosen)
}

// programCommands are read without the rest of the grammar. They have the flags
// of the programs, secrets among them, and app.Load shows no text behind a
// mistyped flag only where a grammar has no commands.
func programCommands() map[string]func() (any, string) {
	return map[string]func() (any, string){
		"setup":  func() (any, string) { return new(setupCommand), setupHelp },
		"up":     func() (any, string) { return new(upCommand), upHelp },
		"doctor": func() (any, string) { return new(doctorCommand), doctorHelp },
	}
}

func (s *session) choose() (name string, grammar any, in app.Input) {
	in = app.Input{
		Name: "beltline", Description: description, Args: s.Args, Environ: s.Environ, Stdout: s.Stdout, Stderr: s.Stderr,
		Options: []kong.Option{kong.UsageOnError()},
	}
	make, ok := programCommands()[s.Args[0]]
	if !ok {
		return path(s.Args), new(root), in
	}
	grammar, in.Description = make()
	in.Name, in.Args = "beltline "+s.Args[0], s.Args[1:]
	return in.Name, grammar, in
}

// path is the command as far as it can be made out, so that a mistake in its
// flags leads to the right help. It follows the grammar: a command that is
// added to root needs no other line.
func path(args []string) string {
	model, err := app.Model(new(root), app.Input{Name: "beltline"})
	if err != nil {
		panic(err) // the grammar itself: every command would fail
	}
	node := model.Node
	name := node.Name
	for i, arg := range args {
		child := childOf(node, arg)
		switch {
		case child != nil:
			node, name = child, name+" "+child.Name
		case strings.HasPrefix(arg, "-"), i > 0 && strings.HasPrefix(args[i-1], "-"):
			// A flag, or what may be its value, before the word of the command.
		default:
			return name
		}
	}
	return name
}

// childOf finds a command below another by its word.
func childOf(node *kong.Node, word string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == word || slices.Contains(child.Aliases, word) {
			return child
		}
	}
	return nil
}

// group is a command above others that holds what they share, such as how to
// reach NATS. It makes one of its commands ready to run.
type group interface {
	with(task any) (command, bool)
}

func (c *orderCommand) with(task any) (command, bool) {
	t, ok := task.(orderTask)
	return &withClient{c, t}, ok
}

// selected finds the command that was parsed, with what the group above it was
// told.
func selected(k *kong.Context) (command, bool) {
	var above group
	var last any
	for _, p := range k.Path {
		if p.Command == nil {
			continue
		}
		if g, ok := last.(group); ok {
			above = g
		}
		last = p.Command.Target.Addr().Interface()
	}
	if above != nil {
		if c, ok := above.with(last); ok {
			return c, true
		}
	}
	c, ok := last.(command)
	return c, ok
}

// misused says what is wrong with the command line or the configuration.
func (s *session) misused(name string, err error) int {
	var exit app.ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	var config *app.ConfigError
	if errors.As(err, &config) {
		for _, f := range config.Faults {
			s.say("%s: %s", name, f)
		}
	} else {
		s.say("%s: %s", name, err)
	}
	s.say("`%s --help` shows how it is used.", name)
	return app.ExitConfig
}

// untilSignal runs a command whose context ends with the first signal. The
// second signal ends it wherever it is.
func (s *session) untilSignal(ctx context.Context, c command) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	finished := make(chan int, 1)
	go func() { finished <- c.run(ctx, s) }()
	for signals := 0; ; {
		select {
		case code := <-finished:
			return code
		case <-s.Signals:
			if signals++; signals > 1 {
				return app.ExitSignal
			}
			cancel()
		}
	}
}

// say writes a line to standard error.
func (s *session) say(format string, args ...any) { _, _ = fmt.Fprintf(s.Stderr, format+"\n", args...) }

// tell writes a line to standard output.
func (s *session) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(s.Stdout, format+"\n", args...)
}

// failed reports an error of a command and returns its exit code.
func (s *session) failed(err error) int {
	s.say("beltline: %s", err)
	if errors.Is(err, upstream.ErrNotFound) {
		return exitNotFound
	}
	return app.ExitFailure
}
