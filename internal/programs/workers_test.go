package programs_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// Orders for a provider without a worker would be accepted, and wait for ever.
func TestWorkers_EveryProviderHasExactlyOne(t *testing.T) {
	t.Parallel()
	workers := map[messages.Provider]int{}
	for _, p := range programs.Workers() {
		workers[p.Provider]++
		if p.Name != "worker-"+string(p.Provider) || p.Config == nil || p.Run == nil {
			t.Errorf("%s of %s is not complete", p.Name, p.Provider)
		}
	}
	for _, r := range providers.Registrations() {
		if workers[r.Name] != 1 {
			t.Errorf("%s has %d programs in Workers", r.Name, workers[r.Name])
		}
	}
	if len(workers) != len(providers.Registrations()) {
		t.Errorf("workers of %v", workers)
	}
}

// One file may configure all programs, so each must know the others' variables
// from its own mistyped ones.
func TestWorkers_EveryVariableIsKnownToAllPrograms(t *testing.T) {
	t.Parallel()
	known := app.Variables()
	for _, p := range append(programs.Workers(), programs.Dispatcher()) {
		own, prefix := 0, strings.ToUpper(string(p.Provider))+"_"
		for _, name := range variables(reflect.TypeOf(p.Config).Elem()) {
			if !known[name] {
				t.Errorf("%s of %s is missing in app.Variables: add its section to everything", name, p.Name)
			}
			if strings.HasPrefix(name, prefix) {
				own++
			}
		}
		if p.Provider != "" && own < 2 {
			t.Errorf("%s has %d variables of its own, and needs an address and credentials", p.Name, own)
		}
	}
}

// variables lists the variables that a configuration declares.
func variables(config reflect.Type) []string {
	var names []string
	for field := range config.Fields() {
		env, isVariable := field.Tag.Lookup("env")
		_, isSection := field.Tag.Lookup("embed")
		switch {
		case isVariable:
			names = append(names, env)
		case field.Type.Kind() == reflect.Struct && (isSection || field.Anonymous):
			names = append(names, variables(field.Type)...)
		}
	}
	return names
}
