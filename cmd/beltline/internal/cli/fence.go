package cli

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/fence"
)

// fenceCommand holds what is done about the fence.
type fenceCommand struct {
	Clear clearCommand `cmd:"" help:"Take the ledger as it is for the truth, and let buying go on."`
}

// clearCommand is `fence clear`.
type clearCommand struct {
	ConfigFile string     `name:"config" env:"BELTLINE_CONFIG" placeholder:"PATH" help:"YAML file with any of these settings; keys are the variables' names, in any case."`
	Connection connection `embed:""`
	By         string     `name:"by" placeholder:"NAME" help:"Who decides; required, and kept."`
	Reason     string     `name:"reason" placeholder:"TEXT" help:"Why it is safe; required, and kept."`
	Release    bool       `name:"release" help:"Place waiting orders, instead of asking the shop or an operator about each: nothing that waits was bought by what the ledger has lost."`
}

// longest bounds what is kept of a decision.
const longest = 500

// Help is shown below the flags.
func (*clearCommand) Help() string {
	return "The fence stops all buying when the ledger is older than it is remembered, or another one, or when a provider knows " +
		"an order that it does not. What the ledger has lost may have been bought. `beltline doctor` says what was found.\n\n" +
		"Orders that wait in the ledger now, or were about to be sent, become `unresolved`, unless --release is given. A shop that can be asked " +
		"by our reference is asked; what it does not know, and all other orders, are an operator's. A key does not show " +
		"what was bought under another.\n\n" +
		"Exit codes: 0 cleared, 1 buying was not stopped or the server was not reached, 2 wrong usage.\n\n" +
		"Example:\n\n  beltline fence clear --by ada --reason 'restored the copy of noon, compared the shops by hand'"
}

// Check applies the rules of the command.
func (c *clearCommand) Check(f *app.Faults) {
	for _, flag := range []struct{ name, value string }{{"--by", c.By}, {"--reason", c.Reason}} {
		switch {
		case strings.TrimSpace(flag.value) == "":
			f.Add(flag.name, "is required")
		case len(flag.value) > longest || !utf8.ValidString(flag.value):
			f.Add(flag.name, "must be at most 500 bytes of text")
		}
	}
}

func (c *clearCommand) run(ctx context.Context, s *session) int {
	client, err := upstream.Connect(c.Connection.settings())
	if err != nil {
		return s.failed(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	state, err := fence.Clear(ctx, client.JS, c.By, c.Reason, !c.Release)
	if errors.Is(err, fence.ErrNotTripped) {
		s.say("beltline: buying is not stopped; there is nothing to clear")
		return app.ExitFailure
	}
	if err != nil {
		return s.failed(err)
	}
	s.tell("cleared by %s: the ledger is taken for right up to %d; workers buy again within seconds", state.Cleared.By, state.Cleared.Seq)
	return app.ExitOK
}
