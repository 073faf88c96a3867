package app

import (
	"fmt"
	"reflect"

	"github.com/alecthomas/kong"
)

// Model returns what a grammar consists of, commands, flags and arguments with
// their help, without reading anything. What is generated from it, such as
// completions for a shell, cannot come to differ from what [Load] reads.
func Model(grammar any, in Input) (*kong.Application, error) {
	prepare(reflect.ValueOf(grammar).Elem())
	l := &loader{in: in, envs: map[*kong.Value]string{}, faults: &Faults{given: map[string]Source{}}}
	parser, err := l.parser(grammar)
	if err != nil {
		return nil, fmt.Errorf("configuration struct: %w", err)
	}
	return parser.Model, nil
}
