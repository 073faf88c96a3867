package messages

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/beltline-io/beltline/pkg/money"
)

// eventWriter writes JSON to the byte as [marshalPlain] does, without asking each
// time what an event is made of. What it does not know it hands over; after an
// error nothing it has written counts, and encoding/json says what is wrong.
type eventWriter struct {
	b     []byte
	err   error
	depth int // of evidence
}

// writeEvent writes a whole event.
func writeEvent(e *Event) ([]byte, error) {
	const fixed = 1024 // more than all keys and the short values take
	w := eventWriter{b: make([]byte, 0, fixed+len(e.Order)+len(e.Deliverable))}
	w.event(e)
	return w.b, w.err
}

func (w *eventWriter) event(e *Event) {
	w.add(`{"v":`).whole(Version)
	w.b = strconv.AppendUint(w.add(`,"n":`).b, e.N, 10)
	w.add(`,"type":`).text(string(e.Type))
	w.add(`,"state":`).textOrNull(string(e.State))
	w.add(`,"terminal":`).boolean(e.Terminal())
	w.add(`,"time":`).instant(Stamp(e.Time))
	w.add(`,"tenant":`).text(e.Tenant)
	w.add(`,"order_id":`).text(e.OrderID)
	w.add(`,"provider":`).textOrNull(string(e.Provider))
	w.add(`,"kind":`).textOrNull(string(e.Kind))
	w.add(`,"attempt":`).whole(e.Attempt)
	writeObject(w.add(`,"provider_ref":`), e.ProviderRef, w.text)
	w.add(`,"cost":`).money(e.Cost)
	w.add(`,"cost_source":`).textOrNull(string(e.CostSource))
	w.add(`,"deliverable":`).raw(e.Deliverable)
	w.add(`,"finality":`).textOrNull(string(e.Finality))
	w.add(`,"action":`).rare(e.Action, e.Action == nil)
	w.add(`,"error":`).problem(e.Error)
	writeObject(w.add(`,"evidence":`), e.Evidence, w.anything)
	w.add(`,"needs_operator":`).boolean(e.NeedsOperator)
	w.add(`,"lease_until":`).instantOrNull(stamped(e.LeaseUntil))
	w.add(`,"retry_at":`).instantOrNull(stamped(e.RetryAt))
	w.add(`,"hold_until":`).instantOrNull(stamped(e.HoldUntil))
	w.add(`,"not_before":`).instantOrNull(stamped(e.NotBefore))
	w.add(`,"watch_until":`).instantOrNull(stamped(e.WatchUntil))
	writeObject(w.add(`,"metadata":`), e.Metadata, w.text)
	w.add(`,"order":`).raw(e.Order)
	if e.Work != nil {
		w.add(`,"work":`).work(e.Work)
	}
	w.add("}")
}

// work writes what is known only; see the tags of [Work].
func (w *eventWriter) work(k *Work) {
	w.add("{")
	from := len(w.b)
	w.textIf(`"nonce":`, k.Nonce)
	w.textIf(`"owner":`, k.Owner)
	w.wholeIf(`"reference_n":`, k.ReferenceN)
	w.instantIf(`"placed_at":`, k.PlacedAt)
	w.trueIf(`"new_reference":`, k.NewReference)
	w.trueIf(`"in_doubt":`, k.InDoubt)
	w.trueIf(`"unheard":`, k.Unheard)
	w.textIf(`"unsaid":`, k.Unsaid)
	w.trueIf(`"answered":`, k.Answered)
	w.trueIf(`"acted":`, k.Acted)
	w.instantIf(`"doubt_since":`, k.DoubtSince)
	w.trueIf(`"contradicted":`, k.Contradicted)
	w.wholeIf(`"quotes":`, k.Quotes)
	w.wholeIf(`"tries":`, k.Tries)
	w.instantIf(`"blocked_since":`, k.BlockedSince)
	if len(k.Plan) > 0 {
		w.add(`"plan":`).raw(k.Plan)
		w.add(",")
	}
	w.textIf(`"origin":`, k.Origin)
	if len(w.b) > from {
		w.b = w.b[:len(w.b)-1] // the last comma
	}
	w.add("}")
}

func (w *eventWriter) textIf(key, s string) {
	if s != "" {
		w.add(key).text(s)
		w.add(",")
	}
}

func (w *eventWriter) wholeIf(key string, n int) {
	if n != 0 {
		w.add(key).whole(n)
		w.add(",")
	}
}

