package check_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/test/crash/check"
)

func TestCheck_ASoundRunBreaksNothingAndIsLookedAtByEveryInvariant(t *testing.T) {
	t.Parallel()
	report := check.Check(whole().History)
	for _, v := range report.Verdicts {
		if v.Looked == 0 || len(v.Findings) > 0 {
			t.Errorf("%s looked at %d and found %+v", v.ID, v.Looked, v.Findings)
		}
	}
	if !report.OK() || len(report.Verdicts) != 16 {
		t.Errorf("%d verdicts, OK %t", len(report.Verdicts), report.OK())
	}
}

// breach is a change that breaks an invariant, and what must be said of it.
type breach struct {
	reason string
	change func(*scene)
}

func mustSeeAll(t *testing.T, id string, breaches map[string]breach) {
	t.Helper()
	for name, b := range breaches {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := whole()
			b.change(s)
			mustSee(t, s, id, b.reason)
		})
	}
}

func TestI1_SeesWhatWasBoughtTwice(t *testing.T) {
	t.Parallel()
	mustSeeAll(t, "I1", map[string]breach{
		"a second topup":          {"acme/t1: bought 2 times", func(s *scene) { s.buy(5, "balancesteam", "create_topup", "t1", "", "999", "10.5", "RUB") }},
		"under another reference": {"acme/s1: bought 2 times", func(s *scene) { s.buy(5, "gamesdrop", "create_order", "s1", "b1other", "999", "0.78", "USD") }},
		"a third deposit":         {"acme/d1: opened 3 times", func(s *scene) { s.deposits(2, false) }},
		"a second deposit, paid":  {"acme/d1: paid 2 times", func(s *scene) { s.deposits(1, true) }},
		"for nobody":              {`sold 999 to "stranger"`, func(s *scene) { s.buy(5, "gamesdrop", "create_order", "stranger", "b1x", "999", "0.78", "USD") }},
		"after a decision, a third": {"acme/p1: bought 3 times, not 2", func(s *scene) {
			s.placedAgain()
			s.buy(28, "balancesteam", "create_topup", "p1", "", "998", "7", "RUB")
		}},
	})
}

// deposits opens more deposits for d1, with or without a payment.
func (s *scene) deposits(n int, pay bool) {
	for i := range n {
		id := fmt.Sprint("99", i)
		s.buy(5, "skinsback", "create", "d1", "b1more"+id, id, "", "usd")
		if pay {
			s.entry(6, "skinsback", providertest.Entry{Phase: "paid", OrderKey: "d1", ID: id, Amount: "1", Currency: "usd"})
		}
	}
}

// placedAgain is an operator's decision about p1, and the purchase that follows.
func (s *scene) placedAgain() {
	s.event(25, "p1", "retrying", fields{"evidence": fields{"decision": "place_again"}})
	s.event(26, "p1", "placing", fields{"attempt": 2, "work": fields{"nonce": "second nonce of p1"}})
	s.buy(27, "balancesteam", "create_topup", "p1", "", "997", "7", "RUB")
}

func TestI1_ASecondLinkAndADecisionOfTheOperatorAreAllowed(t *testing.T) {
	t.Parallel()
	s := whole()
	s.placedAgain()
	s.deposits(1, false)
	mustPass(t, s, "I1")
}

func TestI1b_SeesAPurchaseWithoutAnIntentBeforeIt(t *testing.T) {
	t.Parallel()
	mustSeeAll(t, "I1b", map[string]breach{
		"none at all": {"acme/n1", func(s *scene) {
			s.ordered("n1", "balancesteam", "topup")
			s.event(1, "n1", "accepted")
			s.buy(2, "balancesteam", "create_topup", "n1", "", "999", "1", "RUB")
		}},
		"only afterwards": {"acme/n1", func(s *scene) {
			s.ordered("n1", "balancesteam", "topup")
			s.buy(2, "balancesteam", "create_topup", "n1", "", "999", "1", "RUB")
			s.event(3, "n1", "accepted")
			s.event(4, "n1", "placing")
		}},
		"under another reference": {`acme/s1`, func(s *scene) { s.buy(5, "gamesdrop", "create_order", "s1", "b1other", "999", "0.78", "USD") }},
	})
}

