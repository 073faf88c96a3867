package lint_test

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/lint"
)

// TestModule_KeepsTheRulesOfTheHouse applies every rule to the whole module.
func TestModule_KeepsTheRulesOfTheHouse(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	tree, err := lint.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Go) < 20 {
		t.Fatalf("only %d Go files were found: this is not the module", len(tree.Go))
	}
	for _, rule := range lint.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			for _, v := range rule.Check(tree) {
				t.Errorf("%s (%s)", v, rule.Why)
			}
		})
	}
}

const library = "// Package p is for tests.\npackage p\n\n"

func imports(path string) string { return library + "import _ \"" + path + "\"\n" }

// wire names one provider on the wire.
const wire = library + "// Moon and nothing.\nconst (\n\tMoon Provider = \"moon\"\n\tNoProvider Provider = \"none\"\n)\n"

func ours(path string) string { return imports(lint.Module + "/" + path) }

// seeds holds, for each rule, sources that break it and sources that do not.
var seeds = map[string]struct{ bad, good map[string]string }{
	"packages import only what lies below them": {
		bad: map[string]string{
			"pkg/messages/a.go":                 ours("internal/ledger"),
			"pkg/providers/a.go":                ours("pkg/providers/gamesdrop"),
			"pkg/providers/gamesdrop/a.go":      ours("pkg/providers/skinsback"),
			"pkg/providers/gamesdrop/b.go":      ours("internal/worker"),
			"internal/order/a.go":               ours("internal/ledger"),
			"internal/ledger/a.go":              ours("internal/worker"),
			"internal/worker/a.go":              ours("pkg/providers/gamesdrop"),
			"internal/dispatcher/a.go":          ours("internal/app"),
			"internal/brandnew/a.go":            ours("pkg/money"),
			"internal/secret/a.go":              ours("pkg/money"),
			"cmd/worker-gamesdrop/main.go":      strings.Replace(ours("pkg/providers/skinsback"), "package p", "package main", 1),
			"pkg/providers/providertest/a.go":   ours("pkg/providers/gamesdrop"),
			"internal/dispatcher/sweep/a.go":    ours("internal/worker"),
			"pkg/messages/b.go":                 ours("pkg/client"),
			"pkg/client/a.go":                   ours("internal/ledger"),
			"internal/worker/b.go":              ours("pkg/client"),
			"pkg/providers/gamesdrop/x/deep.go": ours("pkg/providers/balancesteam/balancesteamtest"),
		},
		good: map[string]string{
			"pkg/messages/a.go":                         ours("pkg/money"),
			"pkg/providers/gamesdrop/a.go":              ours("pkg/providers"),
			"pkg/providers/gamesdrop/b.go":              ours("pkg/providers/gamesdrop/gamesdroptest"),
			"pkg/providers/gamesdrop/c.go":              ours("internal/providerhttp"),
			"pkg/providers/gamesdrop/gamesdrop_test.go": ours("internal/worker"),
			"internal/worker/a.go":                      ours("pkg/providers"),
			"internal/dispatcher/a.go":                  ours("internal/dispatcher/sweep"),
			"cmd/worker-gamesdrop/main.go":              strings.Replace(ours("pkg/providers/gamesdrop"), "package p", "package main", 1),
			"pkg/client/a.go":                           ours("pkg/messages"),
			"pkg/client/a_test.go":                      ours("internal/programs"),
			"cmd/beltline/internal/upstream/a.go":       ours("pkg/client"),
		},
	},
	"libraries are used only where they belong": {
		bad: map[string]string{
			"pkg/messages/a.go":        imports("github.com/nats-io/nats.go/jetstream"),
			"pkg/messages/a_test.go":   imports("github.com/rs/zerolog"),
			"internal/order/a.go":      imports("github.com/nats-io/nats.go"),
			"internal/worker/a.go":     imports("github.com/nats-io/nats-server/v2/server"),
			"cmd/dispatcher/main.go":   imports("github.com/nats-io/nats-server/v2/server"),
			"internal/worker/b.go":     imports("github.com/shopspring/decimal"),
			"internal/worker/c.go":     imports("github.com/alecthomas/kong"),
			"internal/order/b_test.go": imports("github.com/stretchr/testify/require"),
			"pkg/client/a.go":          imports("github.com/nats-io/nats-server/v2/server"),
			"pkg/client/b.go":          imports("github.com/rs/zerolog"),
			"pkg/clients/a.go":         imports("github.com/nats-io/nats.go"),
		},
		good: map[string]string{
			"pkg/money/a.go":           imports("github.com/shopspring/decimal"),
			"pkg/messages/b.go":        imports("github.com/nats-io/nkeys"),
			"internal/worker/a.go":     imports("github.com/nats-io/nats.go"),
			"internal/app/a_test.go":   imports("github.com/nats-io/nats-server/v2/server"),
			"cmd/beltline/main.go":     imports("github.com/nats-io/nats-server/v2/server"),
			"internal/order/a_test.go": imports("github.com/nats-io/nats.go"),
			"pkg/client/a.go":          imports("github.com/nats-io/nats.go/jetstream"),
			"pkg/client/a_test.go":     imports("github.com/nats-io/nats-server/v2/server"),
		},
	},
	"every package says what it promises": {
		bad:  map[string]string{"a/a.go": "package a\n", "b/b.go": "package b\n"},
		good: map[string]string{"a/a.go": "package a\n", "a/doc.go": "// Package a has one.\npackage a\n", "c/c_test.go": "package c\n"},
	},
	"every exported name is documented": {
		bad: map[string]string{
			"a/a.go": library + "func F() {}\n",
			"a/b.go": library + "type T struct{}\n",
			"a/c.go": library + "const C = 1\n",
			"a/d.go": library + "// T is documented.\ntype T struct{}\n\nfunc (*T) M() {}\n",
			"a/e.go": library + "// A group of types has no comment for each.\ntype (\n\tX int\n)\n",
			"a/f.go": library + "// G is documented.\ntype G[A any] struct{}\n\nfunc (G[A]) M() {}\n",
		},
		good: map[string]string{
			"a/a.go":      library + "// F is documented.\nfunc F() {}\n",
			"a/b.go":      library + "// A group.\nconst (\n\tC = 1\n\tD = 2\n)\n",
			"a/c.go":      library + "type t struct{}\n\nfunc (t) M() {}\n\nfunc f() {}\n",
			"a/d_test.go": library + "func F() {}\n",
			"cmd/m.go":    "package main\n\nfunc F() {}\n",
		},
	},
	"files have at most 400 lines and functions at most 70": {
		bad: map[string]string{
			"a/a.go": library + strings.Repeat("\n", 400),
			"a/b.go": library + "func f() {" + strings.Repeat("\n", 70) + "}\n",
		},
		good: map[string]string{
			"a/a.go":      library + strings.Repeat("\n", 397),
			"a/b.go":      library + "func f() {" + strings.Repeat("\n", 69) + "}\n",
			"a/c_test.go": library + strings.Repeat("\n", 500),
			"a/gen.go":    "// Code generated by hand. DO NOT EDIT.\n\n" + library + strings.Repeat("\n", 500),
		},
	},
	"no float is near money": {
		bad: map[string]string{
			"pkg/money/a.go":               library + "var x float64\n",
			"internal/worker/a.go":         library + "var x = float32(1)\n",
			"pkg/providers/gamesdrop/a.go": library + "var x = decimal.NewFromFloat(1)\n",
			"internal/order/a.go":          library + "var x, _ = strconv.ParseFloat(s, 64)\n",
			"pkg/messages/a.go":            library + "var x = d.InexactFloat64()\n",
		},
		good: map[string]string{
			"internal/worker/metrics.go": library + "var x = float64(1)\n",
			"internal/app/a.go":          library + "var x float64\n",
			"pkg/money/a_test.go":        library + "var x float64\n",
		},
	},
	"decimals cannot be compared by ==": {
		bad: map[string]string{
			"pkg/money/a.go": library + "type Decimal struct{ d decimal.Decimal }\n",
			"pkg/money/b.go": library + "func f(a, b Decimal) bool { return a.d == b.d }\n",
			"pkg/money/c.go": library + "func g(a, b Decimal) bool { return zero != b.d }\n",
		},
		good: map[string]string{"pkg/money/a.go": library + "type Decimal struct {\n\t_ [0]func()\n\td decimal.Decimal\n}\n\nfunc f(a, b Decimal) bool { return a.d.Equal(b.d) }\n"},
	},
	"no test sleeps": {
		bad: map[string]string{
			"a/a_test.go":            library + "func f() { time.Sleep(1) }\n",
			"internal/natstest/a.go": library + "func f() { time.Sleep(1) }\n",
		},
		good: map[string]string{"a/a.go": library + "func f() { time.Sleep(1) }\n", "a/b_test.go": library + "func f() { time.After(1) }\n"},
	},
	"no test is skipped silently": {
		bad: map[string]string{
			"a/a_test.go": library + "func f() { t.Skip() }\n",
			"a/b_test.go": library + "func f() { t.SkipNow() }\n",
		},
		good: map[string]string{"a/a_test.go": library + "func f() { t.Skip(\"needs credentials\") }\n", "a/b_test.go": library + "func g() { b.SkipNow() }\n"},
	},
	"no package is named after nothing": {
		bad:  map[string]string{"a/a.go": "package util\n", "b/b_test.go": "package helpers_test\n"},
		good: map[string]string{"a/a.go": "package order\n"},
	},
	"no path of a developer's machine is written down": {
		bad: map[string]string{
			"README.md":  "see /ho" + "me/alice/beltline",
			"a/a.go":     library + "const p = \"/Use" + "rs/alice/x\"\n",
			"deploy/x.y": "dir=/ro" + "ot/go/bin",
		},
		good: map[string]string{
			"README.md": "GET /homework/1, https://example.com/home/page, ./wor" + "k/x and $HOME/beltline", // in two parts: it looks like one of the paths that others search for
		},
	},
	"every provider is whole": {
		bad: map[string]string{"pkg/messages/vocabulary.go": wire},
		good: map[string]string{
			"pkg/messages/vocabulary.go":             wire,
			"pkg/providers/moon/moon.go":             library,
			"pkg/providers/moon/moontest/shop.go":    library,
			"pkg/providers/moon/moon_test.go":        library + "var _ = providertest.Run\n",
			"pkg/providers/moon/testdata/SOURCES.md": "Invented.\n",
			"cmd/worker-moon/main.go":                "// Command worker-moon is for tests.\npackage main\n",
			"docs/providers.md":                      "| Moon |\n",
		},
	},
	"requests leave by the client of the providers only": {
		bad: map[string]string{
			"internal/worker/a.go":         library + "import \"net/http\"\n\nvar _, _ = http.Get(\"x\")\n",
			"internal/webhook/a.go":        library + "import \"net/http\"\n\nvar _ = &http.Client{}\n",
			"pkg/providers/skinsback/a.go": library + "import \"net\"\n\nvar _ = net.Dialer{}\n",
			"cmd/beltline/a.go":            "// Command a.\npackage main\n\nimport \"net/http\"\n\nvar _ = http.DefaultClient\n",
		},
		good: map[string]string{
			"internal/providerhttp/a.go":                 library + "import \"net/http\"\n\nvar _ = &http.Transport{}\n",
			"internal/worker/a_test.go":                  library + "import \"net/http\"\n\nvar _ = http.DefaultClient\n",
			"pkg/providers/skinsback/skinsbacktest/a.go": library + "import \"net/http\"\n\nvar _ = &http.Client{}\n",
			"test/bench/a.go":                            library + "import \"net/http\"\n\nvar _ = http.DefaultClient\n",
			"internal/webhook/b.go":                      library + "import \"net/http\"\n\nvar _ = &http.Server{}\n",
		},
	},
	"TLS takes no certificate unseen and no old version": {
		bad: map[string]string{
			"a/a.go":      library + "import \"crypto/tls\"\n\nvar _ = &tls.Config{}\n",
			"a/b.go":      library + "import \"crypto/tls\"\n\nvar _ = tls.Config{MinVersion: tls.VersionTLS10}\n",
			"a/c_test.go": library + "import \"crypto/tls\"\n\nvar _ = tls.Config{InsecureSkipVerify: true}\n",
			"a/d.go":      library + "import \"crypto/tls\"\n\nfunc f(c *tls.Config) { c.InsecureSkipVerify = true }\n",
		},
		good: map[string]string{
			"a/a.go":      library + "import \"crypto/tls\"\n\nvar _ = &tls.Config{ServerName: \"x\", MinVersion: tls.VersionTLS12}\n",
			"a/b.go":      library + "import \"crypto/tls\"\n\nvar _ = tls.Config{MinVersion: tls.VersionTLS13}\n",
			"a/c_test.go": library + "import \"crypto/tls\"\n\nvar _ = tls.Config{}\n",
		},
	},
	"every test that a document names exists": {
		bad:  map[string]string{"docs/guarantees.md": "shown by `TestOrder_IsLost`\n"},
		good: map[string]string{"docs/guarantees.md": "shown by `TestOrder_IsKept`\n", "a/a_test.go": library + "func TestOrder_IsKept() {}\n"},
	},
}

