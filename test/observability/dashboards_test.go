package observability_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const dashboardsFolder = "../../deploy/grafana/dashboards"

// dashboard is what of Grafana's model is looked at.
type dashboard struct {
	UID        string `json:"uid"`
	Title      string `json:"title"`
	ID         *int   `json:"id"`
	Panels     []panel
	Templating struct {
		List []struct {
			Name       string      `json:"name"`
			Type       string      `json:"type"`
			Query      any         `json:"query"`
			Datasource *datasource `json:"datasource"`
		} `json:"list"`
	} `json:"templating"`
	Links []struct {
		URL string `json:"url"`
	} `json:"links"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type panel struct {
	ID          int         `json:"id"`
	Type        string      `json:"type"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Datasource  *datasource `json:"datasource"`
	Grid        struct {
		X, Y, W, H int
	} `json:"gridPos"`
	Targets []struct {
		RefID string `json:"refId"`
		Expr  string `json:"expr"`
	} `json:"targets"`
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dashboardsFolder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	all := map[string]dashboard{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(body, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = d
	}
	return all
}

// plain replaces what Grafana fills in by what Prometheus would be asked.
func plain(expr string) string {
	return strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$provider", ".+", "${provider}", ".+").Replace(expr)
}

func expressionsOfDashboards(t *testing.T) (all []string) {
	t.Helper()
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				all = append(all, plain(target.Expr))
			}
		}
	}
	return all
}

func TestDashboards_ShowOnlyWhatThereIs(t *testing.T) {
	t.Parallel()
	v := words(t)
	used := map[string]bool{}
	for file, d := range dashboards(t) {
		for _, p := range d.Panels {
			if p.Type == "row" {
				continue
			}
			if len(p.Targets) == 0 {
				t.Errorf("%s: %s shows nothing", file, p.Title)
			}
			for _, target := range p.Targets {
				if strings.Contains(plain(target.Expr), "$") {
					t.Errorf("%s: %s: a variable that the dashboard does not have: %s", file, p.Title, target.Expr)
				}
				for _, fault := range v.check(plain(target.Expr)) {
					t.Errorf("%s: %s: %s", file, p.Title, fault)
				}
				e, _ := read(plain(target.Expr))
				for _, s := range e.selectors {
					used[s.metric] = true
				}
			}
		}
	}
	for _, text := range expressionsOfRules(t) {
		e, _ := read(text)
		for _, s := range e.selectors {
			used[s.metric] = true
		}
	}
	for name, m := range documented(t) {
		shown := used[name] || m.typ == "histogram" && (used[name+"_bucket"] || used[name+"_count"] || used[name+"_sum"])
		if !shown {
			t.Errorf("%s is told and nobody looks at it: neither a dashboard nor a rule", name)
		}
	}
}

func TestDashboards_CanBeProvisionedAnywhere(t *testing.T) {
	t.Parallel()
	uids := map[string]string{}
	for file, d := range dashboards(t) {
		if d.UID == "" || len(d.UID) > 40 || uids[d.UID] != "" || d.ID != nil {
			t.Errorf("%s: uid %q is missing, too long or that of %s, or it has an id of one installation", file, d.UID, uids[d.UID])
		}
		uids[d.UID] = file
		var variables []string
		for _, v := range d.Templating.List {
			variables = append(variables, v.Name+":"+v.Type)
		}
		if !slices.Contains(variables, "datasource:datasource") || !slices.Contains(variables, "provider:query") {
			t.Errorf("%s: variables are %v", file, variables)
		}
		seen := map[int]bool{}
		for i, p := range d.Panels {
			if seen[p.ID] || p.Title == "" {
				t.Errorf("%s: panel %d (%q) has no title, or the id of another", file, p.ID, p.Title)
			}
			seen[p.ID] = true
			if p.Type != "row" && (p.Datasource == nil || p.Datasource.UID != "${datasource}") {
				t.Errorf("%s: %s has the data source of one installation", file, p.Title)
			}
			if p.Type != "row" && p.Description == "" {
				t.Errorf("%s: %s does not say how to read it", file, p.Title)
			}
			if p.Grid.X < 0 || p.Grid.X+p.Grid.W > 24 || p.Grid.W == 0 || p.Grid.H == 0 {
				t.Errorf("%s: %s stands at %+v", file, p.Title, p.Grid)
			}
			for _, q := range d.Panels[:i] {
				if p.Grid.X < q.Grid.X+q.Grid.W && q.Grid.X < p.Grid.X+p.Grid.W && p.Grid.Y < q.Grid.Y+q.Grid.H && q.Grid.Y < p.Grid.Y+p.Grid.H {
					t.Errorf("%s: %s covers %s", file, p.Title, q.Title)
				}
			}
		}
	}
	if len(uids) < 4 {
		t.Errorf("%d dashboards", len(uids))
	}
}