func TestI2_SeesWhatIsLostOrEndsTwice(t *testing.T) {
	t.Parallel()
	mustSeeAll(t, "I2", map[string]breach{
		"lost":        {"acme/n1: lost", func(s *scene) { s.ordered("n1", "gamesdrop", "offer") }},
		"left behind": {"acme/n1: is left accepted", func(s *scene) { s.ordered("n1", "gamesdrop", "offer"); s.event(1, "n1", "accepted") }},
		"two ends":    {"acme/t1: has 2 ends", func(s *scene) { s.event(7, "t1", "failed") }},
		"unresolved for nobody": {"acme/n1: is left unresolved", func(s *scene) {
			s.ordered("n1", "gamesdrop", "offer")
			s.event(1, "n1", "accepted")
			s.event(2, "n1", "placing")
			s.event(3, "n1", "unresolved")
		}},
		"another end than it must": {"must be expired", func(s *scene) { s.Orders[0].Must = "expired" }},
		"events of nobody's order": {"acme/ghost: has events", func(s *scene) { s.event(1, "ghost", "accepted") }},
		"an unreadable event": {"cannot be read", func(s *scene) {
			s.Streams["EVENTS"] = append(s.Streams["EVENTS"], check.Message{Seq: 999, Data: "{"})
		}},
	})
}

func TestI2_AnUnansweredSubmissionMayHaveNoEventAndASuccessMayBeReversed(t *testing.T) {
	t.Parallel()
	s := whole()
	s.ordered("n1", "gamesdrop", "offer").Acked = false
	s.event(9, "s1", "reversed")
	s.event(9, "t1", "late_evidence")
	mustPass(t, s, "I2")
}

func TestI2b_SeesWhatIsNotTrueOfAnEnd(t *testing.T) {
	t.Parallel()
	refused := func(s *scene, provider, kind string) {
		s.ordered("n1", provider, kind)
		s.event(1, "n1", "accepted")
		s.event(2, "n1", "placing", fields{"provider_ref": fields{"reference": "b1n1"}})
		s.event(4, "n1", "failed")
	}
	mustSeeAll(t, "I2b", map[string]breach{
		"unknown called failed": {"acme/n1: failed (), and was bought", func(s *scene) {
			refused(s, "balancesteam", "topup")
			s.buy(3, "balancesteam", "create_topup", "n1", "", "999", "1", "RUB")
		}},
		"taken back without a word": {`evidence.refund is ""`, func(s *scene) {
			refused(s, "gamesdrop", "offer")
			s.buy(3, "gamesdrop", "create_order", "n1", "b1n1", "999", "10", "USD")
			s.entry(3.5, "gamesdrop", providertest.Entry{Phase: "undone", OrderKey: "n1", ID: "999"})
		}},
		"success of nothing": {"acme/n1: succeeded, and the books have 0", func(s *scene) {
			s.ordered("n1", "gamesdrop", "offer")
			s.event(1, "n1", "accepted")
			s.event(2, "n1", "placing")
			s.event(3, "n1", "succeeded")
		}},
		"a deposit that nobody paid": {"the books have 0 purchases that stand", func(s *scene) {
			s.Books["skinsback"] = s.Books["skinsback"][:3]
		}},
		"a bid that was deleted":   {"the books have 0 purchases that stand", func(s *scene) { s.Standings[0].Status = "delete" }},
		"a wrong number":           {`provider_ref.id is "100t1", the books have "other"`, func(s *scene) { s.Books["balancesteam"][1].ID = "other" }},
		"a wrong reference":        {`provider_ref.reference is "b1s1"`, func(s *scene) { s.Books["gamesdrop"][1].Reference = "b1other" }},
		"a wrong price":            {"told 0.78 USD, the books have 0.77 USD", func(s *scene) { s.Books["gamesdrop"][1].Amount = "0.77" }},
		"a wrong currency":         {"told 0.78 USD, the books have 0.78 EUR", func(s *scene) { s.Books["gamesdrop"][1].Currency = "EUR" }},
		"another sum than ordered": {"ordered 10.51", func(s *scene) { s.Orders[0].Amount = "10.51" }},
		"reversed and kept":        {"reversed, and", func(s *scene) { s.event(9, "s1", "reversed") }},
		"another payout": {"provider_ref.payout_id", func(s *scene) {
			book := s.Books["exchanger"]
			book[len(book)-2].ID = "58"
		}},
	})
}

