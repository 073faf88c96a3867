package check_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/test/crash/check"
)

// start is when every scene begins; a scene's moments are seconds after it.
var start = time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

// fields are what an event says beyond its type.
type fields = map[string]any

// scene is a history made by hand.
type scene struct {
	*check.History
	n       map[string]int
	state   map[string]string
	last    map[string]uint64
	request int64
}

// newScene is a run in which nothing has happened: quiet until 10, faults until
// 20, settled at 30.
func newScene() *scene {
	return &scene{
		History: &check.History{
			Seed: 7, Again: "go run ./test/crash -seed 7", Began: at(0), Faulty: at(10), Healed: at(20), Settled: at(30),
			Limits:  check.Limits{Stuck: 5 * time.Second, Heal: 15 * time.Second, RSS: 1 << 30, FDs: 100},
			Rates:   map[string]check.Rate{"balancesteam": {Requests: 10, Window: time.Second}},
			Streams: map[string][]check.Message{}, Books: map[string][]providertest.Entry{}, Logs: map[string]string{},
			Seen: map[uint64]string{}, Secrets: map[string]string{},
		},
		n: map[string]int{}, state: map[string]string{}, last: map[string]uint64{},
	}
}

// ordered hands an order in. Its account is its id.
func (s *scene) ordered(id, provider, kind string) *check.Order {
	s.Orders = append(s.Orders, check.Order{
		Tenant: "acme", ID: id, Provider: provider, Kind: kind, Account: id, Acked: true,
		Body: json.RawMessage(fmt.Sprintf(`{"v":1,"id":%q,"provider":%q,"kind":%q,"params":{}}`, id, provider, kind)),
	})
	return &s.Orders[len(s.Orders)-1]
}

// event appends an event of an order, sound unless more says otherwise.
func (s *scene) event(when float64, id, typ string, more ...fields) {
	var o check.Order
	for _, known := range s.Orders {
		if known.ID == id {
			o = known
		}
	}
	side := typ == "cancel_refused" || typ == "late_evidence"
	if !side {
		s.state[id] = typ
	}
	s.n[id]++
	terminal := map[string]bool{"rejected": true, "succeeded": true, "failed": true, "canceled": true, "expired": true, "reversed": true}
	e := fields{
		"v": 1, "n": s.n[id], "type": typ, "state": s.state[id], "terminal": terminal[s.state[id]], "tenant": "acme", "order_id": id,
		"provider": o.Provider, "kind": o.Kind, "attempt": 1, "order": o.Body,
	}
	for _, m := range more {
		maps.Copy(e, m)
	}
	body, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	seq := uint64(len(s.Streams["EVENTS"]) + 1)
	s.Streams["EVENTS"] = append(s.Streams["EVENTS"], check.Message{
		Seq: seq, Time: at(when), Data: string(body), Subject: "events." + o.Provider + ".acme." + id + "." + typ,
		Header: map[string][]string{"Nats-Expected-Last-Subject-Sequence": {strconv.FormatUint(s.last[id], 10)}},
	})
	s.last[id] = seq
}

// entry appends to a shop's book.
func (s *scene) entry(when float64, provider string, e providertest.Entry) {
	e.Time = at(when)
	s.Books[provider] = append(s.Books[provider], e)
}

// arrive is a creating request that came in.
func (s *scene) arrive(when float64, provider, op, body string) int64 {
	s.request++
	s.entry(when, provider, providertest.Entry{Phase: providertest.Received, Op: op, Request: s.request, Body: body})
	return s.request
}

// buy is a whole purchase at a shop, for an order of the same name.
func (s *scene) buy(when float64, provider, op, account, reference, id, amount, currency string) {
	r := s.arrive(when, provider, op, "body of "+account+reference)
	s.entry(when+0.01, provider, providertest.Entry{
		Phase: providertest.Committed, Op: op, Request: r, OrderKey: account, Reference: reference, ID: id, Amount: amount, Currency: currency,
	})
	s.entry(when+0.02, provider, providertest.Entry{Phase: providertest.Answered, Op: op, Request: r, Status: 200})
}

// incident notes what was done to a process.
func (s *scene) incident(when float64, process string, deed check.Deed) {
	program := strings.TrimRight(process, "-0123456789")
	s.Incidents = append(s.Incidents, check.Incident{Time: at(when), Program: program, Process: process, Deed: deed})
}

// topup is a top-up that went well. It returns what its success says.
func (s *scene) topup(id string) {
	s.ordered(id, "balancesteam", "topup").Amount = "10.50"
	s.event(1, id, "accepted")
	s.event(2, id, "placing", fields{"work": fields{"nonce": "nonce of " + id}})
	s.buy(3, "balancesteam", "create_topup", id, "", "100"+id, "10.5", "RUB")
	s.event(4, id, "succeeded", fields{
		"provider_ref": fields{"id": "100" + id}, "evidence": fields{"requested": fields{"amount": "10.50", "currency": "RUB"}},
	})
}

