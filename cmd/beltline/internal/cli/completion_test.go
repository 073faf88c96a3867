package cli_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/beltline-io/beltline/cmd/beltline/internal/cli"
	"github.com/beltline-io/beltline/internal/app"
)

// commandPaths lists all commands of the grammar.
func commandPaths(t *testing.T) (paths []string) {
	t.Helper()
	model, err := cli.Model()
	if err != nil {
		t.Fatal(err)
	}
	var walk func(*kong.Node, string)
	walk = func(n *kong.Node, path string) {
		paths = append(paths, path)
		for _, child := range n.Children {
			walk(child, path+" "+child.Name)
		}
	}
	walk(model.Node, "beltline")
	return paths
}

var flagInHelp = regexp.MustCompile(`(?m)^\s+(?:-\w, )?--([a-z][a-z-]*)`)

// flagsInHelp are the flags that the help of a command speaks of.
func flagsInHelp(t *testing.T, path string) (flags []string) {
	t.Helper()
	help := must(t, nil, app.ExitOK, "", append(strings.Fields(path)[1:], "--help")...)
	for _, m := range flagInHelp.FindAllStringSubmatch(help.stdout.String(), -1) {
		flags = append(flags, "--"+m[1])
	}
	if len(flags) == 0 {
		t.Errorf("the help of %s names no flag", path)
	}
	return flags
}

// bash completes lines as an interactive shell would, and returns the
// candidates for each.
func bash(t *testing.T, lines ...string) map[string][]string {
	t.Helper()
	dir := t.TempDir()
	completion := filepath.Join(dir, "completion.bash")
	if err := os.WriteFile(completion, []byte(must(t, nil, app.ExitOK, "", "completion", "bash").stdout.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "an order.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A line is given as bash would split it, its words separated by tabs.
	const driver = `set -u
source "$1"
complete -p beltline >/dev/null || exit 9
while IFS= read -r line; do
	IFS=$'\t' read -ra COMP_WORDS <<<"$line"
	[[ $line == *$'\t' ]] && COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_beltline
	printf '>%s\n' "$line"
	for c in "${COMPREPLY[@]+"${COMPREPLY[@]}"}"; do printf '%s\n' "$c"; done
done`
	cmd := exec.CommandContext(t.Context(), "bash", "--norc", "--noprofile", "-c", driver, "bash", completion)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found, at := map[string][]string{}, ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if next, ok := strings.CutPrefix(line, ">"); ok {
			at = next
			found[at] = []string{}
			continue
		}
		found[at] = append(found[at], line)
	}
	return found
}

func TestCompletion_OfBashKnowsEveryCommandAndEveryFlagOfTheHelp(t *testing.T) {
	t.Parallel()
	paths := commandPaths(t)
	var lines []string
	for _, path := range paths {
		at := strings.ReplaceAll(path, " ", "\t")
		lines = append(lines, at, at+"\t--")
	}
	// verify-config takes a program's own flags behind its name.
	lines = append(lines, "beltline\tverify-config\tworker-gamesdrop\t--")
	found := bash(t, lines...)
	for _, path := range paths {
		at := strings.ReplaceAll(path, " ", "\t")
		for _, flag := range flagsInHelp(t, path) {
			if !slices.Contains(found[at+"\t--"], flag) {
				t.Errorf("%s: %s is not completed: %v", path, flag, found[at+"\t--"])
			}
		}
		if name := path[strings.LastIndex(path, " ")+1:]; path != "beltline" && !slices.Contains(found[at], name) {
			t.Errorf("%s is not completed: %v", path, found[at])
		}
	}
	if own := found["beltline\tverify-config\tworker-gamesdrop\t--"]; !slices.Contains(own, "--gamesdrop-token-file") || slices.Contains(own, "--exchanger-url") {
		t.Errorf("flags of the program: %v", own)
	}
}

func TestCompletion_OfBashKnowsWhatMayStandThere(t *testing.T) {
	t.Parallel()
	wanted := map[string]string{
		"beltline\tord":                                         "order",
		"beltline\torder\t--tenant\tacme\tsub":                  "submit",
		"beltline\torder\tsubmit\t--wait\t":                     "accepted finished none",
		"beltline\torder\tsubmit\t--wait\tf":                    "finished",
		"beltline\torder\tsubmit\t--wait\t=\tf":                 "finished", // --wait=f, as bash splits it
		"beltline\torder\tsubmit\t--wait\t=":                    "accepted finished none",
		"beltline\torder\tsubmit\tan":                           "an order.json",
		"beltline\tsetup\t--nats-creds\tan":                     "an order.json",
		"beltline\tcompletion\t":                                "bash zsh fish",
		"beltline\tverify-config\tworker-g":                     "worker-gamesdrop",
		"beltline\tdoctor\t--providers\tg":                      "gamesdrop",
		"beltline\tdoctor\t--monitor\t":                         "",
		"beltline\torder\tget\tx\t--tenant\t":                   "",
		"beltline\torder\tget\tsubmit\t--wa":                    "",
		"beltline\tverify-config\tdispatcher\t--place-backlog-": "--place-backlog-max",
	}
	found := bash(t, slices.Collect(maps.Keys(wanted))...)
	for line, want := range wanted {
		if got := strings.Join(found[line], " "); got != want {
			t.Errorf("%q: %q, not %q", line, got, want)
		}
	}
}

func TestCompletion_OfEveryShellNamesEveryCommandAndFlag(t *testing.T) {
	t.Parallel()
	flags := map[string][]string{}
	for _, path := range commandPaths(t) {
		flags[path] = flagsInHelp(t, path)
	}
	for shell, form := range map[string]struct{ command, flag string }{
		"bash": {`'%s'`, `--%s`}, "zsh": {`'%s')`, `'--%s:`}, "fish": {`'%s'`, ` -l %s `},
	} {
		text := must(t, nil, app.ExitOK, "", "completion", shell).stdout.String()
		for path := range flags {
			if !strings.Contains(text, fmt.Sprintf(form.command, path)) && path != "beltline" {
				t.Errorf("%s: %s is missing", shell, path)
			}
			for _, flag := range flags[path] {
				if name := strings.TrimPrefix(flag, "--"); !strings.Contains(text, fmt.Sprintf(form.flag, name)) {
					t.Errorf("%s: %s of %s is missing", shell, flag, path)
				}
			}
		}
	}
	must(t, nil, app.ExitConfig, "", "completion", "tcsh").stderr.shows(t, "beltline completion --help")
}