func (w *eventWriter) trueIf(key string, v bool) {
	if v {
		w.add(key).add("true,")
	}
}

func (w *eventWriter) instantIf(key string, t *time.Time) {
	if t != nil {
		w.add(key).instant(*t)
		w.add(",")
	}
}

func (w *eventWriter) add(s string) *eventWriter {
	w.b = append(w.b, s...)
	return w
}

func (w *eventWriter) fail(err error) {
	if err != nil && w.err == nil {
		w.err = err
	}
}

func (w *eventWriter) whole(n int) { w.b = strconv.AppendInt(w.b, int64(n), 10) }

func (w *eventWriter) boolean(v bool) { w.b = strconv.AppendBool(w.b, v) }

// text writes a string. What is not UTF-8 becomes the replacement character,
// and the two line ends that JavaScript once stumbled over are escaped, as
// encoding/json has it.
func (w *eventWriter) text(s string) {
	const hex = "0123456789abcdef"
	b, from := append(w.b, '"'), 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size, escaped := 1, ""
		switch {
		case c >= utf8.RuneSelf:
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				escaped = `\ufffd`
			case r == '\u2028':
				escaped = `\u2028`
			case r == '\u2029':
				escaped = `\u2029`
			default:
				i += size
				continue
			}
		case shortForms[c] != "":
			escaped = shortForms[c]
		default:
			escaped = `\u00` + string([]byte{hex[c>>4], hex[c&15]})
		}
		b = append(append(b, s[from:i]...), escaped...)
		i += size
		from = i
	}
	w.b = append(append(b, s[from:]...), '"')
}

// shortForms are the escapes of two bytes.
var shortForms = ['\\' + 1]string{
	'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`,
}

func (w *eventWriter) textOrNull(s string) {
	if s == "" {
		w.add("null")
		return
	}
	w.text(s)
}

func (w *eventWriter) instant(t time.Time) {
	b, err := t.AppendText(append(w.b, '"'))
	w.fail(err)
	w.b = append(b, '"')
}

func (w *eventWriter) instantOrNull(t *time.Time) {
	if t == nil {
		w.add("null")
		return
	}
	w.instant(*t)
}

// raw writes JSON that is there already, without white space.
func (w *eventWriter) raw(v json.RawMessage) {
	if v == nil {
		w.add("null")
		return
	}
	s := scanner{b: v}
	if s.skip(); s.end() && !s.spaced {
		w.b = append(w.b, v...)
		return
	}
	var out bytes.Buffer
	w.fail(json.Compact(&out, v))
	w.b = append(w.b, out.Bytes()...)
}

// rare writes what few events have.
func (w *eventWriter) rare(v any, null bool) {
	if null {
		w.add("null")
		return
	}
	b, err := marshalPlain(v)
	w.fail(err)
	w.b = append(w.b, b...)
}

func (w *eventWriter) money(m *money.Money) {
	if m == nil {
		w.add("null")
		return
	}
	if !plainCurrency(m.Currency) { // encoding/json writes it with more escapes than text does
		b, err := m.MarshalJSON()
		w.fail(err)
		w.b = append(w.b, b...)
		return
	}
	w.add(`{"amount":"`).add(m.AmountString())
	w.add(`","currency":"`).add(string(m.Currency))
	w.add(`"}`)
}

func plainCurrency(c money.Currency) bool {
	for i := range len(c) {
		if (c[i] < 'A' || c[i] > 'Z') && (c[i] < '0' || c[i] > '9') {
			return false
		}
	}
	return true
}

func (w *eventWriter) problem(e *Error) {
	if e == nil {
		w.add("null")
		return
	}
	w.add(`{"class":`).text(e.Class)
	w.add(`,"code":`).text(e.Code)
	w.add(`,"message":`).text(e.Message)
	w.add(`,"retryable":`).boolean(e.Retryable)
	w.add(`,"faults":[`)
	for i, f := range e.Faults {
		if i > 0 {
			w.add(",")
		}
		w.add(`{"pointer":`).text(f.Pointer)
		w.add(`,"message":`).text(f.Message)
		w.add("}")
	}
	w.add("]}")
}

// writeObject writes a map by the order of its keys.
func writeObject[T any](w *eventWriter, all map[string]T, value func(T)) {
	if all == nil {
		w.add("null")
		return
	}
	var few [8]string
	names := few[:0]
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	w.add("{")
	for i, name := range names {
		if i > 0 {
			w.add(",")
		}
		w.text(name)
		w.add(":")
		value(all[name])
	}
	w.add("}")
}
