package app_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

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

// An intent was stored by a reconnecting client after its worker had given the
// order up, and an operator was asked about a purchase that nobody had made:
// seed 200 of the crash rig.
func TestConnect_WhatIsSaidWhileTheServerIsAwayIsNotSentLater(t *testing.T) {
	t.Parallel()
	const patience = time.Minute
	s := natstest.Start(t, natstest.WithListener())
	down, up := make(chan struct{}, 1), make(chan struct{}, 1)
	nc, _, err := app.Connect(app.NATS{URL: app.NewServers(s.URL())}, "probe", nats.MaxReconnects(-1), nats.ReconnectWait(time.Hour),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { down <- struct{}{} }), nats.ReconnectHandler(func(*nats.Conn) { up <- struct{}{} }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	await := func(what string, c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(patience):
			t.Fatalf("never %s", what)
		}
	}
	s.Stop()
	await("disconnected", down)
	if err := nc.Publish("events", []byte("too late")); !errors.Is(err, nats.ErrReconnectBufExceeded) {
		t.Errorf("published while the server was away: %v", err)
	}
	s.Restart(t)
	sub, err := s.Conn(t).SubscribeSync("events")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	await("reconnected", up)
	if err := nc.Publish("events", []byte("in time")); err != nil {
		t.Fatal(err)
	}
	m, err := sub.NextMsg(patience)
	if err != nil || string(m.Data) != "in time" {
		t.Errorf("got %v, %v", m, err)
	}
}