func TestI2b_APurchaseThatTheShopTookBackMayHaveFailed(t *testing.T) {
	t.Parallel()
	s := whole()
	s.ordered("n1", "gamesdrop", "offer")
	s.event(1, "n1", "accepted")
	s.event(2, "n1", "placing", fields{"provider_ref": fields{"reference": "b1n1"}})
	s.buy(3, "gamesdrop", "create_order", "n1", "b1n1", "999", "10", "USD")
	s.entry(3.5, "gamesdrop", providertest.Entry{Phase: "undone", OrderKey: "n1", ID: "999"})
	s.event(4, "n1", "failed", fields{"evidence": fields{"refund": "confirmed"}})
	for _, id := range []string{"I1", "I2b", "I13"} {
		mustPass(t, s, id)
	}
}

func TestI3_SeesOneRequestTooManyInAnyWindow(t *testing.T) {
	t.Parallel()
	s := whole()
	for i := range 10 {
		s.arrive(15+float64(i)/10, "balancesteam", "check_login", "x")
	}
	mustPass(t, s, "I3") // the window is half open: the eleventh at 16 is out of it
	s.arrive(16, "balancesteam", "check_login", "x")
	mustPass(t, s, "I3")
	s.arrive(15.95, "balancesteam", "balance", "x")
	mustSee(t, s, "I3", "balancesteam got 11 requests")
}

func TestI4_SeesMoreRequestsThanIntents(t *testing.T) {
	t.Parallel()
	mustSeeAll(t, "I4", map[string]breach{
		"the same request sent again": {"acme/s1: 2 creating requests for 1 intents", func(s *scene) {
			s.arrive(5, "gamesdrop", "create_order", "body of s1b1s1")
			s.ordered("n1", "gamesdrop", "offer") // an intent of another order excuses nothing
			s.event(1, "n1", "accepted")
			s.event(2, "n1", "placing")
		}},
		"a request that nobody can place": {"gamesdrop got 2 creating requests for 1 intents", func(s *scene) { s.arrive(5, "gamesdrop", "create_order", "unknown") }},
		"a nonce used twice": {"bears a nonce of acme/n1", func(s *scene) {
			s.ordered("n1", "gamesdrop", "offer")
			s.event(1, "n1", "accepted")
			s.event(2, "n1", "placing", fields{"work": fields{"nonce": "nonce of t1"}})
		}},
	})
}

func TestI5_SeesWhatWasAcknowledgedAndIsGone(t *testing.T) {
	t.Parallel()
	mustSeeAll(t, "I5", map[string]breach{
		"read and gone":    {"the event at 99 was read and is gone", func(s *scene) { s.Seen[99] = "{}" }},
		"read and changed": {"the event at 1 was read and is another now", func(s *scene) { s.Seen[1] += " " }},
		"logged and gone": {"acme/s1: 2 acknowledged succeeded of attempt 1, the ledger has 1", func(s *scene) {
			s.Logs["worker-gamesdrop-2"] = `{"message":"order moved","tenant":"acme","order_id":"s1","event":"succeeded","attempt":1}`
		}},
	})
}