// Each part of a provider is asked for by itself.
func TestRules_AProviderWithoutAnyOneOfItsPartsIsNotWhole(t *testing.T) {
	t.Parallel()
	const name = "every provider is whole"
	for _, rule := range lint.Rules() {
		if rule.Name != name {
			continue
		}
		for part := range seeds[name].good {
			files := maps.Clone(seeds[name].good)
			delete(files, part)
			if got := check(t, rule, files); part != "pkg/messages/vocabulary.go" && len(got) != 1 {
				t.Errorf("without %s: %v", part, got)
			}
		}
	}
}

func TestRules_EachCatchesItsSeededViolationsAndNothingElse(t *testing.T) {
	t.Parallel()
	if len(seeds) != len(lint.Rules()) {
		t.Errorf("%d rules, but seeds for %d", len(lint.Rules()), len(seeds))
	}
	for _, rule := range lint.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			for name, body := range seeds[rule.Name].bad {
				if got := check(t, rule, map[string]string{name: body}); len(got) != 1 || got[0].Path != name || got[0].Line < 1 {
					t.Errorf("%s: got %v, want one violation there; source:\n%.200s", name, got, body)
				}
			}
			if len(seeds[rule.Name].bad) == 0 || len(seeds[rule.Name].good) == 0 {
				t.Error("no seeds")
			}
			if got := check(t, rule, seeds[rule.Name].good); len(got) != 0 {
				t.Errorf("good sources: got %v", got)
			}
		})
	}
}

func check(t *testing.T, rule lint.Rule, files map[string]string) []lint.Violation {
	t.Helper()
	tree, err := lint.Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	return rule.Check(tree)
}
