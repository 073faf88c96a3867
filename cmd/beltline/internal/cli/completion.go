package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

// completionCommand is `completion`. The script is made from the grammar and
// runs nothing of ours when a key is pressed.
type completionCommand struct {
	Shell string `arg:"" name:"shell" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is shown below the arguments.
func (*completionCommand) Help() string {
	return "Writes a script that lets the shell complete commands, flags and their values.\n\n" +
		"Exit codes: 0 written, 2 wrong usage.\n\n" +
		"Examples:\n\n" +
		"  source <(beltline completion bash)                                   # bash, in ~/.bashrc\n" +
		"  beltline completion zsh > \"${fpath[1]}/_beltline\"                    # zsh, once\n" +
		"  beltline completion fish > ~/.config/fish/completions/beltline.fish  # fish, once"
}

func (c *completionCommand) run(_ context.Context, s *session) int {
	top, err := grammarTree()
	if err != nil {
		return s.failed(err)
	}
	s.tell("%s", map[string]func(*word) string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell](top))
	return app.ExitOK
}

// word is a command as a shell completes it.
type word struct {
	path, name, help string
	flags            []wordFlag
	below            []*word
	values           []string // of its argument
	files            bool     // its argument is a file
}

// wordFlag is a flag as a shell completes it.
type wordFlag struct {
	name, help string // without dashes
	short      string // empty for none
	takes      bool   // it takes a value
	values     []string
	files      bool
}

// all lists the word and everything below it.
func (w *word) all() []*word {
	list := []*word{w}
	for _, b := range w.below {
		list = append(list, b.all()...)
	}
	return list
}

// grammarTree is everything that can be said to this program.
func grammarTree() (*word, error) {
	model, err := app.Model(new(root), app.Input{Name: "beltline", Description: description})
	if err != nil {
		return nil, err
	}
	top := wordOf("beltline", model.Node, nil)
	for _, w := range top.below {
		if grammar, ok := programCommands()[w.name]; ok {
			if w.flags, err = flagsOf(grammar); err != nil {
				return nil, err
			}
		}
		if w.name == "verify-config" {
			if err := w.addSubjects(); err != nil {
				return nil, err
			}
		}
	}
	return top, nil
}

// flagsOf are the flags of a grammar without commands.
func flagsOf(grammar func() (any, string)) ([]wordFlag, error) {
	g, _ := grammar()
	model, err := app.Model(g, app.Input{})
	if err != nil {
		return nil, err
	}
	return wordOf("", model.Node, nil).flags, nil
}

// addSubjects adds the programs of verify-config, each with its own flags.
func (w *word) addSubjects() error {
	for _, s := range subjects() {
		own, err := flagsOf(s.grammar)
		if err != nil {
			return err
		}
		_, help := s.grammar()
		help, _, _ = strings.Cut(help, ".")
		w.below = append(w.below, &word{path: w.path + " " + s.name, name: s.name, help: help, flags: merged(own, w.flags)})
	}
	return nil
}

// wordOf reads a command. Flags of the commands above may be given to it, too.
func wordOf(path string, node *kong.Node, above []wordFlag) *word {
	w := &word{path: path, name: node.Name, help: node.Help, flags: slices.Clone(above)}
	for _, f := range node.Flags {
		if !f.Hidden {
			w.flags = merged([]wordFlag{flagOf(f)}, w.flags)
		}
	}
	slices.SortFunc(w.flags, func(a, b wordFlag) int { return strings.Compare(a.name, b.name) })
	for _, p := range node.Positional {
		w.values = append(w.values, choices(p.Enum)...)
		w.files = w.files || p.Name == "file"
	}
	for _, child := range node.Children {
		if !child.Hidden && child.Type == kong.CommandNode {
			w.below = append(w.below, wordOf(path+" "+child.Name, child, w.flags))
		}
	}
	return w
}

// merged adds the flags that are not there yet.
func merged(flags, more []wordFlag) []wordFlag {
	for _, m := range more {
		if !slices.ContainsFunc(flags, func(f wordFlag) bool { return f.name == m.name }) {
			flags = append(flags, m)
		}
	}
	return flags
}

func flagOf(f *kong.Flag) wordFlag {
	w := wordFlag{name: f.Name, help: f.Help, takes: !f.IsBool() && !f.IsCounter(), values: choices(f.Enum)}
	if f.Short != 0 {
		w.short = string(f.Short)
	}
	if f.Name == "provider" || f.Name == "providers" {
		w.values = providerNames()
	}
	w.files = f.PlaceHolder == "PATH" || f.Name == "store-dir"
	return w
}

func providerNames() (names []string) {
	for _, p := range messages.Providers() {
		names = append(names, string(p))
	}
	return names
}

func choices(enum string) (all []string) {
	for v := range strings.SplitSeq(enum, ",") {
		if v = strings.TrimSpace(v); v != "" {
			all = append(all, v)
		}
	}
	return all
}

// answers groups the places where a flag's value is asked for by what may stand
// there. A place is the path of a command, a colon and the flag.
type answers struct {
	values map[string][]string // by the values, separated by spaces
	files  []string
	free   []string // nothing can be said of what may stand there
}

func answersOf(top *word) answers {
	a := answers{values: map[string][]string{}}
	for _, w := range top.all() {
		for _, f := range w.flags {
			if !f.takes {
				continue
			}
			places := []string{w.path + ":--" + f.name}
			if f.short != "" {
				places = append(places, w.path+":-"+f.short)
			}
			switch {
			case len(f.values) > 0:
				key := strings.Join(f.values, " ")
				a.values[key] = append(a.values[key], places...)
			case f.files:
				a.files = append(a.files, places...)
			default:
				a.free = append(a.free, places...)
			}
		}
	}
	return a
}

// sorted lists the keys of the values, so that the script is always the same.
func (a answers) sorted() []string { return slices.Sorted(maps.Keys(a.values)) }