func TestI6_SeesOrdersThatAreMixedUp(t *testing.T) {
	t.Parallel()
	letter := func(s *scene, origin, id string) {
		s.Streams["DLQ"] = append(s.Streams["DLQ"], check.Message{Subject: "dlq.orders.acme", Header: map[string][]string{
			"Beltline-Reason": {"order_conflict"}, "Beltline-Origin": {origin}, "Beltline-Order-Id": {id},
		}})
	}
	mustSeeAll(t, "I6", map[string]breach{
		"another order's content": {"holds another order", func(s *scene) { s.event(9, "t1", "late_evidence", fields{"order": fields{"id": "t2"}}) }},
		"another kind":            {"is of balancesteam gift_card", func(s *scene) { s.event(9, "t1", "late_evidence", fields{"kind": "gift_card"}) }},
		"a shared reference": {"shares", func(s *scene) {
			s.ordered("n1", "gamesdrop", "offer")
			s.event(1, "n1", "accepted")
			s.event(2, "n1", "placing", fields{"provider_ref": fields{"reference": "b1s1"}})
		}},
		"a conflict untold":   {"acme/t1: 0 dead letters for 1", func(s *scene) { s.Orders[0].Conflicts = 1 }},
		"a conflict invented": {"acme/t1: 1 dead letters for 0", func(s *scene) { letter(s, "ORDERS:1:x", "t1") }},
		"told twice": {"acme/t1: 2 dead letters for 1", func(s *scene) {
			s.Orders[0].Conflicts = 1
			letter(s, "ORDERS:1:x", "t1")
			letter(s, "ORDERS:2:x", "t1")
		}},
		"of nobody's order": {"acme/ghost: a conflict", func(s *scene) { letter(s, "ORDERS:1:x", "ghost") }},
	})
}

func TestI7_SeesForgedCallbacksTakenAndGenuineOnesRefused(t *testing.T) {
	t.Parallel()
	mustSeeAll(t, "I7", map[string]breach{
		"forged":  {"a forged callback of exchanger was taken", func(s *scene) { s.Hooks = append(s.Hooks, check.Hook{Provider: "exchanger", Forged: true, Code: 200}) }},
		"genuine": {"a genuine callback of skinsback was refused", func(s *scene) { s.Hooks = append(s.Hooks, check.Hook{Provider: "skinsback", Code: 401}) }},
	})
}

func TestI8_SeesAnOrderThatStandsStillWhileNothingIsBroken(t *testing.T) {
	t.Parallel()
	stuck := func(s *scene, from, to float64, more fields) {
		s.ordered("n1", "gamesdrop", "offer")
		s.event(from, "n1", "accepted")
		s.event(from, "n1", "retrying", more)
		s.event(to, "n1", "expired")
	}
	mustSeeAll(t, "I8", map[string]breach{
		"before the faults": {"acme/n1: was retrying for 6s", func(s *scene) { stuck(s, 2, 8, nil) }},
		"after the faults":  {"acme/n1: was retrying for 8s", func(s *scene) { stuck(s, 12, 28, nil) }},
		"beyond retry_at":   {"acme/n1: was retrying for 6s", func(s *scene) { stuck(s, 1, 9, fields{"retry_at": at(3)}) }},
	})
	s := whole()
	stuck(s, 11, 22, nil) // most of it while processes were dying
	mustPass(t, s, "I8")
}

func TestI10_SeesSecretsInAnySpellingAndCodesThatWereSold(t *testing.T) {
	t.Parallel()
	const key, code = "canary-key-0001", "001434249936"
	log := func(text string) func(*scene) { return func(s *scene) { s.Logs["dispatcher-0"] = text } }
	breaches := map[string]breach{
		"plain":             {"the API key is in the log of dispatcher-0", log("key " + key)},
		"hex":               {"the API key is in the log", log(hex.EncodeToString([]byte(key)))},
		"in an event":       {"the API key is in EVENTS at", func(s *scene) { s.event(9, "t1", "late_evidence", fields{"evidence": fields{"text": key}}) }},
		"a code in a log":   {"the code " + code, log(`{"key":"` + code + `"}`)},
		"a code in hex":     {"the code " + code, log(hex.EncodeToString([]byte(code)))},
		"a code in the DLQ": {"the code " + code + " is in DLQ", func(s *scene) { s.Streams["DLQ"] = []check.Message{{Seq: 1, Data: code}} }},
	}
	for i := range 3 {
		breaches[fmt.Sprint("base64 ", i)] = breach{"the API key is in the log", log(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("-", i) + key + " and more")))}
	}
	mustSeeAll(t, "I10", breaches)
	s := whole()
	s.event(9, "s1", "late_evidence", fields{"deliverable": fields{"key": code}})
	mustPass(t, s, "I10")
}

