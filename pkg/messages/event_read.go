package messages

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
)

// eventReader reads events that are written as [Event.MarshalJSON] writes them:
// each is read several times in its life, and encoding/json passes over each
// byte three times. It gives up on everything else, an unknown or repeated key
// as well: encoding/json knows which field a key in capitals means, and which of
// two values counts.
type eventReader struct {
	scanner
	e        Event
	version  uint64
	standing bool // read only what [DecodeStanding] promises
}

// readEvent reads a whole body, or reports that it is not plain.
func readEvent(body []byte, standing bool) (*Event, bool) {
	r := eventReader{scanner: scanner{b: body}, standing: standing}
	readFields(&r, eventFields)
	if !r.end() || r.version != Version {
		return nil, false
	}
	for _, t := range r.e.times() {
		if t != nil && !writable(*t) {
			return nil, false
		}
	}
	return &r.e, true
}

// times are all that an event says of when, but for what is in Work.
func (e *Event) times() [6]*time.Time {
	return [...]*time.Time{&e.Time, e.LeaseUntil, e.RetryAt, e.HoldUntil, e.NotBefore, e.WatchUntil}
}

// eventField is how one field is read.
type eventField struct {
	name string
	read func(*eventReader)
}

// eventFields are the fields of an event in the order in which they are
// written; those of [wireEvent], as a test sees to.
var eventFields = []eventField{
	{"v", func(r *eventReader) { r.version = r.count() }},
	{"n", func(r *eventReader) { r.e.N = r.count() }},
	{"type", func(r *eventReader) { r.e.Type = Type(r.word()) }},
	{"state", func(r *eventReader) { r.e.State = Type(r.wordOrNull()) }},
	{"terminal", func(r *eventReader) { r.boolean() }}, // it follows from the state
	{"time", func(r *eventReader) { r.e.Time = r.instant() }},
	{"tenant", func(r *eventReader) { r.e.Tenant = r.text() }},
	{"order_id", func(r *eventReader) { r.e.OrderID = r.text() }},
	{"provider", func(r *eventReader) { r.e.Provider = Provider(r.wordOrNull()) }},
	{"kind", func(r *eventReader) { r.e.Kind = Kind(r.wordOrNull()) }},
	{"attempt", func(r *eventReader) { r.e.Attempt = int(r.count()) }}, //nolint:gosec // count reads 18 digits at most
	{"provider_ref", func(r *eventReader) { r.e.ProviderRef = r.texts() }},
	{"cost", func(r *eventReader) { r.e.Cost = r.money() }},
	{"cost_source", func(r *eventReader) { r.e.CostSource = CostSource(r.wordOrNull()) }},
	{"deliverable", func(r *eventReader) { r.e.Deliverable = notNull(r.kept()) }},
	{"finality", func(r *eventReader) { r.e.Finality = Finality(r.wordOrNull()) }},
	{"action", func(r *eventReader) { readRare(r, &r.e.Action) }},
	{"error", func(r *eventReader) { readRare(r, &r.e.Error) }},
	{"evidence", func(r *eventReader) { r.e.Evidence = r.evidence() }},
	{"needs_operator", func(r *eventReader) { r.e.NeedsOperator = r.boolean() }},
	{"lease_until", func(r *eventReader) { r.e.LeaseUntil = r.instantOrNull() }},
	{"retry_at", func(r *eventReader) { r.e.RetryAt = r.instantOrNull() }},
	{"hold_until", func(r *eventReader) { r.e.HoldUntil = r.instantOrNull() }},
	{"not_before", func(r *eventReader) { r.e.NotBefore = r.instantOrNull() }},
	{"watch_until", func(r *eventReader) { r.e.WatchUntil = r.instantOrNull() }},
	{"metadata", func(r *eventReader) { r.e.Metadata = r.texts() }},
	{"order", func(r *eventReader) { r.e.Order = notNull(r.kept()) }},
	{"work", func(r *eventReader) { r.work() }},
}

// workFields are those of [Work], in the order in which they are written.
var workFields = []eventField{
	{"nonce", func(r *eventReader) { r.e.Work.Nonce = r.text() }},
	{"owner", func(r *eventReader) { r.e.Work.Owner = r.text() }},
	{"reference_n", func(r *eventReader) { r.e.Work.ReferenceN = int(r.count()) }}, //nolint:gosec // count reads 18 digits at most
	{"placed_at", func(r *eventReader) { r.e.Work.PlacedAt = r.instantOrNull() }},
	{"new_reference", func(r *eventReader) { r.e.Work.NewReference = r.boolean() }},
	{"in_doubt", func(r *eventReader) { r.e.Work.InDoubt = r.boolean() }},
	{"unheard", func(r *eventReader) { r.e.Work.Unheard = r.boolean() }},
	{"unsaid", func(r *eventReader) { r.e.Work.Unsaid = r.text() }},
	{"answered", func(r *eventReader) { r.e.Work.Answered = r.boolean() }},
	{"acted", func(r *eventReader) { r.e.Work.Acted = r.boolean() }},
	{"doubt_since", func(r *eventReader) { r.e.Work.DoubtSince = r.instantOrNull() }},
	{"contradicted", func(r *eventReader) { r.e.Work.Contradicted = r.boolean() }},
	{"quotes", func(r *eventReader) { r.e.Work.Quotes = int(r.count()) }}, //nolint:gosec // count reads 18 digits at most
	{"tries", func(r *eventReader) { r.e.Work.Tries = int(r.count()) }},   //nolint:gosec // count reads 18 digits at most
	{"blocked_since", func(r *eventReader) { r.e.Work.BlockedSince = r.instantOrNull() }},
	{"plan", func(r *eventReader) { r.e.Work.Plan = r.kept() }},
	{"origin", func(r *eventReader) { r.e.Work.Origin = r.text() }},
}

