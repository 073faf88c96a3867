package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/messages"
)

// verifyCommand is `verify-config`. It is here for its help alone: what follows
// the program's name is that program's command line, which no other grammar may
// read.
type verifyCommand struct {
	output
	Program string `arg:"" name:"program" help:"dispatcher, one of the workers (worker-gamesdrop …), up, setup or doctor. What follows is its own command line."`
}

// Help is shown below the flags.
func (*verifyCommand) Help() string {
	return "Reads flags, environment and file exactly as the program would, and connects to nothing. Shows each setting with where it comes from " +
		"(secrets hidden), the times that follow for each provider, and all faults at once. " +
		"`beltline verify-config PROGRAM --help` shows what the program can be told.\n\n" +
		"Exit codes: 0 the program would start, 2 it would not.\n\n" +
		"Examples:\n\n" +
		"  beltline verify-config dispatcher --config beltline.yaml\n" +
		"  beltline verify-config worker-gamesdrop --config beltline.yaml --output json | jq -c 'select(.fault)'\n" +
		"  beltline verify-config up --listen 127.0.0.1:4223"
}

// subject is a program whose configuration is looked at.
type subject struct {
	name    string
	grammar func() (any, string)
	program *app.Program // nil for a command of this program
}

// load reads the configuration as the program would.
func (x subject) load(in app.Input) (grammar any, loaded *app.Loaded, err error) {
	if x.program != nil {
		loaded, err = x.program.Load(in)
		return x.program.Config, loaded, err
	}
	grammar, in.Description = x.grammar()
	in.Name = "beltline " + x.name
	loaded, err = app.Load(grammar, in)
	return grammar, loaded, err
}

// subjects are all programs that read a configuration.
func subjects() []subject {
	var all []subject
	for _, p := range append([]app.Program{programs.Dispatcher()}, programs.Workers()...) {
		all = append(all, subject{p.Name, func() (any, string) { return p.Config, p.Description }, &p})
	}
	words := programCommands()
	for _, name := range slices.Sorted(maps.Keys(words)) {
		all = append(all, subject{name, words[name], nil})
	}
	return all
}

// toVerify takes the command line apart: our own flag may stand anywhere,
// everything else behind the program's name is the program's. Without a
// program it is a line for the common grammar, which knows what to say.
func toVerify(args []string) (program string, rest []string, form string, ok bool) {
	if len(args) == 0 || args[0] != "verify-config" {
		return "", nil, "", false
	}
	for i := 1; i < len(args); i++ {
		name, value, inline := strings.Cut(args[i], "=")
		switch {
		case name == "--output" && inline:
			form = value
		case (name == "--output" || args[i] == "-o") && i+1 < len(args):
			i++
			form = args[i]
		case program == "" && strings.HasPrefix(args[i], "-"):
			return "", nil, "", false
		case program == "":
			program = args[i]
		default:
			rest = append(rest, args[i])
		}
	}
	return program, rest, form, program != ""
}

// verification is one run of the command.
type verification struct {
	*session
	form   output
	rows   []verifiedRow
	faults []verifiedFault
	notes  []string
}

// verifiedRow is a setting, and verifiedFault what is wrong, of a program.
type verifiedRow struct {
	Program string `json:"program"`
	app.Setting
}

type verifiedFault struct {
	Program string `json:"program"`
	Name    string `json:"setting,omitempty"`
	Fault   string `json:"fault"`
}

func (s *session) verifyConfig(program string, args []string, form string) int {
	v := &verification{session: s, form: output{Output: cmp.Or(form, "table")}}
	const name = "beltline verify-config"
	if !slices.Contains([]string{"table", "text", "json"}, v.form.Output) {
		return s.misused(name, app.Misconfigured("--output", "must be table or json"))
	}
	all := subjects()
	i := slices.IndexFunc(all, func(x subject) bool { return x.name == program })
	if i < 0 {
		var names []string
		for _, x := range all {
			names = append(names, x.name)
		}
		return s.misused(name, fmt.Errorf("%.64q is not a program; there are %s", program, strings.Join(names, ", ")))
	}
	grammar, loaded, err := all[i].load(app.Input{Args: args, Environ: s.Environ, Stdout: s.Stdout, Stderr: s.Stderr})
	var exit app.ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	v.take(program, loaded, err)
	if up, ok := grammar.(*upCommand); ok && loaded != nil {
		v.inside(up)
	}
	return v.report(loaded)
}

// take keeps what was read of a program.
func (v *verification) take(program string, loaded *app.Loaded, err error) {
	if loaded != nil {
		for _, s := range loaded.Settings {
			v.rows = append(v.rows, verifiedRow{program, s})
		}
	}
	var config *app.ConfigError
	switch {
	case errors.As(err, &config):
		v.blame(program, config.Faults...)
	case err != nil:
		v.blame(program, app.Fault{Text: err.Error()})
	}
}

