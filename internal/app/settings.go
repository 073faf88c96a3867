package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Setting is one setting as it was read.
type Setting struct {
	Name  string `json:"setting"` // the variable, or the flag where it has none
	Value string `json:"value"`   // secrets hidden
	// Source is default, file, env or flag, and Where says more: which line of
	// which file, or the file that a secret was read from.
	Source string `json:"source"`
	Where  string `json:"where,omitempty"`
}

// settings lists every setting of the chosen command, but not help and version.
func (l *loader) settings(ctx *kong.Context) (all []Setting) {
	for _, flag := range ctx.Flags() {
		if _, version := flag.Target.Interface().(kong.VersionFlag); version || flag.Name == "help" {
			continue
		}
		s := Setting{Name: l.name(flag.Value), Value: fmt.Sprint(flag.Target.Interface())}
		if l.faults.broken[s.Name] {
			s.Value = "(cannot be read)" // and not shown: a secret may stand where its file's path belongs
		}
		source := l.faults.given[s.Name]
		s.Source = source.String()
		switch {
		case source == FromFlag:
			s.Where = "--" + flag.Name
		case source == FromEnv:
			s.Where = s.Name
		case source == FromFile:
			s.Where = fmt.Sprintf("line %d of %s", l.file[s.Name].line, l.path)
		case flag.Target.Type() == secretType && s.Value != "":
			// Nothing but its file can have filled it.
			s.Source, s.Where = FromFile.String(), "the file of "+s.Name+"_FILE"
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return all
}
