package deadletters

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Kind is what a letter was before it died.
type Kind string

// The kinds, as the subjects of letters have them.
const (
	Orders   Kind = "orders"
	Commands Kind = "commands"
	Hooks    Kind = "hooks"
)

// Kinds lists them.
func Kinds() []Kind { return []Kind{Orders, Commands, Hooks} }

// Letter is one dead letter. What it holds was written by others.
type Letter struct {
	Seq     uint64
	Time    time.Time
	Subject string
	Kind    Kind
	Reason  messages.Reason
	Error   string
	// Origin is where it came from, as far as its header can be read.
	Origin  Origin
	OrderID string
	// Size is the length of the body.
	Size int
	// CutFrom is the length of the original body where the letter's is cut; or 0.
	CutFrom int
	Header  nats.Header
	Body    []byte // only of a letter that was read whole
}

// Origin is the header [messages.HeaderOrigin] taken apart.
type Origin struct {
	Stream  string
	Seq     uint64
	Subject string
}

// String renders the header's value; "" for none.
func (o Origin) String() string {
	if o == (Origin{}) {
		return ""
	}
	return messages.Origin(o.Stream, o.Seq, o.Subject)
}

// parseOrigin reads the header. The subject is the rest, whatever it holds: what
// upstream publishes to may be anything.
func parseOrigin(text string) (Origin, error) {
	stream, rest, one := strings.Cut(text, ":")
	number, subject, two := strings.Cut(rest, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	if !one || !two || err != nil || stream == "" || subject == "" {
		return Origin{}, fmt.Errorf("its origin %q cannot be read", Escape(text))
	}
	return Origin{stream, seq, subject}, nil
}

func newLetter(seq uint64, at time.Time, subject string, h nats.Header) Letter {
	l := Letter{
		Seq: seq, Time: at, Subject: subject, Header: h, Reason: messages.Reason(h.Get(messages.HeaderReason)),
		Error: h.Get(messages.HeaderError), OrderID: h.Get(messages.HeaderOrderID),
	}
	if parts := strings.Split(subject, "."); len(parts) == 3 {
		l.Kind = Kind(parts[1])
	}
	l.Origin, _ = parseOrigin(h.Get(messages.HeaderOrigin))
	l.CutFrom, _ = strconv.Atoi(h.Get(messages.HeaderTruncated))
	return l
}

// Tenant is whose letter it is, as far as its origin tells; "" where it does not.
func (l Letter) Tenant() string {
	parts := strings.Split(l.Origin.Subject, ".")
	switch {
	case l.Kind == Orders && len(parts) == 3: // orders.<tenant>.<request>
		return parts[1]
	case l.Kind == Commands && len(parts) == 5: // commands.<provider>.<verb>.<tenant>.<order_id>
		return parts[3]
	case l.Kind == Hooks && len(parts) == 4: // hook.<provider>.<tenant>.<order_id>
		return parts[2]
	default:
		return ""
	}
}

// Provider is whose command or callback it was; "" of an order.
func (l Letter) Provider() messages.Provider {
	if l.Kind != Commands && l.Kind != Hooks {
		return ""
	}
	return messages.Provider(l.Subject[strings.LastIndexByte(l.Subject, '.')+1:])
}

// Escape makes a text of others safe to write to a terminal, and tells exactly
// what it holds: everything that is not a letter, a sign or a space is shown as
// its code.
func Escape(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case hidden(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsPrint(r) }

// Plain makes a JSON text safe to write to a terminal without changing what it
// says: inside of strings, where alone they can stand, such characters become
// escapes of JSON.
func Plain(text []byte) []byte {
	var b strings.Builder
	for _, r := range string(text) {
		switch {
		case !hidden(r) || r == '\n':
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String())
}
