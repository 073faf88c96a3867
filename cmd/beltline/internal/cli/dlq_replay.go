package cli

import (
	"context"

	"github.com/beltline-io/beltline/cmd/beltline/internal/deadletters"
)

// dlqReplayCommand is `dlq replay`.
type dlqReplayCommand struct {
	letterChoice
	Keep bool `name:"keep" help:"Leave the letters where they are, though they were sent."`
}

// Help is shown below the flags.
func (*dlqReplayCommand) Help() string {
	return "Sends the original body back to where it came from: a request to its subject of ORDERS, a command to its own subject; a " +
		"callback becomes a check, which asks the provider. A letter is taken out once the server has stored it there.\n\n" +
		"This buys nothing twice, whatever is replayed: an order's id and a command's event are held against the ledger. What still " +
		"cannot be processed becomes a dead letter again, with a new number.\n\n" +
		"Many letters at once need a flag that picks them and a confirmation, or --yes.\n\n" +
		"Exit codes: 0 all were replayed, 1 some were not, or it was not confirmed, 2 wrong usage, 3 no such letter.\n\n" +
		"Examples:\n\n  beltline dlq replay 17\n  beltline dlq replay --provider gamesdrop --since 2h --dry-run"
}

func (c *dlqReplayCommand) sort(ctx context.Context, s *session, box *deadletters.Box) int {
	return c.each(ctx, s, box, deed{
		verb: "replay", done: "replayed",
		try: func(ctx context.Context, l *deadletters.Letter) (string, error) {
			way, err := box.Way(ctx, l)
			if err != nil {
				return "", err
			}
			return "replayed to " + way.Subject, nil
		},
		do: func(ctx context.Context, l *deadletters.Letter) (string, error) {
			way, err := box.Way(ctx, l)
			if err != nil {
				return "", err
			}
			stored, err := box.Replay(ctx, l, way, c.Keep)
			if !stored {
				return "", err
			}
			return "replayed to " + way.Subject, err
		},
	})
}

// dlqDropCommand is `dlq drop`.
type dlqDropCommand struct {
	letterChoice
	Secure bool `name:"secure" help:"Overwrite the letters' bytes on the server's disk, too; this takes longer."`
}

// Help is shown below the flags.
func (*dlqDropCommand) Help() string {
	return "What is dropped is gone. --output json with `dlq show` before keeps a letter elsewhere.\n\n" +
		"Many letters at once need a flag that picks them and a confirmation, or --yes.\n\n" +
		"Exit codes: 0 all were dropped, 1 some were not, or it was not confirmed, 2 wrong usage, 3 no such letter.\n\n" +
		"Examples:\n\n  beltline dlq drop 17\n  beltline dlq drop --reason invalid_order --before 168h --yes"
}

func (c *dlqDropCommand) sort(ctx context.Context, s *session, box *deadletters.Box) int {
	dropped := func(l *deadletters.Letter) string {
		return "dropped: " + deadletters.Escape(string(l.Reason)) + " of " + deadletters.Escape(l.Origin.String())
	}
	return c.each(ctx, s, box, deed{
		verb: "drop", done: "dropped",
		try: func(_ context.Context, l *deadletters.Letter) (string, error) { return dropped(l), nil },
		do: func(ctx context.Context, l *deadletters.Letter) (string, error) {
			if err := box.Remove(ctx, l.Seq, c.Secure); err != nil {
				return "", err
			}
			return dropped(l), nil
		},
	})
}
