package cli_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestDoctor_SaysWhatIsWrongAndTheFenceIsClearedByAName(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.WithListener())
	env := map[string]string{
		"NATS_URL": srv.URL(), "EVENTS_MAX_BYTES": "64MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
	}
	client := map[string]string{"NATS_URL": srv.URL()}
	must(t, client, app.ExitFailure, "", "doctor").stdout.shows(t, "run `beltline setup`")
	must(t, env, app.ExitOK, "", "setup")
	// Without a dispatcher nothing is taken, whatever else is well.
	fresh := must(t, client, app.ExitFailure, "", "doctor")
	fresh.stdout.shows(t, "open, and never was closed")
	fresh.stderr.shows(t, ": 1 fault, 0 warnings")
	clear := []string{"fence", "clear", "--by", "ada", "--reason", "compared the books"}
	must(t, client, app.ExitFailure, "", clear...).stderr.shows(t, "nothing to clear")

	js := srv.JS(t)
	fence.New(js.Conn(), js, fence.Options{Instance: "w1"}).Surprised(t.Context(), "a shop knows order acme/a")
	stopped := must(t, client, app.ExitFailure, "", "doctor")
	stopped.stdout.shows(t, "buying is stopped since .* by w1")
	stopped.stdout.shows(t, "beltline fence clear")
	must(t, client, app.ExitConfig, "", "fence", "clear", "--by", "ada").stderr.shows(t, "--reason: is required")
	must(t, client, app.ExitOK, "", clear...).stdout.shows(t, "cleared by ada")
	must(t, client, app.ExitFailure, "", "doctor").stdout.shows(t, "open; cleared .* by ada at")

	if err := js.DeleteConsumer(t.Context(), messages.StreamCommands, messages.GamesDrop.FollowConsumer()); err != nil {
		t.Fatal(err)
	}
	ill := must(t, client, app.ExitFailure, "", "doctor", "-o", "json")
	var bad []string
	for line := range strings.Lines(ill.stdout.String()) {
		var f struct{ Severity, Check string }
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if f.Severity == "fault" {
			bad = append(bad, f.Check)
		}
	}
	want := []string{"consumer COMMANDS/" + messages.GamesDrop.FollowConsumer(), "dispatcher"}
	if !slices.Equal(bad, want) {
		t.Errorf("faults: %v", bad)
	}
}

func TestDoctor_WhatItWasNotGivenItDoesNotHoldAgainstTheServer(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.WithListener())
	env := map[string]string{
		"NATS_URL": srv.URL(), "EVENTS_MAX_BYTES": "64MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
		"GAMESDROP_RATE_LIMIT": "7/1s", "EXCHANGER_TIMEOUT": "9s", "MAX_IN_FLIGHT": "500",
	}
	must(t, env, app.ExitOK, "", "setup")
	must(t, map[string]string{"NATS_URL": srv.URL()}, app.ExitFailure, "", "doctor").stderr.shows(t, ": 1 fault,")
	env["GAMESDROP_RATE_LIMIT"] = "8/1s"
	other := must(t, env, app.ExitFailure, "", "doctor", "--providers", "gamesdrop")
	other.stdout.shows(t, "stream.*\n.*PERMITS_GAMESDROP|PERMITS_GAMESDROP")
	other.stderr.shows(t, "3 faults")
}

func TestDoctor_RefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	bad := must(t, nil, app.ExitConfig, "", "doctor", "--providers", "gamesdrop,steam", "--monitor", "localhost:8222", "--nats-replicas", "9")
	bad.stderr.shows(t, `--providers: "steam" is not a provider`)
	bad.stderr.shows(t, "--monitor: is not a URL")
	bad.stderr.shows(t, "NATS_REPLICAS: must be between 1 and 5")
	none := must(t, map[string]string{"NATS_URL": "nats://127.0.0.1:1"}, app.ExitFailure, "", "doctor")
	none.stdout.shows(t, "FAULT.*nats.*not reached")
}
