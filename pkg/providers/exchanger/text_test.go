package exchanger_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/providers/exchanger"
)

func TestPlain_LeavesWhatAReaderWouldSee(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                   "",
		"no markup at all":                   "no markup at all",
		"<p>One</p><p>Two<br/>Three</p>":     "One\nTwo\nThree",
		"3&nbsp;030.00 &amp; more":           "3 030.00 & more",
		"a < b and 5 > 3":                    "a < b and 5 > 3",
		"x<script>alert('</p>')</script>y":   "x y",
		"x<STYLE>p{}</STYLE >y":              "x y",
		"x<!-- <b>hidden</b> -->y":           "x y",
		"x<!-- never closed":                 "x",
		"x<script>never closed":              "x",
		"cut off <a href=\"x":                "cut off",
		"&lt;b&gt;bold&lt;/b&gt;":            "bold",
		"&amp;lt;b&amp;gt;bold":              "bold",
		"<<b>img src=x onerror=y>z":          "z",
		"<\u200bscript>x</script>":           "",
		"&lt;&#8203;i&gt;x":                  "x",
		"tab\there\r\n  next\n\n\nline":      "tab here\nnext\nline",
		"\x1b[31mred\x00\u202eback":          "[31mredback",
		"bad \xff utf8":                      "bad \uFFFD utf8",
		"<table><tr><td>a</td></tr></table>": "a",
		"<li>one<li>two":                     "one\ntwo",
	} {
		if got := exchanger.Plain(in, 1000); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPlain_IsNeverLongerThanItMayBe(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 3, 10, 64} {
		got := exchanger.Plain(strings.Repeat("Ж&amp;<b>é</b>", 10000), limit)
		if len(got) > max(limit, len("…")) || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("%d: %q", limit, got)
		}
	}
}

var anyTag = regexp.MustCompile(`<[/!?A-Za-z]`)

// checkPlain holds what must be true of every plain text.
func checkPlain(got string, limit int) string {
	switch {
	case anyTag.MatchString(got):
		return "markup is left"
	case len(got) > limit || !utf8.ValidString(got):
		return "too long or not UTF-8"
	case strings.ContainsFunc(got, func(r rune) bool {
		return r != '\n' && (r < ' ' || r == 0x7f || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e)
	}):
		return "an invisible character is left"
	}
	return ""
}

func TestPlain_NoMarkupSurvives(t *testing.T) {
	t.Parallel()
	pieces := []string{"<", ">", "&lt;", "&gt;", "&amp;", "amp;", "lt;", "b", "/", "script", "<script>", "</script>", "<br>", "\u200b", "&#60;", "&#x3c;", "\n", " ", "é", "!--", "-->", "\x1b[0m"}
	rapid.Check(t, func(t *rapid.T) {
		in := strings.Join(rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "pieces"), "")
		if why := checkPlain(exchanger.Plain(in, 200), 200); why != "" {
			t.Fatalf("%q: %q: %s", in, exchanger.Plain(in, 200), why)
		}
	})
}
