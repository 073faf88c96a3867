package lint

import (
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// packageDocs wants a package comment in every package that is not a test.
func packageDocs(t *Tree) []Violation {
	first := make(map[string]*File)
	documented := make(map[string]bool)
	for _, f := range t.Go {
		if f.Test() {
			continue
		}
		if first[f.Dir()] == nil {
			first[f.Dir()] = f
		}
		if f.AST.Doc != nil && strings.TrimSpace(f.AST.Doc.Text()) != "" {
			documented[f.Dir()] = true
		}
	}
	var found []Violation
	for _, f := range t.Go {
		if first[f.Dir()] == f && !documented[f.Dir()] {
			found = append(found, t.at(f, f.AST.Package, "package %s has no package comment", f.AST.Name.Name))
		}
	}
	return found
}

// exportedDocs wants a comment at every exported name of a library. One comment
// on a group of constants or variables counts for all of them.
func exportedDocs(t *Tree) []Violation {
	var found []Violation
	for _, f := range t.Go {
		if f.Test() || f.Main() {
			continue
		}
		for _, decl := range f.AST.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
					found = append(found, t.at(f, d.Pos(), "exported %s has no comment", d.Name.Name))
				}
			case *ast.GenDecl:
				found = append(found, t.undocumented(f, d)...)
			}
		}
	}
	return found
}

func (t *Tree) undocumented(f *File, d *ast.GenDecl) []Violation {
	var found []Violation
	for _, spec := range d.Specs {
		var names []*ast.Ident
		var has bool
		switch s := spec.(type) {
		case *ast.TypeSpec:
			names, has = []*ast.Ident{s.Name}, s.Doc != nil || (d.Doc != nil && !d.Lparen.IsValid())
		case *ast.ValueSpec:
			names, has = s.Names, s.Doc != nil || s.Comment != nil || d.Doc != nil
		}
		for _, n := range names {
			if n.IsExported() && !has {
				found = append(found, t.at(f, n.Pos(), "exported %s has no comment", n.Name))
			}
		}
	}
	return found
}

// exportedReceiver reports whether d is a function, or a method of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// testName finds the names of tests in prose, where they stand between backquotes.
var testName = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]*_[A-Za-z0-9_]+)`")

// namedTests wants a test for each name of one in the documents.
func namedTests(t *Tree) []Violation {
	exists := make(map[string]bool)
	for _, f := range t.Go {
		for _, decl := range f.AST.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && f.Test() && fn.Recv == nil {
				exists[fn.Name.Name] = true
			}
		}
	}
	var found []Violation
	for _, path := range slices.Sorted(maps.Keys(t.Texts)) {
		if !strings.HasSuffix(path, ".md") {
			continue
		}
		for i, line := range strings.Split(t.Texts[path], "\n") {
			for _, m := range testName.FindAllStringSubmatch(line, -1) {
				if !exists[m[1]] {
					found = append(found, Violation{Path: path, Line: i + 1, Text: "there is no test " + m[1]})
				}
			}
		}
	}
	return found
}
