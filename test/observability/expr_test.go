package observability_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// selector is a metric in an expression, with what is asked of its labels.
type selector struct {
	metric   string
	matchers []matcher
}

type matcher struct{ label, op, value string }

// expression is what can be known of one without evaluating it. That it can be
// evaluated is shown by the module in the folder promql, with Prometheus' own parser.
type expression struct {
	selectors []selector
	grouped   []string // labels in by, without, on, ignoring and group_left
}

var (
	tokens = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[A-Za-z_:][A-Za-z0-9_:]*|[0-9][0-9a-z.]*|=~|!~|!=|==|>=|<=|\s+|.`)
	word   = regexp.MustCompile(`^[A-Za-z_:][A-Za-z0-9_:]*$`)
)

var functions = []string{
	"sum", "max", "min", "avg", "count", "topk", "rate", "increase", "delta", "histogram_quantile", "absent", "time", "vector",
	"min_over_time", "max_over_time", "predict_linear", "clamp_min", "label_replace", "changes",
}

var (
	groupers  = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	operators = []string{"and", "or", "unless", "bool", "offset"}
)

// read takes an expression apart.
func read(text string) (e expression, err error) {
	var all []string
	for _, token := range tokens.FindAllString(text, -1) {
		if strings.TrimSpace(token) != "" {
			all = append(all, token)
		}
	}
	var open []string
	for i := 0; i < len(all); i++ {
		token := all[i]
		next := ""
		if i+1 < len(all) {
			next = all[i+1]
		}
		switch {
		case strings.Contains("([{", token):
			open = append(open, token)
		case strings.Contains(")]}", token):
			if len(open) == 0 || strings.Index("([{", open[len(open)-1]) != strings.Index(")]}", token) {
				return e, fmt.Errorf("a %s too many", token)
			}
			open = open[:len(open)-1]
		case !word.MatchString(token) || slices.Contains(operators, token):
		case slices.Contains(groupers, token):
			if next != "(" {
				return e, fmt.Errorf("%s without a list", token)
			}
			for i += 2; i < len(all) && all[i] != ")"; i++ {
				if all[i] != "," {
					e.grouped = append(e.grouped, all[i])
				}
			}
		case next == "(" || next == "by" || next == "without":
			if !slices.Contains(functions, token) {
				return e, fmt.Errorf("unknown function %s", token)
			}
		default:
			s := selector{metric: token}
			if next == "{" {
				if s.matchers, i, err = readMatchers(all, i+2); err != nil {
					return e, err
				}
			}
			e.selectors = append(e.selectors, s)
		}
	}
	if len(open) > 0 {
		return e, fmt.Errorf("a %s is not closed", open[len(open)-1])
	}
	return e, nil
}

// readMatchers reads from behind the opening brace to the closing one.
func readMatchers(all []string, i int) (matchers []matcher, end int, err error) {
	for ; i < len(all) && all[i] != "}"; i++ {
		if all[i] == "," {
			continue
		}
		if i+2 >= len(all) || !word.MatchString(all[i]) || !slices.Contains([]string{"=", "!=", "=~", "!~"}, all[i+1]) || !strings.HasPrefix(all[i+2], `"`) {
			return nil, 0, fmt.Errorf("not a matcher: %s", strings.Join(all[i:min(i+3, len(all))], ""))
		}
		matchers = append(matchers, matcher{all[i], all[i+1], strings.Trim(all[i+2], `"`)})
		i += 2
	}
	if i >= len(all) {
		return nil, 0, fmt.Errorf("a { is not closed")
	}
	return matchers, i, nil
}

// vocabulary is what expressions may speak of: labels by the metrics' names.
type vocabulary map[string][]string

// added by Prometheus to whatever it scrapes.
var scraped = []string{"instance", "job"}

// words of the documented metrics, and of what the recording rules make of them.
func words(t *testing.T) vocabulary {
	t.Helper()
	v := vocabulary{"up": scraped}
	for name, m := range documented(t) {
		labels := slices.Clone(scraped)
		if m.labels != "" {
			labels = append(labels, strings.Split(m.labels, ", ")...)
		}
		if m.typ != "histogram" {
			v[name] = labels
			continue
		}
		v[name+"_sum"], v[name+"_count"] = labels, labels
		v[name+"_bucket"] = append(slices.Clone(labels), "le")
	}
	for _, r := range rules(t, "beltline.records.yaml") {
		labels := v[r.Record]
		for label := range r.Labels {
			labels = append(labels, label)
		}
		if e, err := read(r.Expr); err == nil {
			labels = append(labels, e.grouped...)
		}
		v[r.Record] = labels
	}
	return v
}

// check says what of an expression is not there.
func (v vocabulary) check(text string) (faults []string) {
	e, err := read(text)
	if err != nil {
		return []string{err.Error()}
	}
	var known []string
	for _, s := range e.selectors {
		labels, ok := v[s.metric]
		if !ok {
			faults = append(faults, "no program tells "+s.metric)
			continue
		}
		known = append(known, labels...)
		for _, m := range s.matchers {
			if !slices.Contains(labels, m.label) {
				faults = append(faults, s.metric+" has no label "+m.label)
			}
		}
	}
	for _, g := range e.grouped {
		if !slices.Contains(known, g) {
			faults = append(faults, "nothing in it has the label "+g)
		}
	}
	return faults
}

func TestExpressions_FaultsAreSeen(t *testing.T) {
	t.Parallel()
	v := vocabulary{"beltline_a": {"provider", "state"}, "beltline_b_bucket": {"provider", "le"}}
	for text, want := range map[string]int{
		`sum by (provider) (rate(beltline_a{state=~"x|y(z)"}[5m])) > 0`:          0,
		`histogram_quantile(0.9, sum by (le) (rate(beltline_b_bucket[5m]))) > 1`: 0,
		`beltline_a - min_over_time(beltline_a[1h] offset 5m) unless beltline_a`: 0,
		`beltline_c > 0`:                     1,
		`beltline_a{tenant="x"}`:             1,
		`sum by (tenant) (beltline_a)`:       1,
		`sum by provider (beltline_a)`:       1,
		`summ(beltline_a)`:                   1,
		`sum(beltline_a`:                     1,
		`sum(beltline_a))`:                   1,
		`beltline_a{state~"x"}`:              1,
		`beltline_a{state="x"`:               1,
		`beltline_b{tenant="x"} > up[5m)`:    1,
		`sum by (le) (rate(beltline_a[5m]))`: 1,
	} {
		if got := v.check(text); (len(got) > 0) != (want > 0) {
			t.Errorf("%s: %v", text, got)
		}
	}
}
