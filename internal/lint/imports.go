package lint

import (
	"go/token"
	"slices"
	"strings"
)

// port is what every part of the pipeline may know: the wire, money, and the
// port to the providers.
var port = []string{"pkg/messages", "pkg/money", "pkg/providers!"}

// pipeline is what the running parts stand on.
var pipeline = append([]string{
	"internal/order", "internal/ledger", "internal/orders", "internal/ratelimit", "internal/topology", "internal/queue",
	"internal/logkey", "internal/secret", "internal/lane", "internal/pull", "internal/service", "internal/telemetry",
}, port...)

// direction says which packages of the module a package may import. A key
// covers what lies below it, and the longest key counts; a name that ends in !
// is that package alone, without its folders. What imports itself needs no line.
var direction = map[string][]string{
	"pkg/money":                  {},
	"pkg/messages":               {"pkg/money"},
	"pkg/client":                 {"pkg/messages", "pkg/money"},
	"pkg/providers":              {"pkg/messages", "pkg/money", "pkg/providers/providertest", "internal/providerhttp", "internal/secret", "internal/ratelimit"},
	"internal/secret":            {},
	"internal/logkey":            {},
	"internal/natstest":          {},
	"internal/pull":              {},
	"internal/places":            {},
	"internal/lint":              {},
	"internal/failpoint":         {},
	"internal/mutant":            {},
	"internal/order":             port,
	"internal/groupcommit":       {},
	"internal/ratelimit":         append([]string{"internal/logkey", "internal/groupcommit"}, port...),
	"internal/topology":          append([]string{"internal/logkey"}, port...),
	"internal/queue":             append([]string{"internal/logkey", "internal/telemetry", "internal/groupcommit"}, port...),
	"internal/lane":              append([]string{"internal/logkey"}, port...),
	"internal/ledger":            append([]string{"internal/logkey", "internal/telemetry", "internal/topology", "internal/groupcommit"}, port...),
	"internal/fence":             append([]string{"internal/logkey", "internal/ledger", "internal/topology"}, port...),
	"internal/forget":            append([]string{"internal/fence", "internal/ledger", "internal/order"}, port...),
	"internal/service":           append([]string{"internal/logkey", "internal/telemetry"}, port...),
	"internal/orders":            append([]string{"internal/logkey", "internal/ledger", "internal/places", "internal/service"}, port...),
	"internal/query":             append([]string{"internal/logkey", "internal/lane", "internal/ratelimit", "internal/service", "internal/telemetry"}, port...),
	"internal/providerhttp":      append([]string{"internal/ratelimit", "internal/secret"}, port...),
	"internal/dispatcher":        append([]string{"internal/operator", "internal/places"}, pipeline...),
	"internal/worker":            pipeline,
	"internal/operator":          pipeline,
	"internal/webhook":           pipeline,
	"internal/doctor":            append([]string{"internal/fence"}, pipeline...),
	"internal/telemetry":         {"internal/logkey"},
	"internal/app":               append([]string{"internal/secret", "internal/logkey", "internal/topology", "internal/telemetry"}, port...),
	"internal/programs":          {"internal", "pkg"},
	"internal/bench":             {"internal", "pkg"},
	"internal/embedded":          {"internal/logkey"},
	"internal/demo":              {"internal", "pkg"},
	"pkg/providers/providertest": {"pkg/messages", "pkg/money", "pkg/providers!", "internal/providerhttp", "internal/secret", "internal/ratelimit"},
}

// importDirection applies the table to everything that is not a program or a
// test. A package that has no line in it must get one: that is the moment to
// think about where it stands.
func importDirection(t *Tree) []Violation {
	var found []Violation
	for _, f := range t.Go {
		dir := f.Dir()
		if f.Test() || below(dir, "cmd") || below(dir, "test") {
			continue
		}
		key, may := lineOf(dir)
		if key == "" {
			found = append(found, t.at(f, f.AST.Package, "package %s has no line in the table of internal/lint/imports.go", dir))
			continue
		}
		for _, spec := range f.AST.Imports {
			target, ours := strings.CutPrefix(imported(spec), Module+"/")
			if ours && !mayImport(dir, key, target, may) {
				found = append(found, t.at(f, spec.Pos(), "%s must not import %s", dir, target))
			}
		}
	}
	return append(found, programs(t)...)
}

