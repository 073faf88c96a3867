package mutant_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/mutant"
)

const root = "../.."

// uses counts where each mutant is asked for in the sources.
func uses(t *testing.T) map[string]int {
	t.Helper()
	times := map[string]int{}
	for _, dir := range []string{"internal", "pkg", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || sel.Sel.Name != "Is" {
					return true
				}
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "mutant" {
					lit, ok := call.Args[0].(*ast.BasicLit)
					if !ok {
						t.Errorf("%s: a mutant's name must be a literal", path)
						return true
					}
					id, _ := strconv.Unquote(lit.Value)
					times[id]++
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return times
}

// A mutant that is in the table and not in the sources would seem to be harmless,
// and one that is not in the table would never be tried.
func TestAll_NamesTheMutantsThatTheSourcesHave(t *testing.T) {
	t.Parallel()
	times := uses(t)
	for _, m := range mutant.All() {
		if times[m.ID] == 0 {
			t.Errorf("%s is not in the sources", m.ID)
		}
		delete(times, m.ID)
	}
	for id := range times {
		t.Errorf("%q is not in the table", id)
	}
}

func TestAll_IsOfMutantsThatSomethingMustCatch(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range mutant.All() {
		if m.What == "" || m.Invariant == "" || seen[m.ID] {
			t.Errorf("%+v", m)
		}
		seen[m.ID] = true
		if _, known := mutant.Of(m.ID); !known {
			t.Errorf("%s is not found", m.ID)
		}
		if m.Test == "" {
			continue
		}
		dir, name, _ := strings.Cut(m.Test, " ")
		if !hasTest(t, filepath.Join(root, filepath.FromSlash(dir)), name) {
			t.Errorf("%s: there is no test %s in %s", m.ID, name, dir)
		}
	}
	if _, known := mutant.Of("M0"); known {
		t.Error("there is an M0")
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(") {
			return true
		}
	}
	return false
}

// Whatever a developer's machine has set, this build cannot be broken.
func TestIs_IsFalseWithoutTheTag(t *testing.T) {
	t.Parallel()
	if mutant.Enabled {
		return // this very build is one of mutants, and their tests tell the rest
	}
	for _, m := range mutant.All() {
		if mutant.Is(m.ID) {
			t.Errorf("%s is alive", m.ID)
		}
	}
}