func TestI11_SeesGrowthAndPanics(t *testing.T) {
	t.Parallel()
	mustSeeAll(t, "I11", map[string]breach{
		"memory": {"took 2048 MiB", func(s *scene) { s.Samples[0].RSS = 2 << 30 }},
		"files":  {"had 101 files open", func(s *scene) { s.Samples[0].FDs = 101 }},
		"panic":  {`printed "panic: "`, func(s *scene) { s.Logs["x-0"] = "panic: runtime error" }},
		"logged": {`printed "\"panic\""`, func(s *scene) { s.Logs["x-0"] = `{"panic":"nil map"}` }},
		"race":   {`printed "DATA RACE"`, func(s *scene) { s.Logs["x-0"] = "WARNING: DATA RACE" }},
	})
}

func TestI12_SeesWhatIsNoWayThroughTheStates(t *testing.T) {
	t.Parallel()
	header := func(s *scene, to ...string) {
		s.event(9, "t1", "late_evidence")
		all := s.Streams["EVENTS"]
		all[len(all)-1].Header = map[string][]string{"Nats-Expected-Last-Subject-Sequence": to}
	}
	mustSeeAll(t, "I12", map[string]breach{
		"a gap":  {"is numbered 9 and is number 4", func(s *scene) { s.event(9, "t1", "late_evidence", fields{"n": 9}) }},
		"no way": {`failed follows "succeeded"`, func(s *scene) { s.event(9, "t1", "failed") }},
		"an answer to no intent": {`succeeded follows "accepted"`, func(s *scene) {
			s.ordered("n1", "gamesdrop", "offer")
			s.event(1, "n1", "accepted")
			s.event(2, "n1", "succeeded")
		}},
		"not compared":            {"was not written by compare-and-set", func(s *scene) { header(s) }},
		"compared with another":   {"was written on top of 1", func(s *scene) { header(s, "1") }},
		"not terminal":            {"terminal false", func(s *scene) { s.event(9, "s1", "reversed", fields{"terminal": false}) }},
		"a side event that moves": {"says failed of an order that is succeeded", func(s *scene) { s.event(9, "t1", "late_evidence", fields{"state": "failed"}) }},
		"another subject":         {"stands on", func(s *scene) { s.event(9, "t1", "late_evidence", fields{"type": "cancel_refused"}) }},
	})
}

func TestI13_SeesMoneyThatDoesNotAddUp(t *testing.T) {
	t.Parallel()
	mustSeeAll(t, "I13", map[string]breach{
		"a cent lost": {"gamesdrop took 0.79 USD; events and operator account for 0.78", func(s *scene) { s.Books["gamesdrop"][1].Amount = "0.79" }},
		"bought and forgotten": {"balancesteam took 18.5 RUB", func(s *scene) {
			s.ordered("n1", "balancesteam", "topup")
			s.buy(5, "balancesteam", "create_topup", "n1", "", "999", "1", "RUB")
		}},
		"told and never bought": {"gamesdrop took 0 EUR", func(s *scene) {
			s.ordered("n1", "gamesdrop", "offer")
			s.event(3, "n1", "succeeded", fields{"cost": fields{"amount": "1", "currency": "EUR"}})
		}},
	})
}

func TestI14_SeesWhatDoesNotEndInTime(t *testing.T) {
	t.Parallel()
	mustSeeAll(t, "I14", map[string]breach{
		"never": {"acme/n1: is still accepted", func(s *scene) {
			s.Settled = time.Time{}
			s.ordered("n1", "gamesdrop", "offer")
			s.event(1, "n1", "accepted")
		}},
		"too late": {"ended 16s after the last fault", func(s *scene) { s.Settled = at(36) }},
	})
}

