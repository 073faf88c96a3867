package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/beltline-io/beltline/cmd/beltline/internal/deadletters"
	"github.com/beltline-io/beltline/internal/app"
)

// letterChoice says which letters something is to be done with: some by their
// numbers, or all that fit a filter.
type letterChoice struct {
	letterFilter
	output
	Seqs   []uint64 `arg:"" optional:"" name:"seq" help:"The letters' numbers, as dlq list shows them; or use the flags that pick them."`
	Yes    bool     `name:"yes" short:"y" help:"Do not ask for a confirmation."`
	DryRun bool     `name:"dry-run" short:"n" help:"Change nothing, and say what would be done."`
}

// Check applies the rules of the section.
func (c *letterChoice) Check(f *app.Faults) {
	c.letterFilter.Check(f)
	picked := c.letterFilter != (letterFilter{})
	switch {
	case len(c.Seqs) == 0 && !picked:
		f.Add("seq", "is required, or a flag that says which letters are meant; --since 720h for all of them")
	case len(c.Seqs) > 0 && picked:
		f.Add("seq", "cannot be given together with flags that pick letters")
	}
}

// deed is what is done with each letter.
type deed struct {
	verb, done string // "replay", "replayed"
	// try says what would be done with a letter.
	try func(ctx context.Context, l *deadletters.Letter) (string, error)
	// do does it, and says what was done.
	do func(ctx context.Context, l *deadletters.Letter) (string, error)
}

// outcome is what became of one letter.
type outcome struct {
	letterJSON
	Done   string `json:"done,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
	Fault  string `json:"failed,omitempty"`
}

// each does a deed with all letters that are meant, one after the other.
func (c *letterChoice) each(ctx context.Context, s *session, box *deadletters.Box, d deed) int {
	seqs := c.Seqs
	p := &progress{s: s}
	if len(seqs) == 0 {
		all, _, err := box.Collect(ctx, c.filter(), 0, func(found int, left uint64) { p.tell("%d found, %d to look at", found, left) })
		p.end()
		if err != nil {
			return s.stopped(ctx, err)
		}
		for _, l := range all {
			seqs = append(seqs, l.Seq)
		}
		if len(all) == 0 {
			s.say("no dead letters")
			return app.ExitOK
		}
		if code, ok := c.confirmed(ctx, s, d, all); !ok {
			return code
		}
	}
	var did, missing, failed int
	for i, seq := range seqs {
		if ctx.Err() != nil {
			break
		}
		p.tell("%d of %d", i, len(seqs))
		switch err := c.one(ctx, s, box, d, seq, p); {
		case err == nil:
			did++
		case errors.Is(err, deadletters.ErrNotFound):
			missing++
			p.end()
			s.say("beltline: %s", err)
		default:
			failed++
		}
	}
	p.end()
	return c.summary(ctx, s, d, len(seqs), did, missing, failed)
}

// confirmed asks whether so many letters are really meant.
func (c *letterChoice) confirmed(ctx context.Context, s *session, d deed, all []deadletters.Letter) (code int, ok bool) {
	switch {
	case c.Yes || c.DryRun:
		return 0, true
	case !s.StdinTerminal:
		return s.misused(path(s.Args), app.Misconfigured("--yes",
			"is required to %s %s where nobody can be asked: standard input is not a terminal", d.verb, letters(len(all)))), false
	}
	_, _ = fmt.Fprintf(s.Stderr, "This would %s %s, from %d to %d. Type yes to do it: ", d.verb, letters(len(all)), all[0].Seq, all[len(all)-1].Seq)
	if text, err := newLineReader(s.Stdin).next(ctx); err != nil || !strings.EqualFold(text, "yes") {
		s.say("\nbeltline: nothing was done: it was not confirmed")
		if ctx.Err() != nil {
			return app.ExitSignal, false
		}
		return app.ExitFailure, false
	}
	return 0, true
}

// one does it with one letter, and says so.
func (c *letterChoice) one(ctx context.Context, s *session, box *deadletters.Box, d deed, seq uint64, p *progress) error {
	l, err := box.Get(ctx, seq)
	if errors.Is(err, deadletters.ErrNotFound) {
		return err
	}
	o := outcome{DryRun: c.DryRun}
	o.Seq = seq
	if err == nil {
		o.letterJSON = letterOf(l)
		do := d.do
		if c.DryRun {
			do = d.try
		}
		o.Done, err = do(ctx, l)
	}
	if err != nil {
		o.Fault = err.Error()
	}
	p.end()
	if c.json() {
		return errors.Join(err, s.tellJSON(o))
	}
	was := deadletters.Escape(o.Subject)
	switch {
	case err != nil && o.Done != "":
		s.tell("%d\t%s\t%s\t%s", seq, was, o.Done, deadletters.Escape(o.Fault))
	case err != nil:
		s.tell("%d\t%s\tnot %s\t%s", seq, was, d.done, deadletters.Escape(o.Fault))
	case c.DryRun:
		s.tell("%d\t%s\twould be %s", seq, was, o.Done)
	default:
		s.tell("%d\t%s\t%s", seq, was, o.Done)
	}
	return err
}

func (c *letterChoice) summary(ctx context.Context, s *session, d deed, all, did, missing, failed int) int {
	word := d.done
	if c.DryRun {
		word = "would be " + d.done
	}
	text := fmt.Sprintf("%d %s", did, word)
	if failed > 0 {
		text += fmt.Sprintf(", %d not", failed)
	}
	if missing > 0 {
		text += fmt.Sprintf(", %d not there", missing)
	}
	if left := all - did - missing - failed; left > 0 {
		text += fmt.Sprintf(", %d not tried", left)
	}
	s.say("%s", text)
	switch {
	case ctx.Err() != nil:
		return app.ExitSignal
	case failed > 0:
		return app.ExitFailure
	case missing > 0 && len(c.Seqs) > 0:
		return exitNotFound
	default:
		return app.ExitOK
	}
}

func letters(n int) string {
	if n == 1 {
		return "1 dead letter"
	}
	return fmt.Sprintf("%d dead letters", n)
}
