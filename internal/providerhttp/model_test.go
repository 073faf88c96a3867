package providerhttp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/providerhttp"
)

// The model of what is read from JSON: encoding/json's own words, one by one.

// modelCheck says what makes body other than one unambiguous JSON value.
func modelCheck(body []byte) string {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	switch {
	case len(body) == 0:
		return "the answer is empty"
	case body[0] == '<':
		return fmt.Sprintf("the answer is markup of %d bytes, not JSON", len(body))
	case !json.Valid(body):
		return fmt.Sprintf("the answer of %d bytes is not one JSON value", len(body))
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	type level struct {
		keys    map[string]bool
		wantKey bool
	}
	var open []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return ""
		}
		if err != nil {
			return "the answer is not valid JSON"
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{keys: map[string]bool{}, wantKey: true})
			continue
		case json.Delim('['):
			open = append(open, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		default:
			if key, ok := token.(string); ok && len(open) > 0 && open[len(open)-1].wantKey {
				top := &open[len(open)-1]
				if top.keys[modelFold(key)] {
					return "the answer has a key twice"
				}
				top.keys[modelFold(key)], top.wantKey = true, false
				continue
			}
		}
		if len(open) > 0 && open[len(open)-1].keys != nil {
			open[len(open)-1].wantKey = true
		}
	}
}

func modelFold(key string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, key)
}

// words are what encoding/json reads, until an error or the end.
func words(next func() (json.Token, error)) (list []json.Token, end string) {
	for {
		word, err := next()
		if err != nil {
			return list, err.Error()
		}
		list = append(list, word)
	}
}

// sameAsModel compares what is read from body, whatever it is.
func sameAsModel(t interface{ Fatalf(string, ...any) }, body []byte) {
	var v any
	said := ""
	if err := providerhttp.DecodeJSON("x", &providerhttp.Response{Body: body}, &v); err != nil {
		said = err.Message
	}
	if want := modelCheck(body); said != want {
		t.Fatalf("%q: %q, want %q", body, said, want)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	want, wantEnd := words(d.Token)
	got, gotEnd := words(providerhttp.Words(body))
	if gotEnd != wantEnd || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Fatalf("%q:\n got  %#v %s\n want %#v %s", body, got, gotEnd, want, wantEnd)
	}
}

// strange are bodies in which something is easily overlooked.
var strange = []string{
	``, ` `, `{}`, `[]`, `[[[[`, `{"a":1}`, ` { "a" : [ 1 , -0.5e+7, true , false,null ,"x"] } `, `"\""`, `"\\"`, `["\\","\\\"",{"\u0061":"\ud83d\ude00\ud800"}]`,
	`{"error":false,"Error":true}`, `{"ſ":1,"s":1}`, `{"K":1,"k":2}`, `{"` + "\xff" + `":1,"` + "\ufffd" + `":2}`, `{"a":{"a":1},"b":[{"a":1},{"a":1,"A":2}]}`,
	`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"H":1}`, `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"` + "\u212a" + `":1}`,
	`{"a":"b"`, `{"a":1}{"b":2}`, `{"a":1} x`, `1.5e3`, `"x"`, `null`, "\xef\xbb\xbf{\"a\":1}", `{"a":"` + "\u2028\x7f" + `"}`, `{"":{"":{}}}`, `[1,]`, `{"a":1,}`, `<a>`,
	`{"a","b"}`, `[:1]`, `{"a":"x,y:z]}"}`, "[\"\\u0000\"]", `[01]`, `[1 2]`, `nul`, `{"a":tru}`,
}