// blame notes faults, each once: programs share most of their settings.
func (v *verification) blame(program string, faults ...app.Fault) {
	for _, f := range faults {
		known := slices.ContainsFunc(v.faults, func(k verifiedFault) bool { return k.Name == f.Name && k.Fault == f.Text })
		if !known {
			v.faults = append(v.faults, verifiedFault{program, f.Name, f.Text})
		}
	}
}

// inside looks at the programs that `up` would run. What it tells them itself,
// such as where its server is, is no setting.
func (v *verification) inside(up *upCommand) {
	shared := up.environ(v.Environ)
	chosen := choose(func(p app.Program) map[string]string { return ownDoor(up.Doors, p.Provider, shared) })
	told := []string{"BELTLINE_CONFIG", "LOG_LEVEL", "LOG_FORMAT", "NATS_URL", "NATS_CREDS", "NATS_CONTEXT", "HTTP_ADDR"}
	run := []app.Program{programs.Dispatcher()}
	for _, i := range chosen.started {
		run = append(run, programs.Workers()[i])
	}
	for _, p := range run {
		loaded, err := p.Load(app.Input{Environ: chosen.environ(p), Stdout: io.Discard, Stderr: io.Discard})
		if err != nil {
			continue // choose has found it
		}
		for _, s := range loaded.Settings {
			if !slices.Contains(told, s.Name) {
				v.rows = append(v.rows, verifiedRow{p.Name, s})
			}
		}
	}
	v.blame("up", chosen.faults...)
	for _, p := range chosen.without {
		v.notes = append(v.notes, fmt.Sprintf("%s is not started: no %s", p.Name, strings.Join(credentials[p.Provider], ", ")))
	}
	if len(chosen.faults) == 0 && len(chosen.started) == 0 {
		v.blame("up", app.Fault{Text: "no provider has credentials; `beltline demo` needs none"})
	}
}

// report writes everything and returns the exit code.
func (v *verification) report(loaded *app.Loaded) int {
	if v.form.json() {
		if err := v.writeJSON(); err != nil {
			return v.failed(err)
		}
	} else {
		v.writeTables(loaded)
	}
	for _, note := range v.notes {
		v.say("%s", note)
	}
	for _, f := range v.faults {
		v.say("beltline verify-config %s: %s", f.Program, app.Fault{Name: f.Name, Text: f.Fault})
	}
	if len(v.faults) > 0 {
		v.say("%s; it would not start", number(len(v.faults), "fault"))
		return app.ExitConfig
	}
	v.say("no fault; nothing was connected to")
	return app.ExitOK
}

func (v *verification) writeJSON() error {
	var all []any
	for _, r := range v.rows {
		all = append(all, r)
	}
	for _, f := range v.faults {
		all = append(all, f)
	}
	for _, x := range all {
		body, err := json.Marshal(x)
		if err != nil {
			return err
		}
		v.tell("%s", body)
	}
	return nil
}

// writeTables shows each setting once where all programs read it alike.
func (v *verification) writeTables(loaded *app.Loaded) {
	var order []app.Setting
	who := map[app.Setting][]string{}
	running := map[string]bool{}
	for _, r := range v.rows {
		if who[r.Setting] == nil {
			order = append(order, r.Setting)
		}
		who[r.Setting] = append(who[r.Setting], r.Program)
		running[r.Program] = true
	}
	slices.SortStableFunc(order, func(a, b app.Setting) int { return strings.Compare(a.Name, b.Name) })
	alone := len(running) == 1
	headings := []string{"setting", "value", "from"}
	if !alone {
		headings = append(headings, "of")
	}
	t := v.look.Table(headings...).Wrap(map[int]int{2: 60, 3: 50, 4: 40})
	for _, s := range order {
		row := []string{s.Name, s.Value, cmp.Or(s.Where, s.Source)}
		if s.Source == "env" {
			row[2] = "environment"
		}
		switch {
		case alone:
		case len(who[s]) == len(running)-1: // up itself reads few of them
			row = append(row, "all")
		default:
			row = append(row, strings.Join(who[s], ", "))
		}
		t.Row(row...)
	}
	t.Write(v.Stdout)
	if loaded == nil || len(loaded.Deadlines) == 0 {
		return
	}
	times := v.look.Table("provider", "limit", "a request may take", "an order belongs to its worker for", "a message comes again after")
	for _, p := range messages.Providers() {
		if d, ok := loaded.Deadlines[p]; ok {
			times.Row(string(p), d.Rate.String(), d.Timeout.String(), d.Lease.String(), d.AckWait.String())
		}
	}
	times.Write(v.Stdout)
}
