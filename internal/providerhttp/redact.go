package providerhttp

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	masked = "***"
	more   = "…"
	// The most of a body's text that a record keeps. They are small on purpose:
	// each later event of the order carries them again.
	maxRequestText = 1 << 10
	maxAnswerText  = 2 << 10
	// maxRedacted is the longest body of which a text is made at all.
	maxRedacted = 64 << 10
	// The shortest masked text and number that are looked for within values that
	// are shown: shorter ones are found in half of all amounts.
	leastEchoedText   = 6
	leastEchoedNumber = 8
	// fewFields are as many as most bodies have.
	fewFields = 8
	// maxEchoes bounds the work: where more values are masked no text is made.
	maxEchoes = 500
)

var (
	addressInText = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://\S*`)
	emailInText   = regexp.MustCompile(`[^\s@<>"',;:]+@[^\s@<>"',;:]+`)
)

// piece is a part of a body.
type piece struct {
	text  string
	kind  pieceKind
	shown bool // the value's field is declared fit to be shown
	quote bool // a JSON string
}

type pieceKind uint8

const (
	aSign  pieceKind = iota // of the grammar
	aName                   // of a field
	aValue                  // of a field
)

// outline is a body taken apart.
type outline struct {
	pieces []piece
	form   bool // else JSON
	cut    bool // there was more, which cannot be read
}

// outlineOf takes a body apart. One that is neither JSON nor a form has no
// fields that could be told apart, so nothing of it is told.
func outlineOf(contentType string, body []byte, d *Disclosure, sealed bool) outline {
	trimmed := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	switch {
	case len(body) == 0:
		return outline{}
	case d == nil || len(body) > maxRedacted:
		return outline{cut: true}
	case isForm(contentType):
		return formOutline(string(body), d, sealed)
	case len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '['):
		// Whatever it is called: servers send JSON as text/html.
		return jsonOutline(trimmed, d, sealed)
	default:
		return outline{cut: true}
	}
}

// isForm reports whether a body is a form. Most are not, and to take the name
// of their type apart is much work.
func isForm(contentType string) bool {
	const form = "application/x-www-form-urlencoded"
	if contentType == form {
		return true
	}
	if name, _, _ := strings.Cut(contentType, ";"); strings.TrimSpace(strings.ToLower(name)) != form {
		return false
	}
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind == form
}

func formOutline(body string, d *Disclosure, sealed bool) outline {
	o := outline{form: true, pieces: make([]piece, 0, 3*fewFields)}
	for pair := range strings.SplitSeq(body, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil {
			o.cut = true
			return o
		}
		if len(o.pieces) > 0 {
			o.pieces = append(o.pieces, piece{text: "&"})
		}
		o.pieces = append(o.pieces, piece{text: fieldName(name) + "=", kind: aName},
			piece{text: value, kind: aValue, shown: value == "" || d.shows(name, sealed)})
	}
	return o
}

// fieldName is the name of a field as it may be told.
func fieldName(name string) string {
	if isPlainName(name) {
		return name
	}
	return masked
}

// isPlainName reports whether a name is what the name of a field looks like: up
// to 40 letters and underscores, hyphens but for the first, and one digit at the
// end. Anything else in its place may be data.
func isPlainName(name string) bool {
	if last := len(name) - 1; last > 0 && '0' <= name[last] && name[last] <= '9' {
		name = name[:last]
	}
	if name == "" || len(name) > 40 || name[0] == '-' {
		return false
	}
	for i := range len(name) {
		if c := name[i] | 0x20; (c < 'a' || c > 'z') && name[i] != '_' && name[i] != '-' {
			return false
		}
	}
	return true
}

// frame is one open object or array of a JSON text.
type frame struct {
	object  bool
	name    string // of the field that is being read, or that the array belongs to
	atName  bool
	already bool // it has a member
}

