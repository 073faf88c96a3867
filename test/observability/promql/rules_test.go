package promql_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

const deploy = "../../../deploy"

// load reads rules as Prometheus does, templates of annotations included.
func load(t *testing.T, file string) (all []rulefmt.Rule) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(deploy, "prometheus", file))
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(body, false, model.UTF8Validation, newParser(), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Fatalf("%s: %v", file, err)
	}
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func TestAlerts_ComeWhenTheyShouldAndStayAwayWhenTheyShould(t *testing.T) {
	t.Parallel()
	records := load(t, "beltline.records.yaml")
	tried := map[string]bool{}
	for _, a := range load(t, "beltline.alerts.yaml") {
		scenes, ok := scenes()[a.Alert]
		if !ok {
			t.Errorf("%s has no scene", a.Alert)
			continue
		}
		tried[a.Alert] = true
		t.Run(a.Alert, func(t *testing.T) {
			t.Parallel()
			for _, s := range []struct {
				series []string
				comes  bool
			}{{scenes.comes, true}, {scenes.stays, false}} {
				w := &world{}
				for _, text := range s.series {
					w.add(t, text)
				}
				for _, r := range records {
					w.record(t, r.Record, r.Expr, r.Labels)
				}
				if got := w.firing(t, a.Expr, time.Duration(a.For)); (len(got) > 0) != s.comes {
					t.Errorf("raised %v by\n%s", got, strings.Join(s.series, "\n"))
				}
			}
		})
	}
	for name := range scenes() {
		if !tried[name] {
			t.Errorf("the scene of %s is of no alert", name)
		}
	}
}

func TestDashboards_AskWhatPrometheusUnderstands(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(deploy, "grafana", "dashboards", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	filled := strings.NewReplacer("$__rate_interval", "5m", "$provider", ".+")
	var asked []string
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(body, &d); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				asked = append(asked, target.Expr)
				if _, err := newParser().ParseExpr(filled.Replace(target.Expr)); err != nil {
					t.Errorf("%s: %s: %v", filepath.Base(file), p.Title, err)
				}
			}
		}
	}
	if slices.Sort(asked); len(asked) < 50 {
		t.Errorf("only %d questions were found", len(asked))
	}
}
