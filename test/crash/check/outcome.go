package check

import (
	"encoding/json"
	"reflect"
	"strings"
)

// oneEnd is I2: every order that was handed in has exactly one terminal state,
// or is visibly the operator's; never both, never neither.
func oneEnd(v *view, say tell) int {
	for _, text := range v.unread {
		say("", "%s", text)
	}
	for _, key := range v.keys {
		s := v.stories[key]
		if s.order == nil {
			say(key, "has events, and nobody handed it in")
			continue
		}
		last := s.last()
		if last == nil {
			if s.order.Acked {
				say(key, "lost: it was stored and has no event")
			}
			continue
		}
		terminal := 0
		for _, e := range s.events {
			if ends[e.Type] && e.Type != "reversed" {
				terminal++
			}
		}
		if last.State == "reversed" && terminal == 0 {
			terminal = 1 // from on_hold
		}
		switch {
		case terminal > 1:
			say(key, "has %d ends", terminal)
		case terminal == 1 && !ends[last.State], terminal == 0 && !last.parked():
			say(key, "is left %s", last.State)
		case s.order.Must != "" && last.State != s.order.Must:
			say(key, "is %s and must be %s", last.State, s.order.Must)
		}
	}
	return len(v.keys)
}

// truthful is I2b: a success is one purchase, equal to what is told of it; any
// other end means that nothing was bought, or that the shop took it back.
func truthful(v *view, say tell) (looked int) {
	for _, s := range v.ordered() {
		last := s.last()
		if last == nil || !ends[last.State] {
			continue
		}
		looked++
		var standing []*purchase
		for _, p := range s.bought {
			if !p.over() && (s.order.Kind != "deposit" || p.payments > 0) {
				standing = append(standing, p)
			}
		}
		switch {
		case last.State == "succeeded" && len(standing) != 1:
			say(s.key, "succeeded, and the books have %d purchases that stand", len(standing))
		case last.State == "succeeded":
			s.compare(last, standing[0], say)
		case last.State == "reversed" && len(standing) > 0:
			say(s.key, "reversed, and %s stands", standing[0].id)
		case len(standing) > 0:
			say(s.key, "%s (%s), and was bought as %s", last.State, last.code(), standing[0].id)
		case len(s.bought) > 0 && last.State == "failed" && s.bought[0].undone:
			if refund := text(last.Evidence, "refund"); refund != "confirmed" && refund != "unconfirmed" {
				say(s.key, "the shop took it back, and evidence.refund is %q", refund)
			}
		}
	}
	return looked
}

// compare holds a success against its purchase, to the last digit.
func (s *story) compare(e *event, p *purchase, say tell) {
	want := func(what, got, books string) {
		if got != books {
			say(s.key, "%s is %q, the books have %q", what, got, books)
		}
	}
	id := map[string]string{
		"topup": "id", "gift_card": "id", "offer": "order_id", "telegram_stars": "order_id", "deposit": "transaction_id",
		"exchange": "id", "partner_payout": "payout_id",
	}[s.order.Kind]
	want("provider_ref."+id, e.Ref[id], p.id)
	if key := references[s.order.Kind]; key != "" {
		want("provider_ref."+key, e.Ref[key], p.reference)
	}
	if s.order.Kind == "partner_payout" {
		return
	}
	if amount, currency := e.told(); !sameSum(amount, currency, p.amount, p.currency) {
		say(s.key, "told %s %s, the books have %s %s", amount, currency, p.amount, p.currency)
	}
	if s.order.Amount != "" && !same(s.order.Amount, p.amount) {
		say(s.key, "ordered %s, the books have %s", s.order.Amount, p.amount)
	}
}

// apart is I6: every event of an order bears the order as it was handed in; no
// reference and no number of a shop belongs to two orders; other content under
// a used id is told in a dead letter, and only that is.
func apart(v *view, say tell) (looked int) {
	owner := map[string]string{}
	for _, s := range v.ordered() {
		for _, e := range s.events {
			looked++
			if len(e.Order) > 0 && string(e.Order) != "null" && !sameJSON(e.Order, s.order.Body) {
				say(s.key, "its event at %d holds another order: %s", e.Seq, e.Order)
				break
			}
			if e.Type != "rejected" && (e.Provider != s.order.Provider || e.Kind != s.order.Kind) {
				say(s.key, "its event at %d is of %s %s", e.Seq, e.Provider, e.Kind)
				break
			}
			for name, id := range e.Ref {
				full := e.Provider + " " + name + " " + id
				if name == "order_id" || name == "id" {
					full = e.Kind + " " + full
				}
				if other := owner[full]; other != "" && other != s.key {
					say(s.key, "shares %s with %s", full, other)
				}
				owner[full] = s.key
			}
		}
	}
	v.conflicts(say)
	return looked
}

func (v *view) conflicts(say tell) {
	letters := map[string]map[string]bool{}
	for _, m := range v.Streams["DLQ"] {
		if header(m, "Beltline-Reason") != "order_conflict" {
			continue
		}
		key := strings.TrimPrefix(m.Subject, "dlq.orders.") + "/" + header(m, "Beltline-Order-Id")
		if letters[key] == nil {
			letters[key] = map[string]bool{}
		}
		letters[key][header(m, "Beltline-Origin")] = true
	}
	for _, s := range v.ordered() {
		n := len(letters[s.key])
		delete(letters, s.key)
		if (n > 0) != (s.order.Conflicts > 0) || n > s.order.Conflicts {
			say(s.key, "%d dead letters for %d conflicting submissions", n, s.order.Conflicts)
		}
	}
	for key := range letters {
		say(key, "a conflict with an order that nobody handed in")
	}
}

func header(m Message, name string) string {
	if v := m.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

func upper(s string) string { return strings.ToUpper(s) }
