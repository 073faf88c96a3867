package deploy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the module, and deployDir what this package is about.
var (
	root      = filepath.Join("..", "..")
	deployDir = filepath.Join(root, "deploy")
)

func read(t *testing.T, path string) string {
	t.Helper()
	body, err := os.ReadFile(path) //nolint:gosec // a file of ours
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// commands are the programs of the module.
func commands(t *testing.T) []string {
	t.Helper()
	mains, err := filepath.Glob(filepath.Join(root, "cmd", "*", "main.go"))
	if err != nil || len(mains) < 6 {
		t.Fatalf("%d programs: %v", len(mains), err)
	}
	var names []string
	for _, m := range mains {
		names = append(names, filepath.Base(filepath.Dir(m)))
	}
	return names
}

// instruction is one instruction of the Dockerfile, with the stage it is in.
type instruction struct{ stage, base, word, rest string }

// dockerfile takes the Dockerfile apart.
func dockerfile(t *testing.T) (all []instruction) {
	t.Helper()
	text := read(t, filepath.Join(deployDir, "docker", "Dockerfile"))
	text = regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")
	known := []string{"FROM", "WORKDIR", "COPY", "RUN", "ARG", "ENV", "LABEL", "USER", "ENTRYPOINT"}
	var stage, base string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if !slices.Contains(known, word) {
			t.Errorf("unknown instruction %q", line)
		}
		if word == "FROM" {
			fields := strings.Fields(strings.TrimPrefix(rest, "--platform=$BUILDPLATFORM "))
			if len(fields) != 3 || fields[1] != "AS" {
				t.Fatalf("a stage without a name: %q", line)
			}
			base, stage = fields[0], fields[2]
		}
		all = append(all, instruction{stage, base, word, rest})
	}
	return all
}

// dockerTargets maps each target for a program to what it starts.
func dockerTargets(t *testing.T) map[string]string {
	t.Helper()
	targets := map[string]string{}
	for _, i := range dockerfile(t) {
		if i.word != "ENTRYPOINT" {
			continue
		}
		var argv []string
		if err := json.Unmarshal([]byte(i.rest), &argv); err != nil || len(argv) != 1 {
			t.Errorf("the entry point of %s needs a shell: %s", i.stage, i.rest)
			continue
		}
		targets[i.stage] = argv[0]
	}
	return targets
}

func TestDockerfile_BuildsEveryProgramAndStartsIt(t *testing.T) {
	t.Parallel()
	targets, all := dockerTargets(t), dockerfile(t)
	if len(targets) != len(commands(t)) {
		t.Errorf("%d targets for %d programs", len(targets), len(commands(t)))
	}
	for _, name := range commands(t) {
		at := "/usr/local/bin/" + name
		if targets[name] != at {
			t.Errorf("the target %s starts %q", name, targets[name])
		}
		copied := slices.ContainsFunc(all, func(i instruction) bool {
			return i.stage == name && i.base == "base" && i.word == "COPY" && i.rest == "--from=build /out/"+name+" "+at
		})
		built := slices.ContainsFunc(all, func(i instruction) bool {
			return i.stage == "build" && i.word == "RUN" && slices.Contains(strings.Fields(i.rest), "./cmd/"+name)
		})
		if !copied || !built {
			t.Errorf("%s: built %t, copied into its image %t", name, built, copied)
		}
	}
}

func TestDockerfile_ImagesHoldNoShellNoRootAndWhatTheProgramNeeds(t *testing.T) {
	t.Parallel()
	all := dockerfile(t)
	has := func(stage, word, rest string) {
		t.Helper()
		if !slices.ContainsFunc(all, func(i instruction) bool { return i.stage == stage && i.word == word && strings.Contains(i.rest, rest) }) {
			t.Errorf("%s has no %s with %q", stage, word, rest)
		}
	}
	has("base", "FROM", "scratch AS base")
	has("base", "USER", "65532:65532")
	has("base", "COPY", "/etc/ssl/certs/ca-certificates.crt")
	has("base", "COPY", "/out/zoneinfo.zip /zoneinfo.zip")
	has("base", "ENV", "ZONEINFO=/zoneinfo.zip")
	has("build", "RUN", "CGO_ENABLED=0")
	has("build", "RUN", "-X github.com/beltline-io/beltline/internal/app.version=$VERSION")
	has("build", "RUN", "-X github.com/beltline-io/beltline/internal/app.commit=$COMMIT")
	for _, i := range all {
		switch {
		case i.stage != "build" && i.word == "RUN":
			t.Errorf("%s runs %q: there is nothing to run it with", i.stage, i.rest)
		case i.stage == "build" && i.word == "COPY":
			for _, source := range strings.Fields(i.rest)[:len(strings.Fields(i.rest))-1] {
				if !exists(filepath.Join(root, source)) {
					t.Errorf("there is no %s to copy", source)
				}
			}
		case i.word == "FROM" && i.stage == "build":
			version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, filepath.Join(root, "go.mod")))[1]
			if !strings.HasPrefix(i.base, "golang:"+version+"-") {
				t.Errorf("built by %s, and the module wants Go %s", i.base, version)
			}
		}
	}
	source := read(t, filepath.Join(root, "internal", "app", "version.go"))
	if !strings.Contains(source, "var version, commit string") {
		t.Error("what -X fills is gone")
	}
}
