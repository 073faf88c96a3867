package providerhttp

import (
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxText = 300
	// maxScanned bounds the work on a text before it is shortened.
	maxScanned = 16 << 10
)

// escapes matches terminal control sequences, whole: dropping the escape
// character alone would leave their rubble in a log line.
var escapes = regexp.MustCompile(`(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]?`)

// Shorten makes a text of a provider fit for messages and logs: valid UTF-8,
// no control characters, no terminal sequences, no invisible direction marks,
// at most 300 bytes.
func Shorten(text string) string {
	if isPlain(text) {
		return text
	}
	if len(text) > maxScanned {
		text = text[:maxScanned]
	}
	text = escapes.ReplaceAllString(strings.ToValidUTF8(text, "\uFFFD"), "")
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxText {
		return text
	}
	const mark = "…"
	cut := maxText - len(mark)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + mark
}

// isPlain: most texts are words or numbers already, and need no work.
func isPlain(text string) bool {
	if len(text) > maxText {
		return false
	}
	for i := range len(text) {
		// A space is fine only between two that are not.
		if c := text[i]; c < ' ' || c > '~' || c == ' ' && (i == 0 || i == len(text)-1 || text[i-1] == ' ') {
			return false
		}
	}
	return true
}

// ParseBaseURL reads the base URL of a provider: https, or http on a loopback
// host only; no user information, no query, no fragment. Its errors never
// repeat the text, which may hold a password.
func ParseBaseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the URL must begin with https://")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, errors.New("the URL has no host")
	case u.User != nil:
		return nil, errors.New("the URL must not hold user information")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("the URL must not have a query or a fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, errors.New("plain http is allowed on a loopback host only")
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
