package app_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// workerConfig is a configuration as a program has it.
type workerConfig struct {
	app.Common
	GamesDrop app.GamesDrop `embed:""`
}

// env holds what makes workerConfig complete.
func env(more ...string) map[string]string {
	m := map[string]string{"GAMESDROP_TOKEN": "canary-token"}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, environ map[string]string, args ...string) (*workerConfig, *app.Loaded, error) {
	t.Helper()
	var c workerConfig
	var out bytes.Buffer
	loaded, err := app.Load(&c, app.Input{
		Name: "worker-gamesdrop", Args: args, Environ: environ, Stdout: &out, Stderr: &out,
		Provider: messages.GamesDrop,
	})
	return &c, loaded, err
}

// faults returns the names of what is wrong.
func faults(t *testing.T, err error) []string {
	t.Helper()
	var config *app.ConfigError
	if !errors.As(err, &config) {
		t.Fatalf("got %v, want a configuration error", err)
	}
	var names []string
	for _, f := range config.Faults {
		names = append(names, f.Name)
	}
	return names
}

func TestLoad_FlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	t.Parallel()
	file := "max_in_flight: 3\n"
	for _, tc := range []struct {
		name            string
		flag, env, file bool
		want            int
		source          app.Source
	}{
		{"nothing set", false, false, false, 64, app.FromDefault},
		{"file", false, false, true, 3, app.FromFile},
		{"environment", false, true, false, 2, app.FromEnv},
		{"environment and file", false, true, true, 2, app.FromEnv},
		{"flag", true, false, false, 1, app.FromFlag},
		{"flag and file", true, false, true, 1, app.FromFlag},
		{"flag and environment", true, true, false, 1, app.FromFlag},
		{"all", true, true, true, 1, app.FromFlag},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			environ, args := env(), []string(nil)
			if tc.flag {
				args = append(args, "--max-in-flight=1")
			}
			if tc.env {
				environ["MAX_IN_FLIGHT"] = "2"
			}
			if tc.file {
				args = append(args, "--config", write(t, file))
			}
			c, loaded, err := load(t, environ, args...)
			if err != nil {
				t.Fatal(err)
			}
			if c.MaxInFlight != tc.want || loaded.Sources["MAX_IN_FLIGHT"] != tc.source {
				t.Errorf("got %d from %s, want %d from %s", c.MaxInFlight, loaded.Sources["MAX_IN_FLIGHT"], tc.want, tc.source)
			}
		})
	}
}

func TestLoad_DefaultsAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	var c struct {
		app.Common
		Dispatching  app.Dispatching  `embed:""`
		BalanceSteam app.BalanceSteam `embed:""`
		SkinsBack    app.SkinsBack    `embed:""`
		GamesDrop    app.GamesDrop    `embed:""`
	}
	loaded, err := app.Load(&c, app.Input{Name: "x", Environ: env(
		"BALANCESTEAM_API_KEY", "a", "SKINSBACK_CLIENT_ID", "b", "SKINSBACK_CLIENT_SECRET", "c")})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"NATS_URL": "nats://127.0.0.1:4222", "NATS_CREDS": "", "NATS_CONTEXT": "", "NATS_REPLICAS": "1",
		"LOG_LEVEL": "info", "HTTP_ADDR": "127.0.0.1:0",
		"SKINSBACK_RATE_LIMIT": "500/1m", "GAMESDROP_RATE_LIMIT": "30/1s",
		"BALANCESTEAM_RATE_LIMIT": "60/1m", "EXCHANGER_RATE_LIMIT": "60/1m",
		"SKINSBACK_TIMEOUT": "20s", "GAMESDROP_TIMEOUT": "20s", "BALANCESTEAM_TIMEOUT": "20s", "EXCHANGER_TIMEOUT": "1m0s",
		"POLL_FIRST": "2s", "POLL_MAX": "1h0m0s", "ABSENCE_WAIT": "15m0s", "HOLD_DOWN": "15m0s", "BLOCKED_MAX": "1h0m0s",
		"MAX_IN_FLIGHT": "64", "PLACE_BACKLOG_MAX": "100000",
		"BALANCESTEAM_URL": "https://balancesteam.ru", "BALANCESTEAM_WITNESS": "record",
		"SKINSBACK_URL": "https://skinsback.com/api.php", "SKINSBACK_AUTH": "headers",
		"GAMESDROP_URL":          "https://partner.gamesdrop.io",
		"GAMESDROP_TELEGRAM_URL": "https://gamesdrop.io/api/aggregator/a6/telegram/user-info",
		"EVENTS_MAX_BYTES":       "4GiB", "ORDERS_MAX_BYTES": "512MiB", "DLQ_MAX_BYTES": "512MiB",
	}
	for name, value := range want {
		if got, ok := loaded.Effective[name]; !ok || got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
	}
}