func TestI15_SeesAnOperatorAskedForNothing(t *testing.T) {
	t.Parallel()
	park := func(s *scene, provider, kind string) {
		s.ordered("n1", provider, kind)
		s.event(14, "n1", "accepted")
		s.event(15, "n1", "placing", fields{"provider_ref": fields{"reference": "b1n1"}})
		s.event(16, "n1", "unresolved", fields{"needs_operator": true, "error": fields{"code": "no_answer"}})
	}
	mustSeeAll(t, "I15", map[string]breach{
		"nothing went wrong": {"acme/n1: is the operator's (no_answer), and nothing went wrong", func(s *scene) { park(s, "gamesdrop", "offer") }},
		"another's network was cut": {"acme/n1: is the operator's (no_answer), and nothing went wrong", func(s *scene) {
			park(s, "gamesdrop", "offer")
			s.Incidents = append(s.Incidents, check.Incident{Time: at(15.5), Program: check.Network, Process: "worker-skinsback-1", Deed: check.Troubled})
		}},
		"never placed": {"acme/n1: is the operator's, and was never placed", func(s *scene) {
			s.ordered("n1", "gamesdrop", "offer")
			s.event(1, "n1", "accepted")
			s.event(2, "n1", "unresolved", fields{"needs_operator": true})
		}},
		"an exchange": {"though the exchanger can be asked", func(s *scene) {
			park(s, "exchanger", "exchange")
			s.incident(15.5, "worker-exchanger-0", check.Killed)
		}},
		"set aside after four deaths": {"though the exchanger can be asked", func(s *scene) {
			park(s, "exchanger", "exchange")
			s.event(17, "n1", "unresolved", fields{"needs_operator": true, "error": fields{"code": "command_unprocessable"}})
			s.incident(15.5, "worker-exchanger-0", check.Killed)
			s.incident(15.6, "worker-exchanger-1", check.Killed)
			s.incident(15.65, "worker-exchanger-1", check.Killed)
			s.incident(15.68, "worker-exchanger-1", check.Stopped)
			s.incident(15.7, "worker-gamesdrop-1", check.Killed)
		}},
		"a deposit with one link lost": {"though SkinsBack can be asked", func(s *scene) {
			park(s, "skinsback", "deposit")
			s.incident(15.5, "worker-skinsback-0", check.Killed)
		}},
	})
	for name, trouble := range map[string]func(*scene){
		"a death":       func(s *scene) { s.incident(15.5, "worker-gamesdrop-0", check.Killed) },
		"of the server": func(s *scene) { s.incident(15.5, "nats-server", check.Killed) },
		"a cut in the network": func(s *scene) {
			s.Incidents = append(s.Incidents, check.Incident{Time: at(15.5), Program: check.Network, Process: "worker-gamesdrop-1", Deed: check.Troubled})
		},
		"a lost answer": func(s *scene) { s.arrive(15.5, "gamesdrop", "create_order", "x") },
		"a spoilt answer": func(s *scene) {
			s.entry(15.6, "gamesdrop", providertest.Entry{Phase: providertest.Answered, Op: "create_order", Request: s.arrive(15.5, "gamesdrop", "create_order", "x"), Fault: "html"})
		},
	} {
		s := whole()
		park(s, "gamesdrop", "offer")
		trouble(s)
		t.Log(name)
		mustPass(t, s, "I15")
	}
}

func TestI15_AnOrderThatFiveDeathsMetMayBeSetAside(t *testing.T) {
	t.Parallel()
	s := whole()
	s.ordered("n1", "exchanger", "exchange")
	s.event(14, "n1", "accepted")
	s.event(15, "n1", "placing", fields{"provider_ref": fields{"api_id": "7"}})
	for i, deed := range []check.Deed{check.Killed, check.Killed, check.Stopped, check.Exited, check.Killed} {
		s.incident(15+float64(i)/10, "worker-exchanger-0", deed)
	}
	s.event(16, "n1", "unresolved", fields{"needs_operator": true, "error": fields{"code": "command_unprocessable"}})
	mustPass(t, s, "I15")
}

