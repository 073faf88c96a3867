package app_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/app"
)

// doorsConfig is a configuration with every address of a door.
type doorsConfig struct {
	app.Common
	Webhooks app.Webhooks `embed:""`
	Doors    app.Doors    `embed:""`
}

func TestLoad_RefusesAnAddressThatNothingCanListenOn(t *testing.T) {
	t.Parallel()
	hooks := map[string]string{"WEBHOOK_PUBLIC_URL": "https://hooks.example", "WEBHOOK_SECRET": "canary"}
	for _, addr := range []string{"nonsense", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:", "8080", "::1:8080"} {
		environ := map[string]string{
			"HTTP_ADDR": addr, "WEBHOOK_ADDR": addr, "SKINSBACK_WEBHOOK_ADDR": addr, "EXCHANGER_WEBHOOK_ADDR": addr,
			"WEBHOOK_PUBLIC_URL": hooks["WEBHOOK_PUBLIC_URL"], "WEBHOOK_SECRET": hooks["WEBHOOK_SECRET"],
		}
		_, err := app.Load(new(doorsConfig), app.Input{Name: "x", Environ: environ})
		if diff := cmp.Diff([]string{"EXCHANGER_WEBHOOK_ADDR", "HTTP_ADDR", "SKINSBACK_WEBHOOK_ADDR", "WEBHOOK_ADDR"}, faults(t, err)); diff != "" {
			t.Errorf("%s: %s", addr, diff)
		}
	}
	hooks["WEBHOOK_ADDR"], hooks["SKINSBACK_WEBHOOK_ADDR"] = ":8080", "[::1]:0"
	if _, err := app.Load(new(doorsConfig), app.Input{Name: "x", Environ: hooks}); err != nil {
		t.Error(err)
	}
}

// A context that cannot be used shows with everything else that is wrong, not
// after the program has begun.
func TestLoad_AContextThatCannotBeUsedIsAFaultAmongTheOthers(t *testing.T) {
	t.Parallel()
	absent := filepath.Join(t.TempDir(), "absent")
	for name, context := range map[string]string{
		"unknown":        "no-such-context-of-anybody",
		"no such file":   absent,
		"not a context":  write(t, "canary-token"),
		"no key":         write(t, fmt.Sprintf(`{"nkey":%q}`, absent)),
		"no credentials": write(t, fmt.Sprintf(`{"creds":%q}`, absent)),
		"no authority":   write(t, fmt.Sprintf(`{"ca":%q}`, absent)),
	} {
		_, _, err := load(t, env("NATS_CONTEXT", context, "LOG_LEVEL", "loud"))
		if diff := cmp.Diff([]string{"LOG_LEVEL", "NATS_CONTEXT"}, faults(t, err)); diff != "" || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %s%v", name, diff, err)
		}
	}
	if _, _, err := load(t, env("NATS_CONTEXT", write(t, `{"url":"nats://127.0.0.1:1","user":"u","password":"p"}`))); err != nil {
		t.Errorf("nothing is to be reached: %v", err)
	}
}
