package lint_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "write docs/licences.md anew")

const (
	licencesPage = "../../docs/licences.md"
	licencesHead = "# Licences of what we build on\n\n" +
		"Beltline is under the Apache License 2.0. It is built and tested with the modules of `go.mod`. `go version -m` of a binary\n" +
		"tells which of them are in it, and at which version. The tools of `tools/go.mod` become part of no program and are not listed.\n" +
		"Written by `go test ./internal/lint -run Licences -update` from the modules' own texts; a module that is not listed, or under\n" +
		"another licence than is said here, fails that test.\n\n| module | licence |\n|---|---|\n"
)

// acceptable are the licences under which a module may become part of programs
// that are given away, without a word from anybody else.
var acceptable = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}

// modules are the required modules of a go.mod, with their versions.
func modules(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require)?\s+([a-z0-9][^\s]*\.[^\s]+) (v[^\s]+)`).FindAllStringSubmatch(string(text), -1) {
		found[m[1]] = m[2]
	}
	return found
}

// folder is where the module cache keeps a module: capitals are written as ! and
// the small letter.
func folder(cache, module, version string) string {
	var b strings.Builder
	for _, r := range module + "@" + version {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return filepath.Join(cache, b.String())
}

// licenceOf reads the licence of a module; "" where its text is not on this
// machine, because nothing of it is compiled.
func licenceOf(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "unreadable"
		}
		return classify(strings.Join(strings.Fields(string(text)), " "))
	}
	return "without a licence"
}

func classify(text string) string {
	has := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case has("GNU AFFERO"), has("GNU GENERAL PUBLIC"), has("GNU LESSER"):
		return "GPL or alike"
	case has("Mozilla Public License"):
		return "MPL-2.0"
	case has("Apache License"), has("www.apache.org/licenses/LICENSE-2.0"):
		return "Apache-2.0"
	case has("Permission is hereby granted, free of charge"):
		return "MIT"
	case has("Redistribution and use in source and binary forms") && (has("either the name") || has("may not be used to endorse")):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	case has("Permission to use, copy, modify, and/or distribute"), has("Permission to use, copy, modify, and distribute"):
		return "ISC"
	default:
		return "unknown"
	}
}

func TestLicences_EveryModuleIsListedUnderItsOwn(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	cache := strings.TrimSpace(string(out))
	listed := map[string]string{}
	page, err := os.ReadFile(licencesPage)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.+) \\|$").FindAllStringSubmatch(string(page), -1) {
		listed[m[1]] = m[2]
	}
	all := map[string]string{}
	for module, version := range modules(t, "../../go.mod") {
		licence := licenceOf(folder(cache, module, version))
		if licence == "" {
			licence = listed[module] // as it was where the text could be read
		}
		all[module] = cmp.Or(licence, "not compiled in")
	}
	if len(all) < 20 {
		t.Fatalf("only %d modules were found in go.mod", len(all))
	}
	var b strings.Builder
	b.WriteString(licencesHead)
	for _, module := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", module, all[module])
		if !slices.Contains(acceptable, all[module]) && all[module] != "not compiled in" {
			t.Errorf("%s is %s: it cannot become part of our programs", module, all[module])
		}
		if !*update && listed[module] != all[module] {
			t.Errorf("%s is under %q, and docs/licences.md says %q; run `go test ./internal/lint -run Licences -update`", module, all[module], listed[module])
		}
	}
	for module := range listed {
		if all[module] == "" && !*update {
			t.Errorf("docs/licences.md lists %s, which no go.mod requires", module)
		}
	}
	if *update {
		if err := os.WriteFile(licencesPage, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLicences_TextsAreTakenForWhatTheyAre(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Apache License Version 2.0, January 2004":                                                       "Apache-2.0",
		"MIT License Permission is hereby granted, free of charge, to any person":                        "MIT",
		"Redistribution and use in source and binary forms … Neither the name of Google":                 "BSD-3-Clause",
		"Redistribution and use in source and binary forms, with or without modification":                "BSD-2-Clause",
		"Permission to use, copy, modify, and/or distribute this software":                               "ISC",
		"Mozilla Public License Version 2.0":                                                             "MPL-2.0",
		"GNU GENERAL PUBLIC LICENSE Version 3. Some files: Permission is hereby granted, free of charge": "GPL or alike",
		"All rights reserved.": "unknown",
	} {
		if got := classify(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
