package cli_test

import (
	"encoding/json"
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
	must(t, client, app.ExitOK, "", "doctor").stdout.shows(t, "open, and never was closed")
	clear := []string{"fence", "clear", "--by", "ada", "--reason", "compared the books"}
	must(t, client, app.ExitFailure, "", clear...).stderr.shows(t, "nothing to clear")

	js := srv.JS(t)
	fence.New(js.Conn(), js, fence.Options{Instance: "w1"}).Surprised(t.Context(), "a shop knows order acme/a")
	stopped := must(t, client, app.ExitFailure, "", "doctor")
	stopped.stdout.shows(t, "buying is stopped since .* by w1")
	stopped.stdout.shows(t, "beltline fence clear")
	must(t, client, app.ExitConfig, "", "fence", "clear", "--by", "ada").stderr.shows(t, "--reason: is required")
	must(t, client, app.ExitOK, "", clear...).stdout.shows(t, "cleared by ada")
	must(t, client, app.ExitOK, "", "doctor").stdout.shows(t, "open; cleared .* by ada at 0")

	if err := js.DeleteConsumer(t.Context(), messages.StreamCommands, messages.GamesDrop.FollowConsumer()); err != nil {
		t.Fatal(err)
	}
	ill := must(t, client, app.ExitFailure, "", "doctor", "-o", "json")
	var found []struct{ What, Health string }
	if err := json.Unmarshal([]byte(ill.stdout.String()), &found); err != nil {
		t.Fatal(err)
	}
	var bad []string
	for _, y := range found {
		if y.Health == "BAD" {
			bad = append(bad, y.What)
		}
	}
	if len(bad) != 1 || bad[0] != "consumer "+messages.GamesDrop.FollowConsumer() {
		t.Errorf("bad: %v", bad)
	}
}
