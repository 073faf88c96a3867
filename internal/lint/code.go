package lint

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// Limits of size, outside of tests.
const (
	maxFileLines = 400
	maxFuncLines = 70
)

// sizes measures files and functions.
func sizes(t *Tree) []Violation {
	var found []Violation
	for _, f := range t.Go {
		if f.Test() || ast.IsGenerated(f.AST) {
			continue
		}
		if n := strings.Count(t.Texts[f.Path], "\n"); n > maxFileLines {
			found = append(found, Violation{Path: f.Path, Line: n, Text: "the file is too long"})
		}
		for _, decl := range f.AST.Decls {
			if d, ok := decl.(*ast.FuncDecl); ok && t.lines(d.Pos(), d.End()) > maxFuncLines {
				found = append(found, t.at(f, d.Pos(), "%s is too long: %d lines", d.Name.Name, t.lines(d.Pos(), d.End())))
			}
		}
	}
	return found
}

// nearMoney lists the packages that amounts pass through.
var nearMoney = []string{"pkg/money", "pkg/messages", "pkg/providers", "internal/order", "internal/ledger", "internal/worker"}

// floatMakers turn text or decimals into floats, or floats into decimals.
var floatMakers = []string{"NewFromFloat", "NewFromFloat32", "NewFromFloatWithExponent", "InexactFloat64", "Float64", "ParseFloat"}

// floats finds every mention of a float near money. A file named metrics.go is
// left out: Prometheus speaks floats, and no amount is measured there.
func floats(t *Tree) []Violation {
	var found []Violation
	wanted := func(f *File) bool {
		return !f.Test() && !strings.HasSuffix(f.Path, "/metrics.go") &&
			slices.ContainsFunc(nearMoney, func(dir string) bool { return below(f.Dir(), dir) })
	}
	t.inspect(wanted, func(f *File, n ast.Node) {
		switch x := n.(type) {
		case *ast.Ident:
			if x.Name == "float64" || x.Name == "float32" {
				found = append(found, t.at(f, x.Pos(), "%s near money", x.Name))
			}
		case *ast.SelectorExpr:
			if slices.Contains(floatMakers, x.Sel.Name) {
				found = append(found, t.at(f, x.Pos(), "%s near money", x.Sel.Name))
			}
		}
	})
	return found
}

// decimals makes sure that the compiler refuses ==: Decimal must hold a field
// that cannot be compared. Inside pkg/money, where the raw value can be
// reached, no field named d may stand beside ==.
func decimals(t *Tree) []Violation {
	var found []Violation
	inMoney := func(f *File) bool { return f.Dir() == "pkg/money" && !f.Test() }
	t.inspect(inMoney, func(f *File, n ast.Node) {
		switch x := n.(type) {
		case *ast.TypeSpec:
			if s, ok := x.Type.(*ast.StructType); ok && x.Name.Name == "Decimal" && !incomparable(s) {
				found = append(found, t.at(f, x.Pos(), "Decimal can be compared by ==; keep its field _ [0]func()"))
			}
		case *ast.BinaryExpr:
			raw := strings.HasSuffix(selector(x.X), ".d") || strings.HasSuffix(selector(x.Y), ".d")
			if raw && (x.Op == token.EQL || x.Op == token.NEQ) {
				found = append(found, t.at(f, x.OpPos, "decimals compared by %s; use Equal or Cmp", x.Op))
			}
		}
	})
	return found
}

// incomparable reports whether the struct holds an array of functions.
func incomparable(s *ast.StructType) bool {
	return slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool {
		array, ok := f.Type.(*ast.ArrayType)
		if !ok || array.Len == nil {
			return false
		}
		_, ok = array.Elt.(*ast.FuncType)
		return ok
	})
}

// sleeps finds time.Sleep in tests and in what only tests use.
func sleeps(t *Tree) []Violation {
	var found []Violation
	wanted := func(f *File) bool { return f.Test() || strings.HasSuffix(f.Dir(), "test") || below(f.Dir(), "test") }
	t.inspect(wanted, func(f *File, n ast.Node) {
		if selector(n) == "time.Sleep" {
			found = append(found, t.at(f, n.Pos(), "time.Sleep; wait for a signal or a condition"))
		}
	})
	return found
}

// skips finds tests that are skipped without saying why. Benchmarks, whose
// handle is called b, prove nothing and may.
func skips(t *Tree) []Violation {
	var found []Violation
	t.inspect((*File).Test, func(f *File, n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == "b" {
			return
		}
		silent := (sel.Sel.Name == "Skip" || sel.Sel.Name == "Skipf") && len(call.Args) == 0
		if silent || sel.Sel.Name == "SkipNow" {
			found = append(found, t.at(f, call.Pos(), "%s without a reason", sel.Sel.Name))
		}
	})
	return found
}

var empty = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "types", "misc", "shared", "base"}

// packageNames finds packages whose name says nothing.
func packageNames(t *Tree) []Violation {
	var found []Violation
	for _, f := range t.Go {
		if slices.Contains(empty, strings.TrimSuffix(f.AST.Name.Name, "_test")) {
			found = append(found, t.at(f, f.AST.Package, "package %s says nothing", f.AST.Name.Name))
		}
	}
	return found
}

var machinePath = regexp.MustCompile("(^|[\\s\"'`(=:,])/(home|Users|root|work|workspace)/[A-Za-z0-9._-]+")

// machinePaths finds absolute paths below the folders that belong to one person
// or one machine.
func machinePaths(t *Tree) []Violation {
	var found []Violation
	for name, text := range t.Texts {
		for i, line := range strings.Split(text, "\n") {
			if m := machinePath.FindString(line); m != "" {
				found = append(found, Violation{Path: name, Line: i + 1, Text: "path of a machine: " + strings.TrimSpace(m)})
			}
		}
	}
	return found
}
