package observability_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const rulesFolder = "../../deploy/prometheus"

// rule is one rule of Prometheus, of either kind.
type rule struct {
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// rules reads a file of rules strictly: Prometheus refuses what it does not know.
func rules(t *testing.T, file string) (all []rule) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(rulesFolder, file))
	if err != nil {
		t.Fatal(err)
	}
	var content struct {
		Groups []struct {
			Name     string `yaml:"name"`
			Interval string `yaml:"interval"`
			Rules    []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	d := yaml.NewDecoder(bytes.NewReader(body))
	d.KnownFields(true)
	if err := d.Decode(&content); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, g := range content.Groups {
		if g.Name == "" || len(g.Rules) == 0 {
			t.Errorf("%s: group %q has no name or no rules", file, g.Name)
		}
		all = append(all, g.Rules...)
	}
	return all
}

func alerts(t *testing.T) []rule { return rules(t, "beltline.alerts.yaml") }

func TestRules_SpeakOnlyOfWhatThereIs(t *testing.T) {
	t.Parallel()
	v := words(t)
	for _, file := range []string{"beltline.records.yaml", "beltline.alerts.yaml"} {
		for _, r := range rules(t, file) {
			for _, fault := range v.check(r.Expr) {
				t.Errorf("%s%s: %s", r.Record, r.Alert, fault)
			}
		}
	}
}

var labelInText = regexp.MustCompile(`\$labels\.([a-z_]+)`)

func TestAlerts_SayHowBadItIsWhatItMeansAndWhereToRead(t *testing.T) {
	t.Parallel()
	v := words(t)
	seen := map[string]bool{}
	for _, r := range alerts(t) {
		if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Beltline") {
			t.Errorf("%s: the name is taken, or is not ours", r.Alert)
		}
		seen[r.Alert] = true
		if _, err := time.ParseDuration(r.For); err != nil {
			t.Errorf("%s: for %q: %v", r.Alert, r.For, err)
		}
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		want := "https://github.com/beltline-io/beltline/blob/main/docs/runbook.md#" + strings.ToLower(r.Alert)
		if r.Annotations["runbook_url"] != want {
			t.Errorf("%s: its runbook is %q", r.Alert, r.Annotations["runbook_url"])
		}
		e, err := read(r.Expr)
		if err != nil {
			t.Errorf("%s: %v", r.Alert, err)
			continue
		}
		for _, name := range []string{"summary", "description"} {
			if len(r.Annotations[name]) < 10 {
				t.Errorf("%s: %s is %q", r.Alert, name, r.Annotations[name])
			}
			for _, m := range labelInText.FindAllStringSubmatch(r.Annotations[name], -1) {
				if !slices.Contains(e.grouped, m[1]) && !slices.ContainsFunc(e.selectors, func(s selector) bool { return slices.Contains(v[s.metric], m[1]) }) {
					t.Errorf("%s: its %s tells the label %s, which the alert does not have", r.Alert, name, m[1])
				}
			}
		}
	}
}

// hasWhatIsLookedFor holds the values that rules and dashboards ask labels for
// against those that the programs tell. An alert on a value that is never told is
// one that never comes.
func (p *pipeline) hasWhatIsLookedFor(gathered map[string]*family) {
	p.t.Helper()
	for _, text := range append(expressionsOfRules(p.t), expressionsOfDashboards(p.t)...) {
		e, err := read(text)
		if err != nil {
			continue // told elsewhere
		}
		for _, s := range e.selectors {
			f := gathered[strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(s.metric, "_bucket"), "_count"), "_sum")]
			if f == nil {
				continue // recorded, or made by Prometheus
			}
			for _, m := range s.matchers {
				for _, value := range wanted(m) {
					if !f.tells(m.label, value) && !occasional(m.label) {
						p.t.Errorf("%s: no program tells %s=%q", text, m.label, value)
					}
				}
			}
		}
	}
}

// occasional are labels whose values come with what happens, not at the start. Those
// of class are the classes of provider errors.
func occasional(label string) bool { return slices.Contains([]string{"class", "op", "job"}, label) }

// wanted lists the values that a matcher names; patterns are tried as they are.
func wanted(m matcher) []string {
	if m.value == "" || strings.Contains(m.value, "$") {
		return nil
	}
	if m.op == "=" || m.op == "!=" {
		return []string{regexp.QuoteMeta(m.value)}
	}
	return strings.Split(m.value, "|")
}

func expressionsOfRules(t *testing.T) (all []string) {
	t.Helper()
	for _, file := range []string{"beltline.records.yaml", "beltline.alerts.yaml"} {
		for _, r := range rules(t, file) {
			all = append(all, r.Expr)
		}
	}
	return all
}

func TestPrometheus_TheExampleLoadsTheRulesThatAreThere(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join(rulesFolder, "prometheus.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		RuleFiles []string `yaml:"rule_files"`
		Scrape    []struct {
			Job string `yaml:"job_name"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(body, &config); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(config.RuleFiles, []string{"beltline.records.yaml", "beltline.alerts.yaml"}) {
		t.Errorf("rule files: %v", config.RuleFiles)
	}
	if len(config.Scrape) != 1 || config.Scrape[0].Job != "beltline" {
		t.Errorf("the alerts know the job beltline, and it is %v", config.Scrape)
	}
}
