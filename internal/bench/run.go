package bench

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
)

// BareLoop is the name of the job that everything is compared with.
const BareLoop = "bare loop"

// ours is the name of the pipeline among the jobs.
const ours = "beltline"

// Result is what one job has reached in one mode.
type Result struct {
	Mode    Mode      `json:"mode"`
	Job     string    `json:"job"`
	Workers int       `json:"workers"`
	Median  Figures   `json:"median"`  // each figure's own
	OfBare  Figures   `json:"of_bare"` // the median of the rounds' ratios: both sides of one were taken in the same minutes
	Rounds  []Figures `json:"rounds"`
}

// Report is everything that was measured.
type Report struct {
	Orders   int           `json:"orders"`
	InFlight int           `json:"in_flight"`
	Kind     messages.Kind `json:"kind"`
	// Asked is the rate that was asked for, 0 for 30 % of what was reached.
	Asked   float64  `json:"rate,omitempty"`
	Results []Result `json:"results"`
}

// Run measures everything. What it returns beside an error was measured before
// that. An order that is missing, or that was not bought exactly once, is an error.
func Run(ctx context.Context, o Options) (Report, error) {
	r := Report{Orders: o.Orders, InFlight: o.InFlight, Kind: o.Kind, Asked: o.Rate}
	if err := o.Check(); err != nil {
		return r, err
	}
	for _, m := range o.Modes {
		results, err := o.mode(ctx, m)
		if err != nil {
			return r, fmt.Errorf("%s: %w", m.Title(), err)
		}
		r.Results = append(r.Results, results...)
	}
	return r, nil
}

// jobs lists what is measured in each round, the bare loop first: the load of
// the others follows from what it reaches.
func (o Options) jobs() []job {
	all := []job{bare{}}
	if o.Floor {
		all = append(all, floor{})
	}
	for _, n := range o.Workers {
		all = append(all, pipeline{kind: o.Kind, replicas: n})
	}
	return all
}

// mode measures all jobs by turns, so that a noisy minute hits all of them.
func (o Options) mode(ctx context.Context, m Mode) ([]Result, error) {
	jobs := o.jobs()
	results := make([]Result, len(jobs))
	for i, j := range jobs {
		results[i] = Result{Mode: m, Job: j.name(), Workers: j.workers()}
	}
	for round := range o.Rounds {
		bareRate := 0.0
		for i, j := range jobs {
			f, err := o.once(ctx, m, j, bareRate)
			if err != nil {
				return nil, err
			}
			if i == 0 {
				bareRate = f.Steady
			}
			o.say("%s, round %d of %d, %s: burn-down %.0f/s, steady %.0f/s, p50 %.1f ms and p99 %.1f ms at %.0f/s; the disk %.0f fsync/s",
				m.Title(), round+1, o.Rounds, results[i].title(), f.BurnDown, f.Steady, f.Own.P50, f.Own.P99, f.Own.Rate, f.Fsyncs)
			results[i].Rounds = append(results[i].Rounds, f)
		}
	}
	for i := range results {
		results[i].Median = median(results[i].Rounds)
		results[i].OfBare = ratios(results[i].Rounds, results[0].Rounds)
	}
	return results, nil
}

// once measures a job in one round, on servers of its own.
func (o Options) once(ctx context.Context, m Mode, j job, bareRate float64) (f Figures, err error) {
	dir := o.Dir
	if dir == "" {
		dir = os.TempDir()
	}
	raw, err := fsyncs(dir)
	if err != nil {
		return f, err
	}
	s, err := open(ctx, o, m, j, false)
	if err != nil {
		return f, err
	}
	defer s.end()
	f, err = s.measure(ctx, bareRate)
	f.Fsyncs = raw
	return f, err
}

// title is the job in words.
func (r Result) title() string {
	if r.Job != ours {
		return r.Job
	}
	return fmt.Sprintf("%s, %d %s", r.Job, r.Workers, strings.TrimSuffix("workers", map[bool]string{true: "s"}[r.Workers == 1]))
}
