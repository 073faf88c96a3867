package app

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/internal/telemetry/export"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Input is everything that configuration is read from, and what help is written to.
type Input struct {
	Name, Description string
	Args              []string          // without the program's name
	Environ           map[string]string // an empty value counts as not set
	Stdout, Stderr    io.Writer
	// Provider is the one provider of a worker, whose times are checked strictly.
	Provider messages.Provider
	// Options are added to kong's, for programs with commands.
	Options []kong.Option
}

// Loaded is a configuration that was read and checked.
type Loaded struct {
	// Kong is the parsed command line, to run the chosen command.
	Kong *kong.Context
	// Effective holds every setting by variable name, secrets hidden.
	Effective map[string]string
	// Sources says where a setting comes from that is not the default.
	Sources map[string]Source
	// Settings are all of them, for people, in the order of their names.
	Settings []Setting
	// Secrets are those that have a value, by variable name.
	Secrets map[string]secret.String
	// Traces are the variables of OpenTelemetry that the file sets and the
	// environment does not.
	Traces map[string]string
	// Deadlines are the limits and times of the providers, as they follow.
	Deadlines map[messages.Provider]topology.ProviderSettings
}

// ExitError is returned by [Load] when --help or --version was answered: the
// program has nothing more to do.
type ExitError struct{ Code int }

// Error says so.
func (e ExitError) Error() string { return fmt.Sprintf("nothing more to do, code %d", e.Code) }

// Load fills grammar, a pointer to a struct of sections (and commands) with
// kong's tags, from flag, environment, file and default, the first one winning.
// It fails with an [ExitError], or with a *[ConfigError] that names every fault.
// With that it returns what could be read, to be shown and not to be used; nil
// where nothing could.
func Load(grammar any, in Input) (*Loaded, error) {
	commons := prepare(reflect.ValueOf(grammar).Elem())
	l := &loader{in: in, envs: map[*kong.Value]string{}, faults: &Faults{given: map[string]Source{}}}
	parser, err := l.parser(grammar)
	if err != nil {
		return nil, fmt.Errorf("configuration struct: %w", err)
	}
	ctx, err := l.parse(parser)
	if err != nil {
		return nil, err
	}
	l.check(ctx, commons)
	loaded := &Loaded{Kong: ctx, Effective: l.effective(ctx), Sources: l.sources(), Settings: l.settings(ctx), Secrets: l.held(ctx), Traces: l.traces}
	for _, c := range commons {
		loaded.Deadlines = c.settings
	}
	return loaded, l.faults.Err()
}

// loader is the state of one Load.
type loader struct {
	in     Input
	envs   map[*kong.Value]string
	faults *Faults
	file   map[string]fileValue
	path   string            // of the file
	traces map[string]string // see Loaded
	opened bool
	all    []*kong.Flag
}

// parser builds kong's parser and takes the environment away from it: kong
// reads the environment of the process, lets the file win over it, and quotes
// values in its errors. The names stay in help.
func (l *loader) parser(grammar any) (*kong.Kong, error) {
	options := append(l.mappers(),
		kong.Name(l.in.Name),
		kong.Description(l.in.Description),
		kong.Writers(l.in.Stdout, l.in.Stderr),
		kong.Exit(func(code int) { panic(ExitError{Code: code}) }),
		kong.Vars{"version": ReadVersion().String()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Resolvers(kong.ResolverFunc(l.resolve)),
		kong.ValueFormatter(l.help),
		kong.ExplicitGroups([]kong.Group{{Key: "Logging", Title: "Logging", Description: export.Help()}}),
	)
	parser, err := kong.New(grammar, append(options, l.in.Options...)...)
	if err != nil {
		return nil, err
	}
	parser.Model.Name = l.in.Name
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			l.all = append(l.all, flag)
			if len(flag.Tag.Envs) > 0 {
				l.envs[flag.Value] = flag.Tag.Envs[0]
			}
			flag.Tag.Envs, flag.Envs = nil, nil
		}
		return next(nil)
	})
	return parser, err
}

// parse runs kong. Where the command line itself cannot be read, that is noted
// and the rest is read without it, so that the other faults are shown as well.
func (l *loader) parse(parser *kong.Kong) (ctx *kong.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			exit, ok := r.(ExitError)
			if !ok {
				panic(r)
			}
			ctx, err = nil, exit
		}
	}()
	args := l.sift(parser)
	ctx, err = parser.Parse(args)
	if err == nil {
		return ctx, nil
	}
	l.faults.Add("", "%s", err)
	if ctx, err = parser.Parse(nil); err != nil {
		return nil, l.faults.Err()
	}
	return ctx, nil
}

// name is how a fault calls the setting: its variable, or its flag.
func (l *loader) name(v *kong.Value) string {
	if env := l.envs[v]; env != "" {
		return env
	}
	return "--" + v.Name
}

// help adds the variable's name to a flag's help text.
func (l *loader) help(v *kong.Value) string {
	if env := l.envs[v]; env != "" {
		return strings.TrimSuffix(v.Help, ".") + " ($" + env + ")."
	}
	return v.Help
}

