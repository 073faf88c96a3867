package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/fleet"
	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/pkg/messages"
)

// patience is how long the demonstration may take. It takes about fifteen seconds;
// a machine that needs more than this is no witness for anything.
const patience = 90 * time.Second

// Options say how the demonstration is shown.
type Options struct {
	Stdout, Stderr io.Writer
	Look           plain.Look
	Verbose        bool // the programs log to Stderr instead of a file
	Keep           bool // stay up after the table until ctx ends
}

// ErrDiffers is returned when something did not come out as it must. What it
// was has been written to Stderr.
var ErrDiffers = errors.New("not everything came out as it must")

// Run shows the demonstration.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "beltline-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(filepath.Join(dir, "nats")) }()
	log, where, err := openLog(dir, o)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	out := fleet.NewLines(o.Stderr)
	say := func(line string) { _, _ = fmt.Fprintln(out, line) }

	say("Starting NATS, the dispatcher, four workers and four fake providers in this process.")
	say("The programs log to " + where + ".")
	begun := time.Now()
	timed, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stage, err := OpenStage(timed, dir, log)
	if err != nil {
		return fmt.Errorf("the stage was not set: %w", err)
	}
	defer stage.Close()
	say(fmt.Sprintf("Ready after %s; NATS is at %s. Orders come in:\n", round(time.Since(begun)), stage.NATS()))

	s := newScript(stage, o.Look, say)
	vain := s.perform(timed)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a := s.examine(stage.books())
	a.callbacks(stage.Callbacks())
	if vain != nil {
		a.differ(nil, "%s", vain)
	}
	s.report(o.Stdout, a, round(time.Since(begun)))
	for _, d := range a.Differs {
		say("DIFFERS: " + d)
	}
	if o.Keep {
		keep(ctx, stage, say)
	}
	if !a.good() {
		return ErrDiffers
	}
	return nil
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

func openLog(dir string, o Options) (io.WriteCloser, string, error) {
	if o.Verbose {
		return discloser{o.Stderr}, "standard error", nil
	}
	path := filepath.Join(dir, "programs.log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // a path of our own
	return file, path, err
}

// discloser is a writer that is somebody else's to close.
type discloser struct{ io.Writer }

func (discloser) Close() error { return nil }

// report draws the table of outcomes, and what the audit found.
func (s *script) report(w io.Writer, a *audit, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.look.Table("order", "what was ordered", "outcome", "tries", "amount", "in plain words").Wrap(map[int]int{2: 28, 6: 44})
	for _, o := range s.orders {
		e := s.last[o.id]
		if e == nil {
			t.Row(o.id, o.what, "nothing", "-", "-", "no event was seen")
			continue
		}
		cost := "-"
		if e.State == messages.Succeeded {
			cost = amount(e)
		}
		t.Row(o.id, o.what, s.look.Paint(e.State, string(e.State)), strconv.Itoa(e.Attempt), cost, words(e))
	}
	effect := "no effect"
	if e := s.last[idFirst]; e == nil || e.N != s.before {
		effect = "an effect"
	}
	t.Row(idFirst, "the same order, sent again", effect, "-", "-", "the id is known and the content equal")
	if d := s.deadLetter(); d != nil {
		t.Row(idFirst, "another order under the same id", s.look.Bad("dead letter"), "-", "-", string(d.Reason)+": "+d.Error)
	}
	t.Write(w)
	paint := s.look.Good
	if !a.good() {
		paint = s.look.Bad
	}
	_, _ = fmt.Fprintf(w, "%d orders in %s. By the books of all four providers, which kept %d purchases, deposits, exchanges and payouts:\n", len(s.orders), took, a.Kept)
	_, _ = fmt.Fprintln(w, paint(fmt.Sprintf("bought twice: %d, lost: %d, wrong amount: %d, said to be not bought but bought: %d",
		a.Twice, a.Lost, a.Wrong, a.Denied)))
	_, _ = fmt.Fprintf(w, "The providers called back %d times. No call was believed; each made a worker ask.\n", a.Called)
}

// words explains an outcome; for a doubt, with the evidence.
func words(e *messages.Event) string {
	state := *e
	state.Type = e.State // what was refused afterwards changed nothing
	text := plain.Why(&state)
	switch seen, ok := witnessed(e); {
	case e.State == messages.Unresolved && ok:
		text += fmt.Sprintf("; evidence: our balance was %v and is %v, other orders in between: %v",
			seen["balance_before"], seen["balance_after"], seen["other_creates"])
	case e.State == messages.Unresolved && e.Evidence["transactions"] != nil:
		found, _ := e.Evidence["transactions"].([]any)
		text += fmt.Sprintf("; evidence: %d debits that fit in the provider's history", len(found))
	case e.State == messages.Succeeded && e.Attempt > 1:
		text += fmt.Sprintf(", at attempt %d", e.Attempt)
	}
	return text
}

// keep stays up, and says what there is to try.
func keep(ctx context.Context, s *Stage, say func(string)) {
	say("\nEverything stays up until Ctrl-C. NATS is at " + s.NATS() + ", the programs' health and metrics at:")
	for _, a := range s.Addresses() {
		say("  " + a)
	}
	beltline := command(os.Args[0])
	say("\nIn another terminal:\n")
	say("  export NATS_URL=" + s.NATS() + " BELTLINE_TENANT=" + Tenant)
	say(`  echo '{"v":1,"id":"mine-1","provider":"balancesteam","kind":"topup","params":{"login":"me","amount":"100.00"}}' | ` + beltline + " order submit -")
	say("  " + beltline + " order history " + idLost + "\n  " + beltline + " order watch\n  nats sub 'events.>'\n")
	<-ctx.Done()
}
