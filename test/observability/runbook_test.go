package observability_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sections of the runbook by their headings.
func sections(t *testing.T) map[string]string {
	t.Helper()
	body, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, part := range strings.Split("\n"+string(body), "\n## ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		if _, twice := all[name]; twice {
			t.Errorf("two sections are called %s", name)
		}
		all[name] = text
	}
	return all
}

func TestRunbook_HasASectionForEachAlertAndNoOther(t *testing.T) {
	t.Parallel()
	all := sections(t)
	known := map[string]bool{}
	for _, a := range alerts(t) {
		known[a.Alert] = true
		text, ok := all[a.Alert]
		if !ok {
			t.Errorf("%s has no section", a.Alert)
			continue
		}
		at := -1
		for _, part := range []string{"**Means.** ", "**See.**\n```sh\n", "**Do.**\n1. ", "**Never.** "} {
			next := strings.Index(text, part)
			if next <= at {
				t.Errorf("%s: %q is missing, or not in its place", a.Alert, part)
			}
			at = next
		}
	}
	for name := range all {
		if strings.HasPrefix(name, "Beltline") && !known[name] {
			t.Errorf("%s is a section of no alert", name)
		}
	}
}

var (
	alertInText  = regexp.MustCompile(`\[(Beltline\w+)\]\(#(\w+)\)`)
	metricInText = regexp.MustCompile(`\bbeltline[_:][a-z_:]+[a-z0-9]`)
	natsInText   = regexp.MustCompile("(?m)(?:^ *|`)nats ([a-z]+ [a-z-]+(?: [a-z-]+)?)")
)

func TestRunbook_LeadsToWhatThereIs(t *testing.T) {
	t.Parallel()
	all, v := sections(t), words(t)
	for name, text := range all {
		for _, m := range alertInText.FindAllStringSubmatch(text, -1) {
			if all[m[1]] == "" || m[2] != strings.ToLower(m[1]) {
				t.Errorf("%s leads to %s, which is not there", name, m[0])
			}
		}
		for _, metric := range metricInText.FindAllString(text, -1) {
			if v[metric] == nil {
				t.Errorf("%s speaks of %s, which nobody tells", name, metric)
			}
		}
		for _, m := range natsInText.FindAllStringSubmatch(text, -1) {
			if !slices.ContainsFunc(natsCommands, func(c string) bool { return m[1] == c || strings.HasPrefix(m[1], c+" ") }) {
				t.Errorf("%s: the nats command line has no %q", name, m[1])
			}
		}
	}
}

// natsCommands are those of the nats command line that the runbook may use.
var natsCommands = []string{
	"stream info", "stream report", "stream cluster step-down", "consumer info", "consumer report", "kv get", "kv ls",
	"server check connection", "server report jetstream", "server report connections", "service stats", "service ls",
}
