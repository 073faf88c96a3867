package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/test/crash/rig"
)

// errSurvived: a mutant was not caught, so the judges are blind to what it does.
var errSurvived = errors.New("a mutant survived")

// caught is what came of one mutant.
type caught struct {
	mutant.Mutant
	by   string // what has caught it; empty: it survived
	took time.Duration
	err  error // the judge itself failed
}

// chosen lists the mutants that were asked for: all, some by name, or two that
// the commit picks, so that all get their turn over many commits. The commit
// picks among those that a unit test catches: those of the rig need a minute of
// luck each on a machine that is quiet, and a check of every commit has neither.
func chosen(text, commit string) ([]mutant.Mutant, error) {
	all := mutant.All()
	switch text {
	case "all":
		return all, nil
	case "commit":
		all = slices.DeleteFunc(all, func(m mutant.Mutant) bool { return m.Test == "" })
		h := fnv.New32a()
		_, _ = h.Write([]byte(strings.TrimSuffix(commit, "+")))
		first := int(h.Sum32() % uint32(len(all)))                        //nolint:gosec // a few
		second := (first + 1 + int(h.Sum32()>>8)%(len(all)-1)) % len(all) //nolint:gosec // a few
		return []mutant.Mutant{all[first], all[second]}, nil
	}
	var some []mutant.Mutant
	for id := range strings.SplitSeq(text, ",") {
		m, ok := mutant.Of(id)
		if !ok {
			return nil, fmt.Errorf("there is no mutant %q", id)
		}
		some = append(some, m)
	}
	return some, nil
}

// mutants runs those that were asked for, and fails where one survives.
func (c command) mutants(ctx context.Context) error {
	some, err := chosen(c.hunt, c.Commit)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(some, func(m mutant.Mutant) bool { return m.Test == "" }) {
		if err := rig.Build(ctx, c.Programs, "mutant"); err != nil {
			return err
		}
	}
	var found []caught
	sound := map[string]error{} // by what judges
	for _, m := range some {
		begun := time.Now()
		f := caught{Mutant: m}
		for try := range 2 {
			// A slow machine may need one longer try before anybody is blamed.
			if f.by, f.err = c.hunted(ctx, m, try > 0); f.by != "" || f.err != nil || ctx.Err() != nil {
				break
			}
		}
		f.took = time.Since(begun)
		judge := m.Test + rig.Scene(m.ID)
		if _, done := sound[judge]; !done && c.Sound {
			sound[judge] = c.passes(ctx, m)
		}
		if f.err == nil {
			f.err = sound[judge]
		}
		fmt.Fprintf(os.Stderr, "%s %s: %s\n", time.Now().Format("15:04:05"), m.ID, orSurvived(f))
		found = append(found, f)
	}
	return show(found)
}

// hunted runs one mutant and says what has caught it.
func (c command) hunted(ctx context.Context, m mutant.Mutant, longer bool) (by string, err error) {
	if m.Test != "" {
		return testedBy(ctx, m)
	}
	o := c.Options
	o.Sound = false
	result, err := rig.Mutant(ctx, o, m.ID, longer)
	if err != nil || len(result.Report.Of(m.Invariant).Findings) == 0 {
		return "", err
	}
	first := result.Report.Of(m.Invariant).Findings[0]
	return fmt.Sprintf("%s in the rig: %s %s", m.Invariant, first.Order, shortened(first.Text)), nil
}

// shortened keeps a table readable.
func shortened(text string) string {
	const most = 70
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// unit runs the test of a mutant.
func unit(ctx context.Context, m mutant.Mutant, id string) (out []byte, err error) {
	dir, name, _ := strings.Cut(m.Test, " ")
	cmd := exec.CommandContext(ctx, "go", "test", "-tags", "mutant", "-count=1", "-timeout", "120s", "-run", "^"+name+"$", "./"+dir) //nolint:gosec // our own table
	cmd.Env = append(os.Environ(), "MUTANT="+id)
	return cmd.CombinedOutput()
}

// testedBy reports whether the test of a mutant fails. A build that fails, or a
// test that does not run, has caught nothing.
func testedBy(ctx context.Context, m mutant.Mutant) (by string, err error) {
	out, err := unit(ctx, m, m.ID)
	dir, name, _ := strings.Cut(m.Test, " ")
	switch {
	case err == nil:
		return "", nil
	case bytes.Contains(out, []byte("--- FAIL: "+name)):
		return name + " in " + dir, nil
	default:
		return "", fmt.Errorf("%s: %w\n%s", m.Test, err, out)
	}
}

// passes makes sure that the judge finds nothing where there is no mutant.
func (c command) passes(ctx context.Context, m mutant.Mutant) error {
	if m.Test == "" {
		result, err := rig.Mutant(ctx, c.Options, m.ID, false)
		if err == nil && !result.OK() {
			result.Report.Write(os.Stdout)
			err = fmt.Errorf("the run (%s) finds faults without any mutant: %w", rig.Scene(m.ID), errBroken)
		}
		return err
	}
	if out, err := unit(ctx, m, ""); err != nil {
		return fmt.Errorf("%s fails without any mutant: %w\n%s", m.Test, err, out)
	}
	return nil
}

func orSurvived(f caught) string {
	switch {
	case f.err != nil:
		return f.err.Error()
	case f.by == "":
		return "SURVIVED"
	default:
		return f.by
	}
}

// show prints the table.
func show(found []caught) error {
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.AppendHeader(table.Row{"mutant", "what it does", "must break", "caught by", "time"})
	var faults []error
	for _, f := range found {
		t.AppendRow(table.Row{f.ID, f.What, f.Invariant, orSurvived(f), f.took.Round(100 * time.Millisecond)})
		if f.err != nil || f.by == "" {
			faults = append(faults, fmt.Errorf("%s: %w", f.ID, errors.Join(errSurvived, f.err)))
		}
	}
	t.Render()
	fmt.Printf("%d of %d mutants caught\n", len(found)-len(faults), len(found))
	return errors.Join(faults...)
}
