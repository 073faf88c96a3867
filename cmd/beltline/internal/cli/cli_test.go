package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
)

func TestRun_AMistakeLeadsToTheHelpOfItsCommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"beltline --help", []string{"nonsense"}},
		{"beltline order --help", []string{"order", "nonsense"}},
		{"beltline order get --help", []string{"order", "get", "x", "--bogus"}},
		{"beltline order get --help", []string{"order", "--tenant", "acme", "get", "x", "--bogus"}},
		{"beltline order get --help", []string{"order", "--tenant=acme", "get"}},
		{"beltline fence clear --help", []string{"fence", "clear"}},
		{"beltline setup --help", []string{"setup", "--bogus"}},
	} {
		must(t, nil, app.ExitConfig, "", tt.args...).stderr.shows(t, "`"+tt.want+"` shows how it is used")
	}
}

func TestRun_AnAddressAsAFlagBeatsAContextOfTheEnvironment(t *testing.T) {
	t.Parallel()
	r := must(t, map[string]string{"NATS_CONTEXT": "no-such-context"}, app.ExitFailure, "", "order", "get", "x", "--tenant=acme", "--nats-url=nats://127.0.0.1:1")
	r.stderr.shows(t, "127.0.0.1:1: nothing listens there")
}

func TestHelp_OfEveryCommandSaysHowItEndsAndShowsHowItIsUsed(t *testing.T) {
	t.Parallel()
	paths := commandPaths(t)
	for _, path := range paths {
		if slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p, path+" ") }) {
			continue // a group; its commands say it
		}
		help := must(t, nil, app.ExitOK, "", append(strings.Fields(path)[1:], "--help")...).stdout.String()
		for _, want := range []string{"Exit codes: 0 ", "\nExample"} {
			if !strings.Contains(help, want) {
				t.Errorf("%s: its help does not say %q", path, want)
			}
		}
		for line := range strings.Lines(help) {
			if strings.HasPrefix(line, "    beltline ") && !strings.Contains(line, path) {
				t.Errorf("%s: another command's example: %s", path, line)
			}
		}
	}
}
