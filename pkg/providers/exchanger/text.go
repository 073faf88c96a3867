package exchanger

import (
	"html"
	"regexp"
	"strings"
	"unicode"

	"github.com/beltline-io/beltline/internal/providerhttp"
)

const (
	// maxScanned bounds the work on a text of a site before it is cut.
	maxScanned = 32 << 10
	// maxInstruction is more than any instruction for paying, and far less than
	// an event may hold.
	maxInstruction = 4000
)

var (
	// dropped matches elements whose content is not meant for reading.
	dropped = regexp.MustCompile(`(?is)<!--.*?(?:-->|$)|<(script|style|template|noscript|svg|iframe)\b.*?(?:</(?:script|style|template|noscript|svg|iframe)\s*>|$)`)
	// breaks matches tags that end a line.
	breaks = regexp.MustCompile(`(?i)<\s*/?\s*(?:br|p|div|li|ul|ol|tr|table|h[1-6]|hr)\b[^<>]*>`)
	// tag matches any other tag, also one that is never closed.
	tag = regexp.MustCompile(`<[/!?A-Za-z][^<>]*>?`)
	// spaces matches what is no line break and looks like one space.
	spaces = regexp.MustCompile(`[^\S\n]+`)
	lines  = regexp.MustCompile(` ?\n[\s]*`)
)

// plain makes plain text of a site's markup: tags go, entities become the
// characters they stand for, breaks become line breaks, and nothing is left
// that a terminal or a browser would act on. The result has at most limit bytes.
func plain(text string, limit int) string {
	if len(text) > maxScanned {
		text = text[:maxScanned]
	}
	text = visible(strings.ToValidUTF8(text, "\uFFFD"))
	// What comes out of entities or lies around a tag may be markup again, as in
	// "&lt;script&gt;" or "<<b>script>": it is undone until nothing changes.
	for range 8 {
		if !strings.ContainsAny(text, "<&") {
			break
		}
		before := text
		text = dropped.ReplaceAllString(text, " ")
		text = breaks.ReplaceAllString(text, "\n")
		text = visible(html.UnescapeString(tag.ReplaceAllString(text, "")))
		if text == before {
			break
		}
	}
	if tag.MatchString(text) {
		text = strings.NewReplacer("<", "", ">", "").Replace(text) // it was made to survive
	}
	text = spaces.ReplaceAllString(text, " ")
	text = strings.TrimSpace(lines.ReplaceAllString(text, "\n"))
	return shorten(text, limit)
}

// visible drops characters that are not seen: they could hide a tag, turn the
// direction of a text, or move a cursor.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, text)
}

// shorten cuts a text at a character's border.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const mark = "…"
	return strings.ToValidUTF8(text[:max(0, limit-len(mark))], "") + mark
}

// address matches a URL within a text.
var address = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://\S*`)

// clean makes a text of the site fit for messages and events: plain, short,
// and without addresses or our credentials, should they be echoed.
func (c *Client) clean(text string) string {
	return providerhttp.Shorten(address.ReplaceAllString(c.redact(plain(text, maxScanned)), "[address]"))
}

// redact takes our credentials out of a text that is meant for the customer.
func (c *Client) redact(text string) string {
	for _, s := range append(c.key.Ever(), c.login.Ever()...) {
		text = strings.ReplaceAll(text, s, "***")
	}
	return text
}