// resolve gives kong the value of a flag that is not on the command line.
func (l *loader) resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	env := l.envs[flag.Value]
	if env == "" {
		return nil, nil
	}
	if text := l.in.Environ[env]; text != "" {
		l.faults.given[env] = FromEnv
		return text, nil
	}
	l.open(ctx)
	if v, ok := l.file[env]; ok {
		l.faults.given[env] = FromFile
		return v.text, nil
	}
	return nil, nil
}

// open reads the configuration file, once, when its path is known.
func (l *loader) open(ctx *kong.Context) {
	if l.opened {
		return
	}
	l.opened = true
	var path string
	for _, flag := range l.all {
		if flag.Name == "config" {
			path, _ = ctx.FlagValue(flag).(string)
			if env := l.envs[flag.Value]; path == "" && env != "" {
				path = l.in.Environ[env]
			}
		}
	}
	if path == "" {
		return
	}
	l.path, l.file = path, readFile(path, l.faults)
	known := Variables()
	for _, env := range l.envs {
		known[env] = true
	}
	l.traces = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(l.file)) {
		switch {
		case known[name]:
		case !slices.Contains(export.Variables, name):
			l.faults.Add("--config", "line %d: unknown key %.64q", l.file[name].line, l.file[name].key)
		case l.in.Environ[name] == "":
			l.traces[name] = l.file[name].text
		}
	}
}

// check notes which flags were given, reads secret files and applies every rule.
func (l *loader) check(ctx *kong.Context, commons []*Common) {
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved {
			l.faults.given[l.name(p.Flag.Value)] = FromFlag
		}
	}
	l.secrets(ctx)
	for _, p := range ctx.Path {
		if p.App != nil {
			l.rules(p.App.Target)
		}
		if p.Command != nil {
			l.rules(p.Command.Target)
		}
	}
	for _, c := range commons {
		c.check(l.faults)
		c.derive(l.faults, l.in.Provider)
	}
}

// rules calls Check of every section below v, but not of other commands.
func (l *loader) rules(v reflect.Value) {
	v = reflect.Indirect(v)
	if v.Kind() != reflect.Struct || !v.CanAddr() {
		return
	}
	if c, ok := v.Addr().Interface().(Checker); ok {
		c.Check(l.faults)
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if _, command := field.Tag.Lookup("cmd"); field.IsExported() && !command {
			l.rules(v.Field(i))
		}
	}
}

// sources returns what was given, by variable name.
func (l *loader) sources() map[string]Source {
	given := maps.Clone(l.faults.given)
	maps.DeleteFunc(given, func(_ string, s Source) bool { return s == FromDefault })
	return given
}

// effective renders every setting, with secrets hidden.
func (l *loader) effective(ctx *kong.Context) map[string]string {
	out := make(map[string]string)
	for _, flag := range ctx.Flags() {
		env := l.envs[flag.Value]
		if env == "" {
			continue
		}
		// A string is shown as it is; every other type knows how to hide itself.
		out[env] = fmt.Sprint(flag.Target.Interface())
	}
	return out
}

// held lists the secrets that have a value.
func (l *loader) held(ctx *kong.Context) map[string]secret.String {
	held := make(map[string]secret.String)
	for _, flag := range ctx.Flags() {
		if s, ok := flag.Target.Interface().(secret.String); ok && !s.Empty() {
			held[l.name(flag.Value)] = s
		}
	}
	return held
}

var secretType = reflect.TypeFor[secret.String]()

// secrets reads the file of every secret that has one.
func (l *loader) secrets(ctx *kong.Context) {
	byName := make(map[string]*kong.Flag)
	for _, flag := range ctx.Flags() {
		byName[flag.Name] = flag
	}
	for _, flag := range ctx.Flags() {
		if flag.Target.Type() != secretType {
			continue
		}
		twin := byName[flag.Name+"-file"]
		if twin == nil {
			panic("app: secret --" + flag.Name + " has no flag for its file")
		}
		if err := l.fromFile(flag, twin); err != nil {
			l.faults.unreadable(l.name(twin.Value), "%s", err)
		}
	}
}

// fromFile fills a secret from its file, unless a stronger source gives the
// secret itself. The end of the last line is not part of it: nearly every way to
// write such a file leaves one.
func (l *loader) fromFile(flag, twin *kong.Flag) error {
	path := twin.Target.String()
	if path == "" {
		return nil
	}
	own, file := l.name(flag.Value), l.name(twin.Value)
	switch given := l.faults.given; {
	case given[own] == given[file]:
		return fmt.Errorf("is set together with %s; set one of them", own)
	case given[own] > given[file]:
		l.faults.drop(file)
		twin.Target.SetString("")
		return nil
	}
	l.faults.drop(own)
	body, err := readLimited(path)
	if err != nil {
		return errors.New("cannot be read: " + cause(err))
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(body), "\n"), "\r")
	if text == "" {
		return errors.New("names an empty file")
	}
	if err := readSecret(text, flag.Target); err != nil {
		return fmt.Errorf("names a file that %w", err)
	}
	return nil
}
