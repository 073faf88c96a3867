package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/cmd/beltline/internal/cli"
	"github.com/beltline-io/beltline/internal/app"
)

// commandInText is a command line in a block of its own or between backquotes.
var commandInText = regexp.MustCompile("(?m)^ *(beltline [^\n]+)$|`(beltline [^`\n]+)`")

// shellWords splits a line as a shell does that knows single quotes only.
func shellWords(t *testing.T, line string) (words []string) {
	t.Helper()
	word, quoted, begun := "", false, false
	for _, r := range line + " " {
		switch {
		case r == '\'':
			quoted, begun = !quoted, true
		case r == ' ' && !quoted:
			if begun {
				words = append(words, word)
			}
			word, begun = "", false
		default:
			word, begun = word+string(r), true
		}
	}
	if quoted {
		t.Errorf("a quote is not closed: %s", line)
	}
	return words
}

// At three in the morning a command that does not exist costs minutes and trust.
// Each is run against a server that is not there: that it is not reached shows that
// everything before was right.
func TestRunbook_EveryCommandOfOursIsUnderstoodAsItStandsThere(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("../../../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "beltline.yaml")
	if err := os.WriteFile(file, []byte("nats_url: nats://127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range commandInText.FindAllStringSubmatch(string(body), -1) {
		lines = append(lines, m[1]+m[2])
	}
	slices.Sort(lines)
	if lines = slices.Compact(lines); len(lines) < 20 {
		t.Fatalf("only %d commands were found", len(lines))
	}
	environ := map[string]string{"NATS_URL": "nats://127.0.0.1:1", "GAMESDROP_TOKEN": "token", "USER": "ada"}
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			words := shellWords(t, strings.ReplaceAll(line, "beltline.yaml", file))
			want := 1
			if words[1] == "verify-config" { // asks no server
				want = 0
			}
			// As at a terminal, where a decision can be confirmed.
			beginAs(t, cli.Process{
				Process: app.Process{Args: words[1:], Environ: environ}, Stdin: strings.NewReader(""), StdinTerminal: true,
			}).ends(want)
		})
	}
}
