package cli

import (
	"context"
	"errors"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/topology"
)

const setupHelp = "Create or update the streams and consumers on a NATS server, from the same settings as the dispatcher and the workers. " +
	"Run it as often as you like: it never deletes anything and never makes a stream smaller.\n\n" +
	"Exit codes: 0 done, 1 not done, 2 wrong settings, 130 Ctrl-C.\n\n" +
	"Examples:\n\n" +
	"  beltline setup --nats-url nats://127.0.0.1:4222\n" +
	"  beltline setup --config beltline.yaml --nats-replicas 3"

// setupCommand takes the same settings as the programs, because streams and
// consumers follow from them.
type setupCommand struct{ app.Common }

func (c *setupCommand) run(ctx context.Context, s *session) int {
	client, err := upstream.Connect(c.NATS)
	if err != nil {
		return s.failed(err)
	}
	defer client.Close()
	settings := c.Topology()
	settings.Progress = func(text string) { s.say("%s", text) }
	report, err := topology.Setup(ctx, client.JS, settings)
	for _, part := range []struct {
		did   string
		names []string
	}{{"created", report.Created}, {"updated", report.Updated}, {"left", report.Left}} {
		for _, name := range part.names {
			s.tell("%-8s %s", part.did, name)
		}
	}
	for _, note := range report.Notes {
		s.say("note: %s", note)
	}
	switch {
	case errors.Is(err, context.Canceled):
		s.say("beltline: stopped before it was done; run it again to go on")
		return app.ExitSignal
	case err != nil:
		return s.failed(err)
	}
	s.say("%d created, %d updated, %d left as they were", len(report.Created), len(report.Updated), len(report.Left))
	return app.ExitOK
}
