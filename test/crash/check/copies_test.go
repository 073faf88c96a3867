package check_test

import (
	"slices"
	"testing"

	"github.com/beltline-io/beltline/test/crash/check"
)

// copied gives the scene three nodes that all have what the leader has.
func (s *scene) copied() {
	s.Copies = map[string][]check.Message{}
	for _, node := range []string{"nats-server-0", "nats-server-1", "nats-server-2"} {
		s.Copies[node] = slices.Clone(s.Streams["EVENTS"])
	}
}

func TestI5_SeesANodeWhoseCopyIsAnother(t *testing.T) {
	t.Parallel()
	mustSeeAll(t, "I5", map[string]breach{
		"one event less": {"the copy of nats-server-1 lacks the event at 2", func(s *scene) {
			s.copied()
			s.Copies["nats-server-1"] = slices.Delete(s.Copies["nats-server-1"], 1, 2)
		}},
		"its end cut off": {"the copy of nats-server-2 lacks the event at", func(s *scene) {
			s.copied()
			s.Copies["nats-server-2"] = s.Copies["nats-server-2"][:3]
		}},
		"nothing at all": {"the copy of nats-server-0 lacks the event at 1", func(s *scene) { s.copied(); s.Copies["nats-server-0"] = nil }},
		"another event": {"the copy of nats-server-0 has another event at 3", func(s *scene) {
			s.copied()
			s.Copies["nats-server-0"][2].Data = "{}"
		}},
		"one event more": {"the copy of nats-server-0 alone has an event at 2", func(s *scene) {
			s.copied()
			s.Streams["EVENTS"] = slices.Delete(s.Streams["EVENTS"], 1, 2)
			for _, node := range []string{"nats-server-1", "nats-server-2"} {
				s.Copies[node] = slices.Clone(s.Streams["EVENTS"])
			}
		}},
	})
}

func TestI5_CopiesThatAreEqualOrHaveGoneOnPass(t *testing.T) {
	t.Parallel()
	s := whole()
	s.copied()
	last := s.Streams["EVENTS"][len(s.Streams["EVENTS"])-1]
	last.Seq++
	s.Copies["nats-server-1"] = append(s.Copies["nats-server-1"], last)
	mustPass(t, s, "I5")
}

// What is done to a cluster is done to no process, and yet an answer may be lost by it.
func TestI15_ALeaderThatMovesOrANodeThatIsPartedMayLeaveADoubt(t *testing.T) {
	t.Parallel()
	s := whole()
	s.ordered("n1", "gamesdrop", "offer")
	s.event(14, "n1", "accepted")
	s.event(15, "n1", "placing", fields{"provider_ref": fields{"reference": "b1n1"}})
	s.event(16, "n1", "unresolved", fields{"needs_operator": true, "error": fields{"code": "no_answer"}})
	s.incident(15.5, "nats-server-1", check.Troubled)
	mustPass(t, s, "I15")
}

func TestI15_AnIntentThatTheLedgerDidNotAnswerMayLeaveADoubtAboutItsOwnOrder(t *testing.T) {
	t.Parallel()
	said := func(id string) *scene {
		s := whole()
		s.ordered("n1", "gamesdrop", "offer")
		s.event(14, "n1", "accepted")
		s.event(15, "n1", "placing", fields{"provider_ref": fields{"reference": "b1n1"}})
		s.event(16, "n1", "unresolved", fields{"needs_operator": true, "error": fields{"code": "no_answer"}})
		s.Logs["worker-gamesdrop-0"] = `{"tenant":"acme","order_id":"` + id + `","error":"ledger: append acme/n1 placing: not known whether the event is stored"}`
		return s
	}
	mustPass(t, said("n1"), "I15")
	mustSee(t, said("n2"), "I15", "acme/n1: is the operator's (no_answer), and nothing went wrong")
}
