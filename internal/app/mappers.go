package app

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/providers"
)

// collector reads one type of value. kong stops at the first value it cannot
// read, and quotes it; a collector notes the fault without the value and goes
// on, so that all faults are shown at once and no secret is.
type collector struct {
	loader *loader
	read   func(text string, target reflect.Value) error
	isBool bool
}

// Decode implements kong.Mapper. It always succeeds.
func (c collector) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	name := c.loader.name(ctx.Value)
	if c.isBool && ctx.Scan.Peek().Type != kong.FlagValueToken {
		target.SetBool(true)
		return nil
	}
	token, err := ctx.Scan.PopValue("value")
	if err != nil {
		c.loader.faults.unreadable(name, "needs a value")
		return nil
	}
	text := fmt.Sprint(token.Value)
	if err := c.read(text, target); err != nil {
		c.loader.faults.unreadable(name, "%s", err)
	}
	return nil
}

// IsBool implements kong.BoolMapper.
func (c collector) IsBool() bool { return c.isBool }

// mappers returns the collectors of every type that sections use.
func (l *loader) mappers() []kong.Option {
	option := func(t reflect.Type, read func(string, reflect.Value) error) kong.Option {
		return kong.TypeMapper(t, collector{loader: l, read: read, isBool: t.Kind() == reflect.Bool})
	}
	return []kong.Option{
		option(reflect.TypeFor[string](), readString),
		option(reflect.TypeFor[int](), readInt),
		option(reflect.TypeFor[bool](), readBool),
		option(reflect.TypeFor[time.Duration](), readDuration),
		option(reflect.TypeFor[secret.String](), readSecret),
		option(reflect.TypeFor[providers.Rate](), readRate),
		option(reflect.TypeFor[Servers](), readText),
		option(reflect.TypeFor[BaseURL](), readText),
		option(reflect.TypeFor[Bytes](), readText),
	}
}

func readString(text string, target reflect.Value) error {
	target.SetString(text)
	return nil
}

func readInt(text string, target reflect.Value) error {
	n, err := strconv.ParseInt(text, 10, strconv.IntSize)
	if err != nil {
		return fmt.Errorf("is not a whole number")
	}
	target.SetInt(n)
	return nil
}

func readBool(text string, target reflect.Value) error {
	switch strings.ToLower(text) {
	case "true", "yes", "1":
		target.SetBool(true)
	case "false", "no", "0":
		target.SetBool(false)
	default:
		return fmt.Errorf("is not true or false")
	}
	return nil
}

func readDuration(text string, target reflect.Value) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("is not a time like 500ms, 20s or 1h30m")
	}
	target.SetInt(int64(d))
	return nil
}

func readRate(text string, target reflect.Value) error {
	rate, err := providers.ParseRate(text)
	if err != nil {
		return fmt.Errorf("is not a rate like 500/1m")
	}
	target.Set(reflect.ValueOf(rate))
	return nil
}

// readSecret refuses control characters: they cannot stand in a header, and
// come from a file with a second line or from a broken template.
func readSecret(text string, target reflect.Value) error {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("holds a control character, such as the end of a line")
	}
	target.Set(reflect.ValueOf(secret.New(text)))
	return nil
}

// readText reads the types of this package, whose errors never show the text.
func readText(text string, target reflect.Value) error {
	return target.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
}
