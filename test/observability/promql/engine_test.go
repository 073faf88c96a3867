package promql_test

import (
	"context"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

const (
	// minutes that are made up, one sample each.
	minutes = 240
	step    = time.Minute
)

var (
	begin = time.Unix(1_700_000_000, 0).Truncate(time.Minute)
	end   = begin.Add(minutes * step)
)

func newParser() parser.Parser { return parser.NewParser(parser.Options{}) }

func newEngine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute, LookbackDelta: 90 * time.Second, Parser: newParser()})
}

// point is one sample.
type point struct {
	t int64
	v float64
}

func (p point) T() int64                      { return p.t }
func (p point) ST() int64                     { return 0 }
func (p point) F() float64                    { return p.v }
func (p point) H() *histogram.Histogram       { return nil }
func (p point) FH() *histogram.FloatHistogram { return nil }
func (p point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample           { return p }

// world holds made-up series.
type world struct{ series []storage.Series }

// add takes a series as Prometheus' own rule tests write it: `up{job="x"} 1+0x240`.
func (w *world) add(t *testing.T, text string) {
	t.Helper()
	lset, values, err := newParser().ParseSeriesDesc(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var points []chunks.Sample
	for i, v := range values {
		if !v.Omitted {
			points = append(points, point{begin.Add(time.Duration(i) * step).UnixMilli(), v.Value})
		}
	}
	w.series = append(w.series, storage.NewListSeries(lset, points))
}

// record adds what a recording rule makes of the series.
func (w *world) record(t *testing.T, name, expr string, more map[string]string) {
	t.Helper()
	for _, s := range w.ask(t, expr, begin, end) {
		b := labels.NewBuilder(s.Metric)
		b.Set(model.MetricNameLabel, name)
		for _, k := range slices.Sorted(maps.Keys(more)) {
			b.Set(k, more[k])
		}
		var points []chunks.Sample
		for _, f := range s.Floats {
			points = append(points, point{f.T, f.F})
		}
		w.series = append(w.series, storage.NewListSeries(b.Labels(), points))
	}
}

func (w *world) ask(t *testing.T, expr string, from, to time.Time) promql.Matrix {
	t.Helper()
	q, err := newEngine().NewRangeQuery(t.Context(), w, nil, expr, from, to, step)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	defer q.Close()
	result := q.Exec(t.Context())
	if result.Err != nil {
		t.Fatalf("%s: %v", expr, result.Err)
	}
	matrix, err := result.Matrix()
	if err != nil {
		t.Fatal(err)
	}
	for i := range matrix { // the engine takes its memory back
		matrix[i].Floats = slices.Clone(matrix[i].Floats)
	}
	return matrix
}

// firing lists the alerts that an expression raises at the end, having held for so long.
func (w *world) firing(t *testing.T, expr string, held time.Duration) (all []labels.Labels) {
	t.Helper()
	for _, s := range w.ask(t, expr, end.Add(-held), end) {
		if len(s.Floats) != int(held/step)+1 {
			continue
		}
		if math.IsNaN(s.Floats[len(s.Floats)-1].F) {
			t.Errorf("%s: %s tells no number", expr, s.Metric)
		}
		all = append(all, s.Metric)
	}
	return all
}

// Querier makes the world something that the engine can ask.
func (w *world) Querier(_, _ int64) (storage.Querier, error) { return w, nil }

// Select finds series, sorted by their labels.
func (w *world) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &found{at: -1}
	for _, s := range w.series {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.Labels().Get(m.Name)) }) {
			found.series = append(found.series, s)
		}
	}
	slices.SortFunc(found.series, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return found
}

// LabelValues is asked by nobody here.
func (*world) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// LabelNames is asked by nobody here.
func (*world) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// Close has nothing to close.
func (*world) Close() error { return nil }

type found struct {
	series []storage.Series
	at     int
}

func (f *found) Next() bool                        { f.at++; return f.at < len(f.series) }
func (f *found) At() storage.Series                { return f.series[f.at] }
func (f *found) Err() error                        { return nil }
func (f *found) Warnings() annotations.Annotations { return nil }