// readFields reads an object whose members are fields, each at most once. What
// is written in the order of the fields is found at the first look.
func readFields(r *eventReader, fields []eventField) {
	var seen uint32
	likely := 0
	r.begin('{')
	for first := true; r.more(first, '}'); first = false {
		name, at := r.key(), -1
		for i := range fields {
			if j := (likely + i) % len(fields); string(name) == fields[j].name {
				at = j
				break
			}
		}
		if at < 0 || seen&(1<<at) != 0 {
			r.giveUp()
			return
		}
		seen |= 1 << at
		likely = at + 1
		fields[at].read(r)
	}
}

// knownWords spares a new string for each event where there are few to choose from.
var knownWords = func() map[string]string {
	words := map[string]string{}
	for _, t := range Types() {
		words[string(t)] = string(t)
	}
	for _, s := range kindSpecs {
		words[string(s.kind)] = string(s.kind)
		words[string(s.provider)] = string(s.provider)
	}
	for _, w := range []string{string(Final), string(ProviderAccepted), string(FromResponse), string(FromQuote)} {
		words[w] = w
	}
	return words
}()

func (r *eventReader) word() string {
	r.peek()
	from := r.at
	text, plain := r.quoted()
	if known, ok := knownWords[string(text)]; ok && plain {
		return known
	}
	if r.gaveUp {
		return ""
	}
	r.at = from
	return r.text()
}

func (r *eventReader) wordOrNull() string {
	if r.null() {
		return ""
	}
	return r.word()
}

func (r *eventReader) instantOrNull() *time.Time {
	if r.null() {
		return nil
	}
	t := r.instant()
	return &t
}

// kept is a value as it stands in the body, which belongs to the caller.
func (r *eventReader) kept() json.RawMessage {
	raw := r.raw()
	if r.standing {
		return nil
	}
	return bytes.Clone(raw)
}

func (r *eventReader) texts() map[string]string {
	if r.null() {
		return nil
	}
	var all map[string]string
	if !r.standing {
		all = make(map[string]string)
	}
	r.begin('{')
	for first := true; r.more(first, '}'); first = false {
		name := r.key()
		if r.standing {
			r.quoted()
			continue
		}
		all[string(name)] = r.text()
	}
	return all
}

// money reads what [money.Money] writes.
func (r *eventReader) money() *money.Money {
	if r.null() {
		return nil
	}
	var amount, currency []byte
	r.begin('{')
	for first := true; r.more(first, '}'); first = false {
		name := string(r.key())
		text, plain := r.quoted()
		switch {
		case plain && name == "amount" && amount == nil:
			amount = text
		case plain && name == "currency" && currency == nil:
			currency = text
		default:
			r.giveUp()
		}
	}
	m, err := money.Parse(string(amount), string(currency))
	if err != nil {
		r.giveUp()
	}
	return &m
}

// readRare leaves to encoding/json what few events have.
func readRare[T any](r *eventReader, into **T) {
	if r.null() {
		return
	}
	*into = new(T)
	if raw := r.raw(); r.gaveUp || json.Unmarshal(raw, *into) != nil {
		r.giveUp()
	}
}

func (r *eventReader) work() {
	if r.null() {
		return
	}
	r.e.Work = new(Work)
	readFields(r, workFields)
}

func (r *eventReader) evidence() map[string]any {
	if r.peek() == '{' && r.standing {
		r.skip()
		return nil
	}
	if r.null() {
		return nil
	}
	return r.object()
}

// object reads what encoding/json makes of an object that may hold anything,
// with its numbers literally.
func (r *eventReader) object() map[string]any {
	all := make(map[string]any)
	r.begin('{')
	for first := true; r.more(first, '}'); first = false {
		name := string(r.key())
		all[name] = r.anything()
	}
	return all
}

func (r *eventReader) anything() any {
	switch r.peek() {
	case '{':
		return r.object()
	case '[':
		all := []any{}
		r.begin('[')
		for first := true; r.more(first, ']'); first = false {
			all = append(all, r.anything())
		}
		return all
	case '"':
		return r.text()
	case 't', 'f':
		return r.boolean()
	case 'n':
		r.literal("null")
		return nil
	default:
		return json.Number(r.number())
	}
}