func TestReport_ShowsTheFirstCounterExampleWithEverythingAroundIt(t *testing.T) {
	t.Parallel()
	s := whole()
	s.buy(15, "balancesteam", "create_topup", "p1", "", "999", "7", "RUB")
	s.incident(14.5, "worker-gamesdrop-1", check.Killed)
	s.incident(14.6, "dispatcher-1", check.Killed)
	s.Logs["worker-balancesteam-0"] = `{"time":"2026-11-21T20:00:13.5Z","tenant":"acme","order_id":"p1","message":"lease is over"}` + "\n" +
		`{"time":"2026-11-21T20:00:13.6Z","tenant":"bolt","order_id":"p1","message":"of another tenant"}`
	var out bytes.Buffer
	check.Check(s.History).Write(&out)
	text := out.String()
	order := []string{
		"I1 broken: bought at most once", "acme/p1: bought 2 times, not 1", "timeline of acme/p1",
		"event 1 accepted", "event 2 placing", "received create_topup", "committed create_topup", "worker-balancesteam-1 killed", "worker-balancesteam-0: lease is over", "event 3 unresolved",
		"committed create_topup, request 7, id 999, for p1, sum 7 RUB",
	}
	rest := text
	for _, want := range order {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q is missing, or out of order, in\n%s", want, text)
		}
		rest = after
	}
	for _, want := range []string{"seed 7; again with: go run ./test/crash -seed 7"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, other := range []string{"worker-gamesdrop-1", "dispatcher-1", "another tenant"} {
		if strings.Contains(text, other) {
			t.Errorf("%s is shown, which cannot have touched the order then", other)
		}
	}
}

func TestRecoveries_AreFromTheOwnersDeathToTheNextEvent(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.Logs["worker-gamesdrop-0"] = `{"instance":"w@a"}` + "\n" + `{"instance":"w@b"}`
	placed := func(id, owner string, when, next float64) {
		s.ordered(id, "gamesdrop", "offer")
		s.event(1, id, "accepted")
		s.event(when, id, "placing", fields{"work": fields{"owner": owner}})
		s.event(next, id, "unresolved")
	}
	placed("before", "w@a", 2, 3)    // it was answered while its owner lived
	placed("after", "w@a", 2, 5)     // 1 s after the death at 4
	placed("between", "w@a", 2, 7)   // 3 s after the death at 4, but there was another at 6
	placed("another", "w@b", 5, 8)   // the second life: 2 s after the death at 6
	placed("server", "w@b", 5, 10.5) // 4.5 s after it, with the server gone meanwhile
	placed("unknown", "other@x", 2, 9)
	s.incident(4, "worker-gamesdrop-0", check.Killed)
	s.incident(6, "worker-gamesdrop-0", check.Killed)
	s.incident(2.5, "worker-gamesdrop-1", check.Killed)
	s.incident(7, "worker-skinsback-1", check.Killed)
	s.incident(10, "nats-server", check.Killed)
	alone, disturbed := check.Recoveries(s.History)
	if diff := cmp.Diff([]time.Duration{time.Second, 2 * time.Second}, alone); diff != "" {
		t.Errorf("alone (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]time.Duration{3 * time.Second, 4500 * time.Millisecond}, disturbed); diff != "" {
		t.Errorf("disturbed (-want +got):\n%s", diff)
	}
}

func TestParked_CountsTheOperatorsOrdersByKindAndCode(t *testing.T) {
	t.Parallel()
	s := newScene()
	for _, id := range []string{"n1", "n2"} {
		s.ordered(id, "exchanger", "partner_payout")
		s.event(16, id, "unresolved", fields{"needs_operator": true, "error": fields{"code": "no_answer"}})
	}
	s.event(17, "n2", "succeeded")
	if got, want := check.Parked(s.History), map[string]int{"exchanger partner_payout no_answer": 1}; !maps.Equal(got, want) {
		t.Errorf("parked: %v, want %v", got, want)
	}
}