func TestLoad_EveryVariableOfEveryProviderExistsOnEveryProgram(t *testing.T) {
	t.Parallel()
	_, loaded, err := load(t, env())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range providers.Registrations() {
		for _, suffix := range []string{"_RATE_LIMIT", "_TIMEOUT"} {
			if name := strings.ToUpper(string(r.Name)) + suffix; loaded.Effective[name] == "" {
				t.Errorf("no variable %s", name)
			}
		}
	}
}

func TestLoad_NamesEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	file := write(t, "poll_max: soon\nlog_levle: debug\nwebhook_addr: known to other programs\n")
	_, _, err := load(t, map[string]string{
		"NATS_REPLICAS": "many", "MAX_IN_FLIGHT": "0", "GAMESDROP_URL": "http://partner.gamesdrop.io",
		"GAMESDROP_RATE_LIMIT": "fast", "EVENTS_MAX_BYTES": "4 GB", "LOG_LEVEL": "loud",
	}, "--config", file, "--http-addr=nowhere", "--gamesdrop-tokn", "canary-value", "stray", "--nats-creds")
	want := []string{
		"", "--config", "--gamesdrop-tokn", "EVENTS_MAX_BYTES", "GAMESDROP_RATE_LIMIT", "GAMESDROP_TOKEN", "GAMESDROP_URL",
		"HTTP_ADDR", "LOG_LEVEL", "MAX_IN_FLIGHT", "NATS_CREDS", "NATS_REPLICAS", "POLL_MAX",
	}
	if diff := cmp.Diff(want, faults(t, err)); diff != "" {
		t.Errorf("faults (-want +got):\n%s\n%v", diff, err)
	}
	if strings.Contains(err.Error(), "canary-value") {
		t.Errorf("the value of a mistyped flag is shown: %v", err)
	}
}

func TestLoad_KeysOfTheFileMayBeWrittenInAnyCaseAndNested(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"GAMESDROP_RATE_LIMIT: 7/1m\n", "gamesdrop_rate_limit: 7/1m\n", "gamesdrop-rate-limit: 7/1m\n",
		"gamesdrop:\n  rate_limit: 7/1m\n", "gamesdrop: {rate: {limit: 7/1m}}\n", "# first\n---\ngamesdrop_rate_limit: \"7/1m\"\notel_service_name: x\n",
	} {
		c, _, err := load(t, env(), "--config", write(t, text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := c.Provider(messages.GamesDrop).Rate.String(); got != "7/1m" {
			t.Errorf("%q gave %s", text, got)
		}
	}
}

func TestLoad_RefusesAFileItDoesNotUnderstandCompletely(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"unknown key":      "gamesdrop_tokn: canary-text\n",
		"twice":            "max_in_flight: 1\nMAX_IN_FLIGHT: 2\n",
		"twice, nested":    "nats: {replicas: 1}\nnats_replicas: 3\n",
		"list":             "nats_url: [canary-text]\n",
		"not a mapping":    "canary-text\n",
		"two documents":    "max_in_flight: 1\n---\nmax_in_flight: 2\n",
		"unknown anchor":   "gamesdrop_token: *canary-text\n",
		"not YAML":         "gamesdrop_token: \"canary-text\n",
		"number as a name": "? [canary-text]\n: 1\n",
	} {
		_, _, err := load(t, env(), "--config", write(t, text))
		if len(faults(t, err)) != 1 || strings.Contains(err.Error(), "canary-text") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, err := load(t, env("BELTLINE_CONFIG", filepath.Join(t.TempDir(), "absent"))); err == nil {
		t.Error("a file that does not exist was accepted")
	}
}

func TestLoad_AnEmptyFileAndEmptyVariablesSetNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing yet\n", "max_in_flight:\n"} {
		c, _, err := load(t, env("MAX_IN_FLIGHT", "", "NATS_CREDS", ""), "--config", write(t, text))
		if err != nil || c.MaxInFlight != 64 {
			t.Errorf("%q: got %d, %v", text, c.MaxInFlight, err)
		}
	}
}

