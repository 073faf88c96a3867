package deploy_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
)

// ofGo are the variables that Go itself reads in every program.
var ofGo = []string{"GOMEMLIMIT", "GOMAXPROCS"}

// commandConfig is what `beltline setup` reads, as far as a manifest sets it.
type commandConfig struct{ app.Common }

// load reads a configuration as the program does that a manifest starts.
func load(t *testing.T, program string, args []string, environ map[string]string) (*app.Loaded, error) {
	t.Helper()
	in := app.Input{Name: program, Args: args, Environ: environ, Stdout: io.Discard, Stderr: io.Discard}
	for _, p := range append(programs.Workers(), programs.Dispatcher()) {
		if p.Name == program {
			return p.Load(in)
		}
	}
	if program != "beltline" {
		t.Fatalf("no program is called %s", program)
	}
	in.Args = nil // the words of a command are for its own grammar
	return app.Load(new(commandConfig), in)
}

// startsWith says whether a program starts with what a manifest tells it: every
// variable is one of its own, nothing that it requires is missing, nothing that
// is secret stands in the manifest itself.
func startsWith(t *testing.T, where, program string, args []string, environ map[string]string) {
	t.Helper()
	loaded, err := load(t, program, args, environ)
	if err != nil {
		t.Errorf("%s would not start: %v", where, err)
	}
	if loaded == nil {
		return
	}
	for name, value := range environ {
		_, known := loaded.Effective[name]
		if !known && !slices.Contains(ofGo, name) && !strings.HasPrefix(name, "OTEL_") {
			t.Errorf("%s: %s knows no variable %s", where, program, name)
		}
		if _, secret := loaded.Effective[name+"_FILE"]; secret && value != "" {
			t.Errorf("%s: the secret %s stands in the manifest", where, name)
		}
	}
}

// withSecrets puts a file behind each variable that names one of a mounted
// secret.
func withSecrets(t *testing.T, environ map[string]string, mounted string) map[string]string {
	t.Helper()
	dir, all := t.TempDir(), map[string]string{}
	for name, value := range environ {
		if file, isSecret := strings.CutPrefix(value, mounted); isSecret {
			value = filepath.Join(dir, filepath.Base(file))
			content := "a-secret-of-some-length\n"
			if name == "NATS_CONTEXT" {
				content = "{}"
			}
			if err := os.WriteFile(value, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		all[name] = value
	}
	return all
}

func TestCompose_EveryProgramStartsWithWhatItIsTold(t *testing.T) {
	t.Parallel()
	for name, files := range combinations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := compose(t, person(t), files...)
			told := map[string]bool{}
			for name, s := range p.Services {
				if program := s.program(); program != "" && name != "fakes" {
					startsWith(t, name, program, s.Command, withSecrets(t, s.Environment, "/run/secrets/"))
					told[program] = true
				}
			}
			for _, program := range commands(t) {
				if !told[program] {
					t.Errorf("no service runs %s", program)
				}
			}
		})
	}
}
