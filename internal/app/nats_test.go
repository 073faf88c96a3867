package app_test

import (
	"fmt"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
)

func TestConnect_ByAContextOfTheCommandLine(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	path := write(t, fmt.Sprintf(`{"url":%q,"inbox_prefix":"_INBOX_probe"}`, s.URL()))
	nc, js, err := app.Connect(app.NATS{Context: path}, "probe")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := js.AccountInfo(t.Context()); err != nil {
		t.Errorf("JetStream: %v", err)
	}
	if got := nc.NewInbox(); len(got) < 12 || got[:12] != "_INBOX_probe" {
		t.Errorf("inbox %q does not have the context's prefix", got)
	}
}

func TestConnect_UsesTheInboxPrefixAndTheNameItWasGiven(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	nc, _, err := app.Connect(app.NATS{URL: app.NewServers(s.URL()), InboxPrefix: "_INBOX.worker"}, "probe")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got := nc.NewInbox(); len(got) < 13 || got[:13] != "_INBOX.worker" || nc.Opts.Name != "probe" {
		t.Errorf("inbox %q, name %q", got, nc.Opts.Name)
	}
}

func TestConnect_RefusesAContextThatDoesNotExist(t *testing.T) {
	t.Parallel()
	if nc, _, err := app.Connect(app.NATS{Context: t.TempDir() + "/absent.json"}, "probe"); err == nil {
		nc.Close()
		t.Error("an absent context was accepted")
	}
}
