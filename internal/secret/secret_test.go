package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"

	"github.com/beltline-io/beltline/internal/secret"
)

const canary = "c4n4ry-7f3a-Secret"

// leaks reports whether the canary stands in out, plainly or in an encoding.
func leaks(out string) bool {
	for _, form := range []string{
		canary, hex.EncodeToString([]byte(canary)), strings.ToUpper(hex.EncodeToString([]byte(canary))),
		base64.StdEncoding.EncodeToString([]byte(canary))[:20], fmt.Sprint([]byte(canary)), fmt.Sprintf("% x", canary),
	} {
		if strings.Contains(out, form) {
			return true
		}
	}
	return false
}

type exported struct {
	Key secret.String
	Ptr *secret.String
	Any any
	Map map[string]secret.String
	All []secret.String
}

type unexported struct {
	key  secret.String
	ptr  *secret.String
	any  any
	many []secret.String
}

func holders() map[string]any {
	s := secret.New(canary)
	out := exported{Key: s, Ptr: &s, Any: s, Map: map[string]secret.String{"k": s}, All: []secret.String{s}}
	in := unexported{key: s, ptr: &s, any: s, many: []secret.String{s}}
	return map[string]any{
		"value": s, "pointer": &s, "exported": out, "pointer to exported": &out, "unexported": in,
		"pointer to unexported": &in, "nested": struct{ inner unexported }{in}, "slice": []any{s, &s, in},
	}
}

func TestString_NoVerbOfFmtShowsIt(t *testing.T) {
	t.Parallel()
	for name, v := range holders() {
		for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %d %o %b %c %U %e %t %T %p %10v %-5s %08x %#x %+q %w %z") {
			if out := fmt.Sprintf(verb, v); leaks(out) {
				t.Errorf("%s of %s: %s", verb, name, out)
			}
		}
		if out := fmt.Sprint(v) + fmt.Sprintln(v); leaks(out) {
			t.Errorf("Sprint of %s: %s", name, out)
		}
	}
}

func TestString_NoEncoderShowsIt(t *testing.T) {
	t.Parallel()
	for name, v := range holders() {
		var out bytes.Buffer
		b, err := json.Marshal(v)
		fmt.Fprintf(&out, "json: %s %v\n", b, err)
		b, err = yaml.Marshal(v)
		fmt.Fprintf(&out, "yaml: %s %v\n", b, err)
		b, err = xml.Marshal(v)
		fmt.Fprintf(&out, "xml: %s %v\n", b, err)
		if err := gob.NewEncoder(&out).Encode(v); err != nil {
			fmt.Fprintf(&out, "gob: %v\n", err)
		}
		if leaks(out.String()) {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}

func TestString_NoLoggerShowsIt(t *testing.T) {
	t.Parallel()
	for name, v := range holders() {
		var out bytes.Buffer
		z := zerolog.New(&out)
		z.Info().Interface("v", v).Any("a", v).Err(fmt.Errorf("with %v", v)).Msgf("%v", v)
		console := zerolog.New(zerolog.ConsoleWriter{Out: &out, NoColor: true})
		console.Info().Interface("v", v).Msg("x")
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		if leaks(out.String()) {
			t.Errorf("%s: %s", name, out.String())
		}
	}
	var out bytes.Buffer
	logger := zerolog.New(&out)
	logger.Info().Stringer("s", secret.New(canary)).Msg("x")
	if !strings.Contains(out.String(), "***") || leaks(out.String()) {
		t.Error(out.String())
	}
}

func TestString_ErrorsDoNotShowIt(t *testing.T) {
	t.Parallel()
	for name, v := range holders() {
		err := errors.Join(fmt.Errorf("call with %v: %w", v, errors.New("refused")), fmt.Errorf("%+v", v))
		if leaks(err.Error()) || leaks(fmt.Sprintf("%#v", err)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestString_ShowsThatItIsThereOrMissing(t *testing.T) {
	t.Parallel()
	full, empty := secret.New(canary), secret.String{}
	for _, verb := range []string{"%v", "%s", "%#v", "%q", "%d"} {
		if got := fmt.Sprintf(verb, full); got != "***" {
			t.Errorf("%s of a secret: %q", verb, got)
		}
		if got := fmt.Sprintf(verb, empty); got != "" {
			t.Errorf("%s of none: %q", verb, got)
		}
	}
	if full.GoString() != "***" || full.String() != "***" || empty.String() != "" {
		t.Error("the methods do not say what fmt says")
	}
	if b, err := json.Marshal(full); err != nil || string(b) != `"***"` {
		t.Errorf("%s %v", b, err)
	}
}

func TestString_RevealGivesTheText(t *testing.T) {
	t.Parallel()
	var read secret.String
	if err := json.Unmarshal([]byte(`"`+canary+`"`), &read); err != nil {
		t.Fatal(err)
	}
	if read.Reveal() != canary || read.Empty() || !read.Equal(secret.New(canary)) {
		t.Error("the text is not what was read")
	}
	if (secret.String{}).Reveal() != "" || !secret.New("").Empty() || !secret.New("").Equal(secret.String{}) {
		t.Error("the empty secret is not empty")
	}
	if read.Equal(secret.New(canary+"x")) || read.Equal(secret.String{}) {
		t.Error("different secrets are equal")
	}
}
