package messages

import (
	"encoding/json"
	"strconv"

	"github.com/beltline-io/beltline/pkg/money"
)

// anything writes what stands in evidence: what adapters put there and what is
// read back from the ledger.
func (w *eventWriter) anything(v any) {
	if w.depth == scanDepth {
		w.rare(v, false) // encoding/json finds out whether it ever ends
		return
	}
	w.depth++
	defer func() { w.depth-- }()
	switch v := v.(type) {
	case nil:
		w.add("null")
	case string:
		w.text(v)
	case bool:
		w.boolean(v)
	case int:
		w.whole(v)
	case json.Number:
		w.literal(v)
	case money.Money:
		w.money(&v)
	case map[string]string:
		writeObject(w, v, w.text)
	case map[string]any:
		writeObject(w, v, w.anything)
	case []any:
		writeList(w, v, func(item *any) { w.anything(*item) })
	case []HTTPRecord:
		writeList(w, v, w.record)
	default:
		w.rare(v, false)
	}
}

func writeList[T any](w *eventWriter, all []T, value func(*T)) {
	if all == nil {
		w.add("null")
		return
	}
	w.add("[")
	for i := range all {
		if i > 0 {
			w.add(",")
		}
		value(&all[i])
	}
	w.add("]")
}

// literal writes a number as it was read.
func (w *eventWriter) literal(n json.Number) {
	s := scanner{b: []byte(n)}
	if s.number(); !s.end() || s.spaced {
		w.rare(n, false) // it says what is wrong
		return
	}
	w.add(string(n))
}

// record writes one request to a provider; see the tags of [HTTPRecord].
func (w *eventWriter) record(r *HTTPRecord) {
	w.add(`{"op":`).text(r.Op)
	w.add(`,"purpose":`).text(r.Purpose)
	w.add(`,"attempt":`).whole(r.Attempt)
	w.add(`,"method":`).text(r.Method)
	w.add(`,"path":`).text(r.Path)
	w.add(`,"sent_at":`).instantOrNull(r.SentAt)
	w.add(`,"answered_at":`).instantOrNull(r.AnsweredAt)
	w.add(`,"status":`)
	if r.Status == nil {
		w.add("null")
	} else {
		w.b = strconv.AppendInt(w.b, int64(*r.Status), 10)
	}
	w.add(`,"error":`).pointed(r.Error)
	w.add(`,"request":`).body(&r.Request)
	w.add(`,"answer":`)
	if r.Answer == nil {
		w.add("null")
	} else {
		w.body(r.Answer)
	}
	w.add("}")
}

func (w *eventWriter) body(b *HTTPBody) {
	w.add(`{"bytes":`).whole(b.Bytes)
	w.add(`,"sha256":`).pointed(b.SHA256)
	w.add(`,"content_type":`).text(b.ContentType)
	w.add(`,"text":`).text(b.Text)
	w.add(`,"cut":`).boolean(b.Cut)
	w.add("}")
}

// pointed writes a text that may be missing; an empty one is not missing.
func (w *eventWriter) pointed(s *string) {
	if s == nil {
		w.add("null")
		return
	}
	w.text(*s)
}
