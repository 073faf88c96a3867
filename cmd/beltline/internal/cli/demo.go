package cli

import (
	"context"
	"errors"

	"github.com/beltline-io/beltline/cmd/beltline/internal/demo"
	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/internal/app"
)

// demoCommand is `demo`.
type demoCommand struct {
	Keep    bool `name:"keep" help:"Stay up after the table, so that you can try it from another terminal; Ctrl-C ends it."`
	Plain   bool `name:"plain" help:"No colors, and ASCII instead of line characters."`
	Verbose bool `name:"verbose" short:"v" help:"Show what the programs log instead of writing it to a file."`
}

// Help is shown below the flags.
func (*demoCommand) Help() string {
	return "Needs nothing but this program: NATS, the dispatcher, the workers of all four providers and fake providers all run in this process. " +
		"The fakes call back, and customers pay, cancel and change their minds. " +
		"Every line on standard error is an event; the table on standard output says what became of each order, " +
		"and the last line compares that with the fake providers' own books.\n\n" +
		"Exit codes: 0 everything came out as it must, 1 something did not, 130 Ctrl-C.\n\n" +
		"Examples:\n\n  beltline demo\n  beltline demo --keep"
}

func (c *demoCommand) run(ctx context.Context, s *session) int {
	look := s.look
	if c.Plain {
		look = plain.Look{ASCII: true}
	}
	err := demo.Run(ctx, demo.Options{Stdout: s.Stdout, Stderr: s.Stderr, Look: look, Verbose: c.Verbose, Keep: c.Keep})
	switch {
	case err == nil:
		return app.ExitOK
	case errors.Is(err, context.Canceled):
		return app.ExitSignal
	default:
		return s.failed(err)
	}
}
