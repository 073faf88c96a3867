package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/jedib0t/go-pretty/v6/table"
)

// sorts are the profiles that are taken: what a page of the runtime is asked
// for, and which of its values counts.
var sorts = []struct{ name, page, value string }{
	{"cpu", "profile", "cpu"},
	{"allocs", "allocs", "alloc_space"},
}

// Profiled is one profile that was written.
type Profiled struct {
	Mode    Mode    `json:"mode"`
	Program string  `json:"program"`
	Sort    string  `json:"profile"` // cpu or allocs
	File    string  `json:"file"`
	Top     []Share `json:"top"`
}

// top is how many packages are shown.
const top = 15

// Profile writes profiles of the dispatcher, the first worker and the first
// nats-server into dir, taken while as many orders are submitted as are taken,
// for as long as a measurement of latency takes. Each program is a process of
// its own, so each profile is of that program alone.
func Profile(ctx context.Context, o Options, dir string) ([]Profiled, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	var all []Profiled
	for _, m := range o.Modes {
		o.say("%s: profiles for %v", m.Title(), o.Latency)
		written, err := o.profile(ctx, m, dir)
		all = append(all, written...)
		if err != nil {
			return all, fmt.Errorf("%s: %w", m.Title(), err)
		}
	}
	return all, nil
}

func (o Options) profile(ctx context.Context, m Mode, dir string) (all []Profiled, err error) {
	s, err := open(ctx, o, m, pipeline{kind: o.Kind, replicas: o.Workers[0]}, true)
	if err != nil {
		return nil, err
	}
	defer s.end()
	if _, err := s.flood(ctx, "warming up", min(warmUp, o.Orders)); err != nil {
		return nil, fmt.Errorf("warming up: %w", err)
	}
	taken := make(chan error, 1)
	go func() {
		var takeErr error
		all, takeErr = s.takeProfiles(ctx, dir)
		taken <- takeErr
	}()
	for {
		_, floodErr := s.flood(ctx, "profiled", o.Orders)
		if floodErr != nil {
			return all, errors.Join(floodErr, <-taken)
		}
		select {
		case err := <-taken:
			return all, err
		default:
		}
	}
}

// takeProfiles takes all profiles at once, so that they are of the same time.
func (s *stage) takeProfiles(ctx context.Context, dir string) ([]Profiled, error) {
	type source struct{ program, url string }
	sources := []source{{"dispatcher", s.programs[0].url}, {"worker", s.programs[1].url}, {"nats-server", s.profiles}}
	all, errs := make([]Profiled, len(sources)*len(sorts)), make([]error, len(sources)*len(sorts))
	var group sync.WaitGroup
	for i, from := range sources {
		for j, sort := range sorts {
			at := i*len(sorts) + j
			group.Go(func() {
				p := Profiled{Mode: s.mode, Program: from.program, Sort: sort.name}
				p.File = filepath.Join(dir, fmt.Sprintf("%s.%s.%s.pprof", s.mode, p.Program, p.Sort))
				url := fmt.Sprintf("%s/debug/pprof/%s?seconds=%d", from.url, sort.page, max(1, int(s.o.Latency.Seconds())))
				p.Top, errs[at] = fetchProfile(ctx, url, p.File, sort.value)
				all[at] = p
			})
		}
	}
	group.Wait()
	return all, errors.Join(errs...)
}

// fetchProfile writes a profile to a file, and says which packages it is of.
func fetchProfile(ctx context.Context, url, file, value string) ([]Share, error) {
	body, err := ask(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return nil, err
	}
	shares, err := packageShares(body, value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return shares[:min(top, len(shares))], nil
}

// ProfileTables writes a table for each profile.
func ProfileTables(w io.Writer, all []Profiled) {
	for _, p := range all {
		_, _ = fmt.Fprintf(w, "%s, %s, %s (%s)\n", p.Mode.Title(), p.Program, p.Sort, p.File)
		t := newTable()
		t.AppendHeader(table.Row{"package", "itself", "with what it calls"})
		for _, x := range p.Top {
			t.AppendRow(table.Row{x.Package, fmt.Sprintf("%.1f %%", 100*x.Flat), fmt.Sprintf("%.1f %%", 100*x.Cumulative)})
		}
		_, _ = fmt.Fprintf(w, "%s\n\n", t.Render())
	}
}