func TestLoad_ReadsASecretFromItsFileWithoutTheEndOfTheLine(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"canary-token", "canary-token\n", "canary-token\r\n"} {
		c, _, err := load(t, map[string]string{"GAMESDROP_TOKEN_FILE": write(t, text)})
		if err != nil || c.GamesDrop.Token.Reveal() != "canary-token" {
			t.Errorf("%q: got %q, %v", text, c.GamesDrop.Token.Reveal(), err)
		}
	}
}

func TestLoad_RefusesASecretFileThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	for name, environ := range map[string]map[string]string{
		"both given":   env("GAMESDROP_TOKEN_FILE", write(t, "canary-other")),
		"absent":       {"GAMESDROP_TOKEN_FILE": filepath.Join(t.TempDir(), "canary-token")},
		"empty":        {"GAMESDROP_TOKEN_FILE": write(t, "\n")},
		"two lines":    {"GAMESDROP_TOKEN_FILE": write(t, "canary-token\nmore\n")},
		"not a file":   {"GAMESDROP_TOKEN_FILE": t.TempDir()},
		"secret given": {"GAMESDROP_TOKEN_FILE": "canary-token"},
	} {
		_, _, err := load(t, environ)
		if got := faults(t, err); !slices.Equal(got, []string{"GAMESDROP_TOKEN_FILE"}) {
			t.Errorf("%s: faults of %v: %v", name, got, err)
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

func TestLoad_NoErrorShowsASecretOrAPassword(t *testing.T) {
	t.Parallel()
	for name, environ := range map[string]map[string]string{
		"control character in a secret": {"GAMESDROP_TOKEN": "canary\x00token"},
		"scheme":                        env("NATS_URL", "http://user:canary@host"),
		"not a URL":                     env("NATS_URL", "nats://user:canary\x7f@host:4222"),
		"user in a base URL":            env("GAMESDROP_URL", "https://user:canary@host"),
		"query in a base URL":           env("GAMESDROP_URL", "https://host/?key=canary"),
		"not a base URL":                env("GAMESDROP_URL", "https://host:canary/"),
		"other faults":                  env("GAMESDROP_TOKEN", "canary", "LOG_LEVEL", "loud", "NATS_URL", "nats://a:canary@b"),
	} {
		if _, _, err := load(t, environ); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestLoad_HelpNamesEveryVariableAndNoSecret(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var c workerConfig
	_, err := app.Load(&c, app.Input{
		Name: "worker-gamesdrop", Args: []string{"--help"}, Stdout: &out, Stderr: &out,
		Environ: env("NATS_URL", "nats://a:canary-password@b"),
	})
	var exit app.ExitError
	if !errors.As(err, &exit) || exit.Code != 0 {
		t.Fatalf("got %v", err)
	}
	_, loaded, err := load(t, env())
	if err != nil {
		t.Fatal(err)
	}
	for name := range loaded.Effective {
		if !strings.Contains(out.String(), "($"+name+")") {
			t.Errorf("help does not name %s", name)
		}
	}
	if strings.Contains(out.String(), "canary") {
		t.Error("help shows a secret")
	}
}

func TestLoad_VersionIsAnsweredWhateverTheEnvironmentSays(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var c workerConfig
	_, err := app.Load(&c, app.Input{
		Name: "x", Args: []string{"--version"}, Stdout: &out, Environ: map[string]string{"VERSION": "1.2", "X_VERSION": "1.2"},
	})
	var exit app.ExitError
	if !errors.As(err, &exit) || exit.Code != 0 || !strings.Contains(out.String(), "go1.") {
		t.Errorf("got %v and %q", err, out.String())
	}
	if _, _, err := load(t, env("VERSION", "1.2", "WORKER_GAMESDROP_VERSION", "1.2")); err != nil {
		t.Errorf("a variable named VERSION stopped the program: %v", err)
	}
}

func TestLoad_EffectiveConfigurationHidesSecretsAndPasswords(t *testing.T) {
	t.Parallel()
	_, loaded, err := load(t, env("NATS_URL", "nats://user:canary-pw@one:4222,tls://canary-tok@two,three:4222", "POLL_MAX", "2h"))
	if err != nil {
		t.Fatal(err)
	}
	if got := loaded.Effective["GAMESDROP_TOKEN"]; got != "***" {
		t.Errorf("secret rendered as %q", got)
	}
	if got, want := loaded.Effective["NATS_URL"], "nats://***@one:4222,tls://***@two,three:4222"; got != want {
		t.Errorf("NATS_URL rendered as %q, want %q", got, want)
	}
	if got := loaded.Effective["POLL_MAX"]; got != "2h0m0s" {
		t.Errorf("POLL_MAX rendered as %q", got)
	}
}

func TestLoad_PlainHTTPOnlyToThisMachine(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://partner.gamesdrop.io": true, "http://127.0.0.1:8080": true, "http://127.9.9.9/api": true,
		"http://[::1]:80": true, "http://localhost:1": true,
		"http://partner.gamesdrop.io": false, "http://127.0.0.1.example.com": false, "http://localhost.example.com": false,
		"http://10.0.0.1": false, "http://0.0.0.0": false, "ftp://host": false, "host": false, "https://": false, "https://h/#f": false,
	} {
		_, _, err := load(t, env("GAMESDROP_URL", url))
		if (err == nil) != ok {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

func TestLoad_AContextExcludesURLAndCredentials(t *testing.T) {
	t.Parallel()
	prod := write(t, "{}")
	if _, _, err := load(t, env("NATS_CONTEXT", prod)); err != nil {
		t.Errorf("a context alone: %v", err)
	}
	_, _, err := load(t, env("NATS_CONTEXT", prod, "NATS_URL", "nats://x", "NATS_CREDS", write(t, "x")))
	if diff := cmp.Diff([]string{"NATS_CREDS", "NATS_URL"}, faults(t, err)); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_WebhookVariablesStandTogether(t *testing.T) {
	t.Parallel()
	type config struct {
		app.Common
		Webhooks app.Webhooks `embed:""`
	}
	var c config
	_, err := app.Load(&c, app.Input{Name: "x", Environ: map[string]string{"WEBHOOK_ADDR": ":8080"}})
	if diff := cmp.Diff([]string{"WEBHOOK_PUBLIC_URL", "WEBHOOK_SECRET"}, faults(t, err)); diff != "" {
		t.Error(diff)
	}
	var none config
	if _, err := app.Load(&none, app.Input{Name: "x"}); err != nil {
		t.Errorf("none at all: %v", err)
	}
}

func TestLoad_FillsCommandsOfACommandLine(t *testing.T) {
	t.Parallel()
	var cli struct {
		Setup struct {
			app.Common
		} `cmd:""`
		Get struct {
			Tenant string        `arg:""`
			After  time.Duration `env:"AFTER" default:"1s"`
		} `cmd:""`
	}
	loaded, err := app.Load(&cli, app.Input{Name: "beltline", Args: []string{"setup", "--nats-replicas=3"}, Environ: map[string]string{"POLL_MAX": "2h", "AFTER": "nonsense"}})
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Kong.Command() != "setup" || cli.Setup.Topology().Replicas != 3 || cli.Setup.Times.PollMax != 2*time.Hour {
		t.Errorf("got %q, %+v", loaded.Kong.Command(), cli.Setup.Times)
	}
}
