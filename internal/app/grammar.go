package app

import (
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// everything holds each section of this package once.
type everything struct {
	Common
	Dispatching
	Webhooks
	Doors
	BalanceSteam
	SkinsBack
	GamesDrop
	Exchanger
}

// Variables returns the names of all variables of all programs. One file may
// configure all of them, so a key that is another program's is not unknown.
func Variables() map[string]bool {
	var all everything
	prepare(reflect.ValueOf(&all).Elem())
	names := make(map[string]bool)
	collect(reflect.ValueOf(all), names)
	return names
}

func collect(v reflect.Value, names map[string]bool) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if env, ok := field.Tag.Lookup("env"); ok {
			names[env] = true
			continue
		}
		switch value := v.Field(i); {
		case !field.IsExported():
		case field.Type == reflect.TypeFor[kong.Plugins]():
			for j := range value.Len() {
				collect(value.Index(j).Elem().Elem(), names)
			}
		case value.Kind() == reflect.Struct:
			collect(value, names)
		}
	}
}

// prepare finds every Common below v and gives it the flags of the providers.
func prepare(v reflect.Value) []*Common {
	if v.Kind() != reflect.Struct {
		return nil
	}
	if c, ok := v.Addr().Interface().(*Common); ok {
		c.Limits = newLimits()
		return []*Common{c}
	}
	var found []*Common
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			found = append(found, prepare(v.Field(i))...)
		}
	}
	return found
}

// sift takes out of the command line what no flag knows, and notes it without
// its text: a secret behind a mistyped flag must not be shown. Programs with
// commands or arguments are left to kong, which alone knows their grammar.
func (l *loader) sift(parser *kong.Kong) []string {
	model := parser.Model
	if len(model.Children) > 0 || len(model.Positional) > 0 {
		return l.in.Args
	}
	flags := make(map[string]*kong.Flag)
	for _, f := range l.all {
		flags["--"+f.Name] = f
		if f.Short != 0 {
			flags["-"+string(f.Short)] = f
		}
	}
	var kept []string
	args := l.in.Args
	for i := 0; i < len(args); i++ {
		name, _, inline := strings.Cut(args[i], "=")
		flag := flags[name]
		value := !inline && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-")
		switch {
		case flag == nil && strings.HasPrefix(args[i], "-") && args[i] != "--":
			l.faults.Add(name, "unknown flag")
			if value {
				i++
			}
		case flag == nil:
			l.faults.Add("", "unexpected argument at place %d of the command line", i+1)
		case value && !flag.IsBool():
			kept = append(kept, args[i], args[i+1])
			i++
		default:
			kept = append(kept, args[i])
		}
	}
	return kept
}
