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

func TestLoad_ASecretAndItsFileAreSettledByTheStrongerSource(t *testing.T) {
	t.Parallel()
	path := write(t, "from-path\n")
	const flag, inEnv, inFile = "--gamesdrop-token=from-flag", "from-env", "gamesdrop_token: from-file\n"
	for name, c := range map[string]struct {
		args    []string
		environ map[string]string
		file    string
		want    string
		from    app.Setting
	}{
		"flag, path in the environment": {
			[]string{flag}, map[string]string{"GAMESDROP_TOKEN_FILE": path}, "", "from-flag", app.Setting{Source: "flag", Where: "--gamesdrop-token"},
		},
		"flag, path that is not there": {
			[]string{flag}, map[string]string{"GAMESDROP_TOKEN_FILE": path + "-absent"}, "", "from-flag", app.Setting{Source: "flag", Where: "--gamesdrop-token"},
		},
		"environment, path in the file": {
			nil, map[string]string{"GAMESDROP_TOKEN": inEnv}, "gamesdrop_token_file: " + path + "\n", inEnv, app.Setting{Source: "env", Where: "GAMESDROP_TOKEN"},
		},
		"path as a flag, environment": {
			[]string{"--gamesdrop-token-file", path}, map[string]string{"GAMESDROP_TOKEN": inEnv}, "", "from-path", app.Setting{Source: "file", Where: "the file of GAMESDROP_TOKEN_FILE"},
		},
		"path in the environment, file": {
			nil, map[string]string{"GAMESDROP_TOKEN_FILE": path}, inFile, "from-path", app.Setting{Source: "file", Where: "the file of GAMESDROP_TOKEN_FILE"},
		},
		"both flags":                  {[]string{flag, "--gamesdrop-token-file", path}, nil, "", "", app.Setting{}},
		"both in the environment":     {nil, map[string]string{"GAMESDROP_TOKEN": inEnv, "GAMESDROP_TOKEN_FILE": path}, "", "", app.Setting{}},
		"both in the file, and apart": {nil, nil, inFile + "gamesdrop: {token_file: " + path + "}\n", "", app.Setting{}},
	} {
		args := c.args
		if c.file != "" {
			args = append(args, "--config", write(t, c.file))
		}
		got, loaded, err := load(t, c.environ, args...)
		if c.want == "" {
			if diff := cmp.Diff([]string{"GAMESDROP_TOKEN_FILE"}, faults(t, err)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			continue
		}
		if err != nil || got.GamesDrop.Token.Reveal() != c.want {
			t.Errorf("%s: got %q, %v", name, got.GamesDrop.Token.Reveal(), err)
			continue
		}
		c.from.Name, c.from.Value = "GAMESDROP_TOKEN", "***"
		if diff := cmp.Diff(c.from, setting(t, loaded, "GAMESDROP_TOKEN")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if path := setting(t, loaded, "GAMESDROP_TOKEN_FILE"); (path.Value == "") != (c.want != "from-path") {
			t.Errorf("%s: %+v", name, path)
		}
	}
}

func TestLoad_AContextAndItsPartsAreSettledByTheStrongerSource(t *testing.T) {
	t.Parallel()
	context, creds := write(t, "{}"), write(t, "x")
	for name, c := range map[string]struct {
		args []string
		env  []string
		file string
		want app.NATS
	}{
		"context as a flag": {
			[]string{"--nats-context", context}, []string{"NATS_URL", "nats://env", "NATS_CREDS", creds}, "", app.NATS{Context: context},
		},
		"context in the environment": {nil, []string{"NATS_CONTEXT", context}, "nats_url: nats://file\n", app.NATS{Context: context}},
		"address as a flag": {
			[]string{"--nats-url=nats://flag"}, []string{"NATS_CONTEXT", "absent"}, "", app.NATS{URL: app.NewServers("nats://flag")},
		},
		"address in the environment": {nil, []string{"NATS_URL", "nats://env"}, "nats_context: absent\n", app.NATS{URL: app.NewServers("nats://env")}},
		"credentials as a flag": {
			[]string{"--nats-creds", creds}, []string{"NATS_CONTEXT", "absent"}, "nats_url: nats://file\n",
			app.NATS{URL: app.NewServers("nats://file"), Creds: creds},
		},
	} {
		args := append(c.args, "--config", write(t, c.file))
		got, loaded, err := load(t, env(c.env...), args...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c.want.Replicas = 1
		if got.NATS != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got.NATS, c.want)
		}
		if beaten := setting(t, loaded, "NATS_CONTEXT"); c.want.Context == "" && (beaten.Value != "" || beaten.Source != "default") {
			t.Errorf("%s: %+v", name, beaten)
		}
	}
}
