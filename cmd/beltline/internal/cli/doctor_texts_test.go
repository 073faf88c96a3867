package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var namedCommand = regexp.MustCompile("`beltline ([^`]*)")

// What the doctor tells people to type must exist.
func TestDoctor_NamesOnlyCommandsAndFlagsThatExist(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../../internal/doctor/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	paths, found := commandPaths(t), 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range namedCommand.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(m[1])
			path := "beltline"
			for len(words) > 0 && slices.Contains(paths, path+" "+words[0]) {
				path, words = path+" "+words[0], words[1:]
			}
			found++
			if path == "beltline" || slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p, path+" ") }) {
				t.Errorf("%s: `beltline %s` is no command", filepath.Base(file), m[1])
				continue
			}
			flags := flagsInHelp(t, path)
			for _, w := range words {
				if strings.HasPrefix(w, "--") && !slices.Contains(flags, w) {
					t.Errorf("%s: %s has no flag %s", filepath.Base(file), path, w)
				}
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d commands were found", found)
	}
}
