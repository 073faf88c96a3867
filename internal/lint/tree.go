package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Module is the path of the module that the rules are about.
const Module = "github.com/beltline-io/beltline"

// Tree is the source of the module, or of a part made for a test.
type Tree struct {
	Go    []*File           // every Go file, in order of their paths
	Texts map[string]string // every file that people read or write, Go files among them
	fset  *token.FileSet
}

// File is one Go file.
type File struct {
	Path string // below the module's root, with slashes
	AST  *ast.File
}

// Violation is one place where a rule does not hold.
type Violation struct {
	Path string
	Line int
	Text string
}

// String renders "internal/order/apply.go:12: …".
func (v Violation) String() string { return fmt.Sprintf("%s:%d: %s", v.Path, v.Line, v.Text) }

// Dir is the file's folder, which is its package below the module.
func (f *File) Dir() string { return path.Dir(f.Path) }

// Test reports whether the file is compiled for tests only.
func (f *File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Main reports whether the file is part of a program rather than a library.
func (f *File) Main() bool { return f.AST.Name.Name == "main" }

// textual says which files are read as text, by the end of their name.
var textual = []string{
	".go", ".md", ".yaml", ".yml", ".json", ".toml", ".mod", ".sh", ".txt", ".txtar", ".env", ".conf", ".service",
	"Makefile", "Dockerfile", ".ci/run", ".gitignore", ".html", ".css", ".js",
}

// Load reads a module. Folders that hold no source of ours are left out.
func Load(root fs.FS) (*Tree, error) {
	files := make(map[string]string)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "node_modules", "vendor", ".beltline"}, d.Name()):
			return fs.SkipDir
		case d.IsDir() || !slices.ContainsFunc(textual, func(s string) bool { return strings.HasSuffix(name, s) }):
			return nil
		}
		body, err := fs.ReadFile(root, name)
		files[name] = string(body)
		return err
	})
	if err != nil {
		return nil, err
	}
	return Parse(files)
}

// Parse makes a tree of sources by path. Go files in testdata are texts only.
func Parse(files map[string]string) (*Tree, error) {
	t := &Tree{Texts: files, fset: token.NewFileSet()}
	for name, body := range files {
		if !strings.HasSuffix(name, ".go") || strings.Contains("/"+name, "/testdata/") || strings.HasPrefix(name, "tools/") {
			continue
		}
		parsed, err := parser.ParseFile(t.fset, name, body, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		t.Go = append(t.Go, &File{Path: name, AST: parsed})
	}
	slices.SortFunc(t.Go, func(a, b *File) int { return strings.Compare(a.Path, b.Path) })
	return t, nil
}

// at makes a violation at a position.
func (t *Tree) at(f *File, pos token.Pos, format string, args ...any) Violation {
	return Violation{Path: f.Path, Line: t.fset.Position(pos).Line, Text: fmt.Sprintf(format, args...)}
}

// lines counts the lines from one position to another, both included.
func (t *Tree) lines(from, to token.Pos) int {
	return t.fset.Position(to).Line - t.fset.Position(from).Line + 1
}

// inspect calls visit for every node of every file that is wanted.
func (t *Tree) inspect(wanted func(*File) bool, visit func(*File, ast.Node)) {
	for _, f := range t.Go {
		if !wanted(f) {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if n != nil {
				visit(f, n)
			}
			return true
		})
	}
}

// imported returns the path of an import.
func imported(spec *ast.ImportSpec) string { return strings.Trim(spec.Path.Value, `"`) }

// below reports whether the slash-separated name is dir or lies in it.
func below(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// selector returns "time.Sleep" for that call or mention, and "" for others.
func selector(n ast.Node) string {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if x, ok := sel.X.(*ast.Ident); ok {
		return x.Name + "." + sel.Sel.Name
	}
	return "." + sel.Sel.Name
}
