package lint

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// vocabulary is where the providers have their names.
const vocabulary = "pkg/messages/vocabulary.go"

// wholeProviders wants, for each provider that has a name on the wire, all that
// docs/adding-a-provider.md lists and no compiler asks for.
func wholeProviders(t *Tree) []Violation {
	var found []Violation
	for _, f := range t.Go {
		if f.Path != vocabulary {
			continue
		}
		for name, pos := range providerNames(f) {
			if missing := t.missingOf(name); len(missing) > 0 {
				found = append(found, t.at(f, pos, "the provider %s has no %s", name, strings.Join(missing, ", no ")))
			}
		}
	}
	return found
}

// providerNames finds the constants of type Provider. The name none is no provider's.
func providerNames(f *File) map[string]token.Pos {
	names := make(map[string]token.Pos)
	ast.Inspect(f.AST, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Provider" {
			return true
		}
		for _, v := range spec.Values {
			lit, ok := v.(*ast.BasicLit)
			if !ok {
				continue
			}
			if name, err := strconv.Unquote(lit.Value); err == nil && name != "none" {
				names[name] = lit.Pos()
			}
		}
		return true
	})
	return names
}

// missingOf lists what the provider lacks.
func (t *Tree) missingOf(name string) []string {
	dir := "pkg/providers/" + name
	var adapter, fake, conformance bool
	for _, f := range t.Go {
		switch {
		case f.Dir() == dir && !f.Test():
			adapter = true
		case f.Dir() == dir+"/"+name+"test" && !f.Test():
			fake = true
		}
	}
	t.inspect(func(f *File) bool { return f.Dir() == dir && f.Test() }, func(_ *File, n ast.Node) {
		conformance = conformance || selector(n) == "providertest.Run"
	})
	main, sources := "cmd/worker-"+name+"/main.go", dir+"/testdata/SOURCES.md"
	_, hasMain := t.Texts[main]
	_, hasSources := t.Texts[sources]
	var missing []string
	for _, part := range []struct {
		there bool
		what  string
	}{
		{adapter, "adapter in " + dir},
		{fake, "fake in " + dir + "/" + name + "test"},
		{conformance, "test in " + dir + " that calls providertest.Run"},
		{hasSources, sources},
		{hasMain, main},
		{strings.Contains(strings.ToLower(t.Texts["docs/providers.md"]), name), "place in docs/providers.md"},
	} {
		if !part.there {
			missing = append(missing, part.what)
		}
	}
	return missing
}