// jsonOutline reads as far as it can: of an answer that was cut short, what
// came is told.
func jsonOutline(body []byte, d *Disclosure, sealed bool) outline {
	next := tokensOf(body)
	o := outline{pieces: make([]piece, 0, 4*fewFields)}
	var open []frame
	add := func(p piece) { o.pieces = append(o.pieces, p) }
	for {
		word, err := next()
		if err != nil {
			o.cut = !errors.Is(err, io.EOF) || len(open) > 0
			return o
		}
		var top *frame
		if len(open) > 0 {
			top = &open[len(open)-1]
		}
		if word.kind == '}' || word.kind == ']' {
			open = open[:len(open)-1]
			add(piece{text: word.text})
			continue
		}
		name := ""
		if top != nil {
			if top.already && (top.atName || !top.object) {
				add(piece{text: ","})
			}
			top.already = true
			if top.atName {
				top.name, top.atName = word.text, false
				add(piece{text: `"` + fieldName(top.name) + `":`, kind: aName})
				continue
			}
			name, top.atName = top.name, top.object
		}
		if word.kind == '{' || word.kind == '[' {
			open = append(open, frame{object: word.kind == '{', atName: word.kind == '{', name: name})
			add(piece{text: word.text})
			continue
		}
		add(scalar(word, d.shows(name, sealed)))
	}
}

// scalar is a value. True, false and null tell too little to be masked, and a
// field that is empty may be just what the dispute is about.
func scalar(word token, shown bool) piece {
	switch word.kind {
	case '"':
		return piece{text: word.text, kind: aValue, shown: shown || word.text == "", quote: true}
	case '0':
		return piece{text: word.text, kind: aValue, shown: shown}
	default:
		return piece{text: word.text}
	}
}

func quoted(text string) string {
	if isPlain(text) && !strings.ContainsAny(text, `"\\`) {
		return `"` + text + `"`
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string always marshals
	return strings.TrimSuffix(b.String(), "\n")
}

// echo is what must not be told within values that are shown, the longest first:
// of two that begin alike the rest of the longer one would be left.
type echo []string

// echoes are our secrets, and what was masked by its name elsewhere in the two
// bodies.
func echoes(d *Disclosure, outlines ...outline) echo {
	var list echo
	if d != nil {
		list = append(list, d.ours()...)
	}
	for _, o := range outlines {
		for _, p := range o.pieces {
			least := leastEchoedNumber
			if p.quote || o.form {
				least = leastEchoedText
			}
			if p.kind == aValue && !p.shown && len(p.text) >= least {
				list = append(list, p.text)
			}
		}
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(list)
}

// mask masks it in a text.
func (e echo) mask(text string) string {
	for _, s := range e {
		if len(s) <= len(text) {
			text = strings.ReplaceAll(text, s, masked)
		}
	}
	return text
}

// render writes an outline without what must not be told, and says whether it
// is all of the body and whether anything of it was masked.
func (o outline) render(e echo, limit int) (text string, cut, hid bool) {
	var b strings.Builder
	b.Grow(min(o.length(), limit+len(more)))
	for _, p := range o.pieces {
		out := p.text
		switch p.kind {
		case aName:
			out = e.mask(out)
		case aValue:
			out = told(p, e)
			hid = hid || out != p.text
			switch {
			case o.form:
				out = strings.ReplaceAll(url.QueryEscape(out), url.QueryEscape(masked), masked)
			case p.quote || out != p.text:
				out = quoted(out)
			}
		case aSign:
		}
		if b.Len()+len(out) > limit {
			return b.String() + more, true, true
		}
		b.WriteString(out)
	}
	if o.cut && b.Len() > 0 {
		b.WriteString(more)
	}
	return b.String(), o.cut, hid || o.cut
}

// length is about that of the text.
func (o outline) length() int {
	n := len(more)
	for _, p := range o.pieces {
		n += len(p.text)
		if p.quote {
			n += len(`""`)
		}
	}
	return n
}

// withheld is an outline of which nothing is told.
func (o outline) withheld() outline { return outline{cut: len(o.pieces) > 0 || o.cut} }

// told is a value as a record may have it. Shortening may join what control
// characters kept apart, so what must not be told is looked for again.
func told(p piece, e echo) string {
	if !p.shown {
		return masked
	}
	text := e.mask(p.text)
	if strings.Contains(text, "://") {
		text = addressInText.ReplaceAllString(text, masked)
	}
	if strings.Contains(text, "@") {
		text = emailInText.ReplaceAllString(text, masked)
	}
	if short := Shorten(text); short != text {
		return e.mask(short)
	}
	return text
}