func TestDecodeJSON_ReadsAsTheModelDoes(t *testing.T) {
	t.Parallel()
	for _, body := range strange {
		sameAsModel(t, []byte(body))
	}
	names := rapid.SampledFrom([]string{"a", "A", "k", "\u212a", "s", "ſ", "status", "Status", `\u0061`, "ключ", "КЛЮЧ", `a\"`, "b", "c", "d", "e", "f", "g", "h", "i", "\xff", ""})
	scalars := rapid.SampledFrom([]string{`"x"`, `""`, `"\u0041\n"`, `-1.50e+3`, `0`, `true`, `false`, `null`, `"a,b:c]"`, "\"\xff\""})
	var value func(depth int) *rapid.Generator[string]
	value = func(depth int) *rapid.Generator[string] {
		if depth == 0 {
			return scalars
		}
		list := rapid.Custom(func(t *rapid.T) string {
			return "[" + strings.Join(rapid.SliceOfN(value(depth-1), 0, 4).Draw(t, "list"), " , ") + "]"
		})
		object := rapid.Custom(func(t *rapid.T) string {
			fields := rapid.SliceOfN(names, 0, 12).Draw(t, "fields")
			for i := range fields {
				fields[i] = ` "` + fields[i] + `" :` + value(depth-1).Draw(t, "value")
			}
			return "{" + strings.Join(fields, ",") + "}"
		})
		return rapid.OneOf(scalars, list, object)
	}
	rapid.Check(t, func(t *rapid.T) {
		body := value(3).Draw(t, "body")
		if rapid.IntRange(0, 4).Draw(t, "cut") == 0 {
			body = body[:rapid.IntRange(0, len(body)).Draw(t, "length")]
		}
		sameAsModel(t, []byte(body))
	})
}

func FuzzDecodeJSON_ReadsAsTheModelDoes(f *testing.F) {
	for _, body := range strange {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { sameAsModel(t, body) })
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z_-]{0,39}[0-9]?$`)

// recordsAsModel compares what a record makes of a text, as a name, as a value
// and as a type of content.
func recordsAsModel(t interface{ Errorf(string, ...any) }, text string) {
	if got := providerhttp.IsPlainName(text); got != plainName.MatchString(text) {
		t.Errorf("%q is the name of a field: %v", text, got)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		t.Errorf("%q: %v", text, err)
	}
	if got := providerhttp.Quoted(text); got+"\n" != b.String() {
		t.Errorf("%q is written %s, want %s", text, got, b.String())
	}
	kind, _, _ := mime.ParseMediaType(text)
	if got := providerhttp.IsForm(text); got != (kind == "application/x-www-form-urlencoded") {
		t.Errorf("%q is a form: %v", text, got)
	}
}

var strangeTexts = []string{
	"", "a", "1", "a1", "a11", "_", "-a", "a-", "a-1", "a b", "ы", "a.b", "a\n", "K", strings.Repeat("a", 40), strings.Repeat("a", 40) + "1", strings.Repeat("a", 41), "@", "[", "`", "{",
	`"`, `\`, "<&>", "\u2028", "\x7f", "\xff", "\x00", " a", "a ", "a  b",
	"application/x-www-form-urlencoded", " Application/X-WWW-Form-URLencoded ; charset=utf-8", "application/x-www-form-urlencoded; charset=", "application/x-www-form-urlencoded;a=1;a=2",
	"applİcation/x-www-form-urlencoded", "application/ſ-www-form-urlencoded", "application/x-www-form-urlencoded;", "application/x-www-form-urlencoded, a", "application/json",
}

func TestRecord_TextsAreTakenAsTheModelTakesThem(t *testing.T) {
	t.Parallel()
	for _, text := range strangeTexts {
		recordsAsModel(t, text)
	}
	texts := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z_-]{0,42}[0-9]{0,2}`),
		rapid.Map(rapid.StringMatching(`[ ;=a"]{0,6}`), func(more string) string { return "application/x-www-form-urlencoded" + more }))
	rapid.Check(t, func(t *rapid.T) { recordsAsModel(t, texts.Draw(t, "text")) })
}

func FuzzRecord_TextsAreTakenAsTheModelTakesThem(f *testing.F) {
	for _, text := range strangeTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { recordsAsModel(t, text) })
}