// lineOf finds the longest key that covers the package.
func lineOf(dir string) (key string, may []string) {
	for k, v := range direction {
		if below(dir, k) && len(k) > len(key) {
			key, may = k, v
		}
	}
	return key, may
}

func mayImport(dir, key, target string, may []string) bool {
	if target == "internal/failpoint" || target == "internal/mutant" {
		return true // they import nothing, and are nothing in a build that is released
	}
	for _, m := range may {
		if name, alone := strings.CutSuffix(m, "!"); target == name || (!alone && below(target, name)) {
			return true
		}
	}
	// A provider is one folder: it may use the port above it and its own parts,
	// and knows no other provider.
	if key == "pkg/providers" {
		own, _, _ := strings.Cut(strings.TrimPrefix(dir, "pkg/providers/"), "/")
		return target == "pkg/providers" || (dir != "pkg/providers" && below(target, "pkg/providers/"+own))
	}
	return below(target, key)
}

// programs checks that a worker knows its own provider only.
func programs(t *Tree) []Violation {
	var found []Violation
	for _, f := range t.Go {
		own, worker := strings.CutPrefix(f.Dir(), "cmd/worker-")
		if !worker || f.Test() {
			continue
		}
		for _, spec := range f.AST.Imports {
			target, ours := strings.CutPrefix(imported(spec), Module+"/pkg/providers/")
			if ours && !below(target, own) {
				found = append(found, t.at(f, spec.Pos(), "worker-%s must not import the provider %s", own, target))
			}
		}
	}
	return found
}

// library is where a library may be used, outside of tests.
type library struct {
	name   string
	where  []string
	tests  bool // tests of any package may use it too
	reason string
}

var confined = []library{
	{
		"github.com/nats-io/nats-server", []string{"cmd/beltline", "internal/natstest", "internal/embedded", "internal/bench", "test"}, true,
		"only cmd/beltline links the server",
	},
	{"github.com/nats-io/nats.go", []string{
		"internal/groupcommit", "internal/ledger", "internal/topology", "internal/queue", "internal/ratelimit", "internal/lane", "internal/pull", "internal/dispatcher",
		"internal/fence", "internal/forget", "internal/worker", "internal/orders", "internal/operator", "internal/service", "internal/query", "internal/webhook", "internal/doctor", "internal/app", "internal/natstest",
		"internal/embedded", "internal/bench", "cmd", "test", "pkg/client",
	}, true, "everything else is told what it needs, without NATS"},
	{"github.com/shopspring/decimal", []string{"pkg/money"}, false, "use pkg/money"},
	{"github.com/alecthomas/kong", []string{"internal/app", "cmd"}, false, "configuration is read in one place"},
	{"go.yaml.in/yaml", []string{"internal/app", "cmd"}, true, "configuration is read in one place"},
	{"go.opentelemetry.io", []string{"internal/telemetry"}, true, "tracing is one package"},
	{"github.com/stretchr/testify", nil, false, "tests use the standard library and go-cmp"},
}

// spared is the one package of pkg/ that speaks NATS: whoever imports it wants
// just that. What else lies in pkg/ does not import it. Its tests run a server.
func spared(f *File, path string) bool {
	return below(f.Dir(), "pkg/client") && (below(path, "github.com/nats-io/nats.go") || f.Test() && below(path, "github.com/nats-io/nats-server"))
}

// libraries applies the confinement, and keeps NATS and the logger out of pkg/
// but for the client, tests included.
func libraries(t *Tree) []Violation {
	var found []Violation
	check := func(f *File, pos token.Pos, path string) {
		if below(f.Dir(), "pkg") && !spared(f, path) && (below(path, "github.com/nats-io/nats.go") ||
			below(path, "github.com/nats-io/nats-server") || below(path, "github.com/rs/zerolog")) {
			found = append(found, t.at(f, pos, "pkg/ must not import %s: other teams import pkg/", path))
			return
		}
		for _, l := range confined {
			allowed := slices.ContainsFunc(l.where, func(dir string) bool { return below(f.Dir(), dir) })
			if below(path, l.name) && !allowed && (!f.Test() || !l.tests) {
				found = append(found, t.at(f, pos, "%s must not be imported here: %s", path, l.reason))
			}
		}
	}
	for _, f := range t.Go {
		for _, spec := range f.AST.Imports {
			check(f, spec.Pos(), imported(spec))
		}
	}
	return found
}