// stars is an order of Telegram Stars that went well.
func (s *scene) stars(id string) {
	s.ordered(id, "gamesdrop", "telegram_stars")
	s.event(1, id, "accepted")
	ref := fields{"reference": "b1" + id}
	s.event(2, id, "placing", fields{"provider_ref": ref, "work": fields{"nonce": "nonce of " + id}})
	s.buy(3, "gamesdrop", "create_order", id, "b1"+id, "200"+id, "0.78", "USD")
	s.event(4, id, "succeeded", fields{
		"provider_ref": fields{"reference": "b1" + id, "order_id": "200" + id}, "cost": fields{"amount": "0.78", "currency": "USD"},
	})
}

// deposit is a deposit that the customer has paid.
func (s *scene) deposit(id string) {
	s.ordered(id, "skinsback", "deposit")
	s.event(1, id, "accepted")
	s.event(2, id, "placing", fields{"provider_ref": fields{"reference": "b1" + id}, "work": fields{"nonce": "nonce of " + id}})
	s.buy(3, "skinsback", "create", id, "b1"+id, "300"+id, "", "usd")
	s.event(4, id, "action_required", fields{"provider_ref": fields{"reference": "b1" + id, "transaction_id": "300" + id}})
	s.entry(5, "skinsback", providertest.Entry{Phase: "paid", OrderKey: id, Reference: "b1" + id, ID: "300" + id, Amount: "9.99", Currency: "usd"})
	s.event(6, id, "succeeded", fields{
		"provider_ref": fields{"reference": "b1" + id, "transaction_id": "300" + id},
		"deliverable":  fields{"amount": fields{"amount": "9.99", "currency": "USD"}},
	})
}

// exchange is a bid that went its way.
func (s *scene) exchange(id string) {
	s.ordered(id, "exchanger", "exchange")
	s.event(1, id, "accepted")
	s.event(2, id, "placing", fields{"provider_ref": fields{"api_id": "77" + id}, "work": fields{"nonce": "nonce of " + id}})
	s.buy(3, "exchanger", "create_bid", id, "77"+id, "400"+id, "3030.00", "RUB")
	s.event(4, id, "action_required", fields{"provider_ref": fields{"api_id": "77" + id, "id": "400" + id}})
	s.event(6, id, "succeeded", fields{
		"provider_ref": fields{"api_id": "77" + id, "id": "400" + id}, "cost": fields{"amount": "3030.00", "currency": "RUB"},
	})
	s.Standings = append(s.Standings, check.Standing{Provider: "exchanger", ID: "400" + id, Status: "success"})
}

// parked is a top-up whose owner was killed after it had bought.
func (s *scene) parked(id string) {
	s.ordered(id, "balancesteam", "topup").Amount = "7"
	s.event(11, id, "accepted")
	s.event(12, id, "placing", fields{"work": fields{"nonce": "nonce of " + id}})
	s.buy(12.1, "balancesteam", "create_topup", id, "", "100"+id, "7", "RUB")
	s.incident(12.2, "worker-balancesteam-1", check.Killed)
	s.event(14, id, "unresolved", fields{"needs_operator": true, "error": fields{"class": "ambiguous", "code": "no_answer"}})
}

// whole is a run in which everything went as it should, one of each kind.
func whole() *scene {
	s := newScene()
	s.topup("t1")
	s.stars("s1")
	s.deposit("d1")
	s.exchange("e1")
	s.parked("p1")
	s.ordered("r1", "gamesdrop", "offer").Must = "rejected"
	s.event(1, "r1", "rejected")
	s.ordered("q1", "exchanger", "partner_payout")
	s.event(1, "q1", "accepted")
	s.event(2, "q1", "placing", fields{"work": fields{"nonce": "nonce of q1"}})
	s.buy(3, "exchanger", "add_partner_payout", "q1", "", "57", "250.00", "USD")
	s.event(4, "q1", "succeeded", fields{"provider_ref": fields{"payout_id": "57"}})
	for _, m := range s.Streams["EVENTS"] {
		s.Seen[m.Seq] = m.Data
	}
	s.Logs["worker-gamesdrop-1"] = `{"message":"order moved","tenant":"acme","order_id":"s1","event":"succeeded","attempt":1}` + "\n" +
		`{"message":"the provider's own words","panicky":"no"}` + "\n" + `{"message":"order mo`
	s.Secrets["the API key"], s.Goods = "canary-key-0001", []string{"001434249936"}
	s.Hooks = []check.Hook{{Provider: "skinsback", Code: 200}, {Provider: "skinsback", Forged: true, Code: 401}, {Provider: "skinsback", Code: 503}}
	s.Samples = []check.Sample{{Process: "worker-gamesdrop-1", RSS: 1 << 20, FDs: 9}}
	return s
}

// mustSee fails unless the invariant is broken, and is broken for the reason.
func mustSee(t *testing.T, s *scene, id, reason string) {
	t.Helper()
	report := check.Check(s.History)
	for _, f := range report.Of(id).Findings {
		if strings.Contains(f.Order+": "+f.Text, reason) {
			return
		}
	}
	t.Errorf("%s does not see %q: %+v", id, reason, report.Of(id))
}

// mustPass fails if the invariant is broken, or has looked at nothing.
func mustPass(t *testing.T, s *scene, id string) {
	t.Helper()
	v := check.Check(s.History).Of(id)
	if len(v.Findings) > 0 || v.Looked == 0 {
		t.Errorf("%s looked at %d and found %+v", id, v.Looked, v.Findings)
	}
}
