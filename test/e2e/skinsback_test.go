package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

const skinsSecret = "canary-skins-7d20f1"

// skins is the pipeline for deposits inside this process. What becomes of them
// is learned by polling alone.
type skins struct {
	*local
	shop *skinsbacktest.Server
}

// newSkins starts everything. at is where the worker finds the shop; empty for
// the shop itself.
func newSkins(t *testing.T, at string, env map[string]string, opts ...skinsbacktest.Option) *skins {
	t.Helper()
	shop := skinsbacktest.New(append([]skinsbacktest.Option{skinsbacktest.WithCredentials("77", skinsSecret)}, opts...)...)
	t.Cleanup(shop.Close)
	if at == "" {
		at = shop.URL()
	}
	all := map[string]string{
		"SKINSBACK_URL": at, "SKINSBACK_CLIENT_ID": "77", "SKINSBACK_CLIENT_SECRET": skinsSecret,
		"SKINSBACK_RATE_LIMIT": "100000/1s", "SKINSBACK_TIMEOUT": "2s", "ABSENCE_WAIT": "6s", "POLL_MAX": "300ms",
	}
	for name, value := range env {
		all[name] = value
	}
	s := &skins{local: newLocal(t, all), shop: shop}
	s.dispatcher()
	s.run(programs.SkinsBack(), nil)
	t.Cleanup(func() {
		if strings.Contains(s.log.text(), skinsSecret) {
			t.Error("the secret is in the log")
		}
	})
	return s
}

const steamAccount = "76561198827262007"

// depositOf orders a deposit; more are further params.
func depositOf(id, more string) plan {
	return plan{
		tenant: "acme", id: id, provider: "skinsback", kind: "deposit", account: steamAccount,
		body: body(id, "skinsback", "deposit", fmt.Sprintf(`"steam_id":%q,"trade_token":"i1ArBZey"%s`, steamAccount, more), `,"metadata":{"cart":"7"}`),
	}
}

// open hands in a deposit and waits until its customer may pay. It returns the
// reference at the shop.
func (s *skins) open(p plan) string {
	s.t.Helper()
	s.up.submit(p.tenant, p.body)
	e := s.up.awaitType(p.key(), "action_required")
	if !strings.HasPrefix(e.text("action.url"), "https://skinsback.com/_/") {
		s.t.Errorf("action %v", e["action"])
	}
	return e.text("provider_ref.reference")
}

func (s *skins) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// path is the types of an order's events.
func (s *skins) path(p plan) string { return typesOf(s.up.events(p.key())) }

func (s *skins) pathIs(p plan, want string) {
	s.t.Helper()
	if got := s.path(p); got != want {
		s.t.Errorf("the events are %q, not %q:\n%s", got, want, story(s.up.events(p.key())))
	}
}

func saysOf(t *testing.T, e event, want map[string]string) {
	t.Helper()
	for path, text := range want {
		if got := e.text(path); got != text {
			t.Errorf("%s is %q, not %q", path, got, text)
		}
	}
}

func TestSkinsBack_ASuccessIsToldToTheLastDigitWithEitherKindOfAuth(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{"", "headers", "signature"} {
		for _, form := range []string{"numbers", "strings"} {
			t.Run(auth+" "+form, func(t *testing.T) {
				t.Parallel()
				env, opts := map[string]string{}, []skinsbacktest.Option{skinsbacktest.WithMultiplier("1.1")}
				if auth != "" {
					env["SKINSBACK_AUTH"] = auth
				}
				if form == "strings" {
					opts = append(opts, skinsbacktest.WithStrings())
				}
				s := newSkins(t, "", env, opts...)
				p := depositOf("o1", `,"currency":"USD","min_amount":"1","max_amount":"50.5","game":"cs2","widget":true,`+
					`"custom_currency":"GEM","custom_currency_rate":"2"`)
				reference := s.open(p)
				s.must(s.shop.Pay(reference, "12.3456789"))
				e := s.up.awaitFinal(p.key())
				s.pathIs(p, "accepted placing action_required succeeded")
				saysOf(t, e, map[string]string{
					"state": "succeeded", "finality": "final", "cost": nothing, "cost_source": nothing, "action": nothing, "error": nothing,
					"provider_ref.reference": reference, "provider_ref.transaction_id": "13", "metadata.cart": "7", "attempt": "1",
					"deliverable.amount": "map[amount:12.3456789 currency:USD]", "deliverable.user_amount": "map[amount:13.58024679 currency:USD]",
					"deliverable.amount_in_currencies":      "map[EUR:11.11111101 KZT:5925.925872 RUB:987.654312 UAH:512.34567435 USD:12.3456789]",
					"deliverable.user_amount_in_currencies": "map[EUR:12.22222211 KZT:6518.5184592 RUB:1086.4197432 UAH:563.58024179 USD:13.58024679]",
					"deliverable.custom_currency_sum":       "27.16049358",
					"deliverable.deposits": "[map[amount:map[amount:12.3456789 currency:USD] reference:" + reference +
						" status:succeeded transaction_id:13 user_amount:map[amount:13.58024679 currency:USD]]]",
				})
				if books := s.shop.Deposits(); len(books) != 1 || books[0].OrderID != reference || books[0].Fields["max_amount"] != "50.5" {
					t.Errorf("the books: %+v", books)
				}
			})
		}
	}
}

func TestSkinsBack_EveryStatusHasItsEvent(t *testing.T) {
	t.Parallel()
	type act = func(*skins, string) error
	hold := func(s *skins, r string) error { return s.shop.Hold(r, "20.05") }
	approve := func(s *skins, r string) error { return s.shop.Approve(r) }
	fail := func(reason string) act { return func(s *skins, r string) error { return s.shop.Fail(r, reason) } }
	for name, c := range map[string]struct {
		acts []act
		path string // after action_required
		says map[string]string
	}{
		"success": {
			[]act{func(s *skins, r string) error { return s.shop.Pay(r, "20.05") }}, "succeeded",
			map[string]string{"watch_until": nothing, "deliverable.amount.amount": "20.05"},
		},
		"a hold that ends well": {
			[]act{hold, approve, func(s *skins, r string) error { return s.shop.Release(r) }}, "on_hold on_hold succeeded",
			map[string]string{"deliverable.amount.amount": "20.05", "hold_until": nothing, "evidence.deposit_status": "success"},
		},
		"an approved hold that is returned": {
			[]act{hold, approve, func(s *skins, r string) error { return s.shop.Return(r) }}, "on_hold on_hold reversed",
			with(failure("rejected", "hold_returned"), "deliverable", nothing),
		},
		"a hold that fails": {
			[]act{hold, fail("trade_canceled")}, "on_hold failed", failure("rejected", "trade_canceled"),
		},
		"timeout":        {[]act{fail("timeout")}, "failed", failure("rejected", "timeout")},
		"trade_timeout":  {[]act{fail("trade_timeout")}, "failed", failure("rejected", "trade_timeout")},
		"trade_canceled": {[]act{fail("trade_canceled")}, "failed", failure("rejected", "trade_canceled")},
		"a word that no document has": {
			[]act{
				func(s *skins, r string) error { return s.shop.SetStatus(r, "pondering") },
				func(s *skins, r string) error { return s.shop.Pay(r, "1") },
			}, "action_required succeeded", map[string]string{"evidence.unknown_status": "pondering"},
		},
		"another account than ordered": {
			[]act{func(s *skins, r string) error {
				return errorsOf(s.shop.SetSteamID(r, "76561198827262008"), s.shop.Pay(r, "1"))
			}}, "succeeded", map[string]string{"evidence.steam_id": "76561198827262008"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSkins(t, "", nil)
			p := depositOf("o1", "")
			reference := s.open(p)
			for i, do := range c.acts {
				s.must(do(s, reference))
				want := strings.Join(strings.Fields("accepted placing action_required " + c.path)[:4+i], " ")
				s.up.await(p.key(), "came to "+want, func(event) bool { return s.path(p) == want })
			}
			events := s.up.events(p.key())
			saysOf(t, events[len(events)-1], c.says)
			for _, e := range events {
				if e.typ() == "on_hold" && !e.terminal() && (e.text("hold_until") == nothing || e.text("watch_until") == nothing) {
					t.Errorf("hold_until %v, watch_until %v", e["hold_until"], e["watch_until"])
				}
			}
			if len(s.shop.Deposits()) != 1 {
				t.Errorf("%d deposits", len(s.shop.Deposits()))
			}
		})
	}
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestSkinsBack_ACreateWhoseAnswerWasLostTakesASecondReferenceAndBothAreWatched(t *testing.T) {
	t.Parallel()
	for _, fault := range []providertest.Fault{
		{Kind: providertest.ResetAfterCommit}, {Kind: providertest.TimeoutAfterCommit}, {Kind: providertest.Truncated},
		providertest.Status(502).AfterCommit(),
	} {
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			s := newSkins(t, "", nil)
			s.shop.Faults().Once(skinsbacktest.OpCreate, fault)
			p := depositOf("o1", "")
			second := s.open(p)
			s.pathIs(p, "accepted placing unresolved retrying placing action_required")
			books := s.shop.Deposits()
			if len(books) != 2 || books[0].OrderID == second || books[1].OrderID != second {
				t.Fatalf("the books: %+v", books)
			}
			s.must(s.shop.Pay(second, "7.77"))
			done := s.up.awaitFinal(p.key())
			saysOf(t, done, map[string]string{
				"state": "succeeded", "needs_operator": "false", "provider_ref.reference": second, "provider_ref.transaction_id": "14",
				"deliverable.deposits": fmt.Sprintf("[map[reference:%s status:action_required transaction_id:13] "+
					"map[amount:map[amount:7.77 currency:USD] reference:%s status:succeeded transaction_id:14 user_amount:map[amount:7.77 currency:USD]]]",
					books[0].OrderID, second),
			})
			// The first is still watched: that it is paid too is money to account for.
			s.must(s.shop.Pay(books[0].OrderID, "9.99"))
			late := s.up.awaitType(p.key(), "late_evidence")
			saysOf(t, late, map[string]string{"state": "succeeded", "needs_operator": "true", "deliverable.amount.amount": "7.77"})
			if told := fmt.Sprint(late.at("evidence.late")); !strings.Contains(told, "9.99") || !strings.Contains(told, books[0].OrderID) {
				t.Errorf("who paid what is not told: %s", told)
			}
		})
	}
}

func TestSkinsBack_ACreateThatNeverArrivedIsSentAgainUnderItsReference(t *testing.T) {
	t.Parallel()
	s := newSkins(t, "", map[string]string{"ABSENCE_WAIT": "3s"})
	s.shop.Faults().Once(skinsbacktest.OpCreate, providertest.Fault{Kind: providertest.ResetBeforeCommit})
	p := depositOf("o1", "")
	reference := s.open(p)
	events := s.up.events(p.key())
	var first string
	for _, e := range events {
		if e.typ() == "placing" && first == "" {
			first = e.text("provider_ref.reference")
		}
	}
	books := s.shop.Deposits()
	if reference != first || len(books) != 1 || books[0].OrderID != reference {
		t.Errorf("placed under %s, then %s; the books: %+v", first, reference, books)
	}
	if looks := len(s.shop.Book().Select(providertest.Received, skinsbacktest.OpStatus)); looks < 3 {
		t.Errorf("sent again after %d looks", looks)
	}
}

func TestSkinsBack_MaintenanceAndTooManyPutTheOrderOff(t *testing.T) {
	t.Parallel()
	t.Run("-9", func(t *testing.T) {
		t.Parallel()
		s := newSkins(t, "", nil)
		s.shop.SetMaintenance(true)
		p := depositOf("o1", "")
		s.up.submit(p.tenant, p.body)
		saysOf(t, s.up.awaitType(p.key(), "retrying"), with(failure("retryable", "-9"), "error.retryable", "true"))
		s.shop.SetMaintenance(false)
		s.up.awaitType(p.key(), "action_required")
		if len(s.shop.Deposits()) != 1 {
			t.Errorf("%d deposits", len(s.shop.Deposits()))
		}
	})
	t.Run("-7", func(t *testing.T) {
		t.Parallel()
		s := newSkins(t, "", nil, skinsbacktest.WithRateLimit(1, time.Hour))
		r, err := http.DefaultClient.Do(request(t, s.shop.URL())) // somebody else has used the limit up
		s.must(err)
		s.must(r.Body.Close())
		p := depositOf("o1", "")
		s.up.submit(p.tenant, p.body)
		e := s.up.awaitType(p.key(), "retrying")
		saysOf(t, e, with(failure("retryable", "-7"), "error.retryable", "true"))
		awaitTrue(t, "the lane is closed", func() bool { return s.lane("skinsback") == "closed" })
		at, err := time.Parse(time.RFC3339Nano, e.text("retry_at"))
		if since, sinceErr := time.Parse(time.RFC3339Nano, e.text("time")); err != nil || sinceErr != nil || at.Sub(since) < 59*time.Second {
			t.Errorf("tried again at %s", e.text("retry_at"))
		}
	})
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSkinsBack_OurAccountsTroublesCloseTheLaneUntilTheyAreCured(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		auth, code  string
		spoil, cure func(*skins)
	}{
		"-10": {"headers", "-10", func(s *skins) { s.shop.SetSecret("renewed") }, func(s *skins) { s.shop.SetSecret(skinsSecret) }},
		"-3":  {"signature", "-3", func(s *skins) { s.shop.SetSecret("renewed") }, func(s *skins) { s.shop.SetSecret(skinsSecret) }},
		"-8":  {"headers", "-8", func(s *skins) { s.shop.SetIPBlocked(true) }, func(s *skins) { s.shop.SetIPBlocked(false) }},
		"-4":  {"headers", "-4", func(s *skins) { s.shop.SetInactive(true) }, func(s *skins) { s.shop.SetInactive(false) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSkins(t, "", map[string]string{"SKINSBACK_AUTH": c.auth})
			c.spoil(s)
			p := depositOf("o1", "")
			s.up.submit(p.tenant, p.body)
			saysOf(t, s.up.awaitType(p.key(), "retrying"), with(failure("blocked", c.code), "error.retryable", "true"))
			awaitTrue(t, "the lane is closed", func() bool { l := s.lane("skinsback"); return l == "closed" || l == "probing" })
			c.cure(s)
			s.up.awaitType(p.key(), "action_required")
			awaitTrue(t, "the lane is open", func() bool { return s.lane("skinsback") == "open" })
			if len(s.shop.Deposits()) != 1 {
				t.Errorf("%d deposits", len(s.shop.Deposits()))
			}
		})
	}
}

// refusing is a shop that refuses every create with the code at the end of its
// trade_token.
func refusing(t *testing.T) string {
	t.Helper()
	names := map[string]string{
		"1": "invalid_order_id", "2": "invalid_steam_id", "7": "invalid_max_value", "8": "invalid_currency", "9": "invalid_result_url",
		"10": "invalid_success_url", "11": "invalid_fail_url", "12": "invalid_custom_currency", "13": "invalid_custom_currency_rate",
		"14": "invalid_custom_multiplier", "15": "invalid_game",
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := "4" // of orderstatus: not found
		if r.FormValue("method") == "create" {
			code = strings.TrimLeft(strings.TrimPrefix(r.FormValue("trade_token"), "code"), "0")
		}
		message, _ := json.Marshal(names[code])
		_, _ = io.WriteString(w, `{"status":"error","error_code":`+code+`,"error_message":`+string(message)+`}`)
	}))
	t.Cleanup(front.Close)
	return front.URL
}

func TestSkinsBack_RefusalsFailTheOrderWithTheirCode(t *testing.T) {
	t.Parallel()
	s := newSkins(t, refusing(t), nil)
	all := map[string]plan{}
	for _, code := range []string{"1", "2", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "99"} {
		p := depositOf("o"+code, "")
		p.body = strings.Replace(p.body, "i1ArBZey", fmt.Sprintf("code%04s", code), 1)
		all[code] = p
		s.up.submit(p.tenant, p.body)
	}
	for code, p := range all {
		if code == "99" { // no document has it: nobody knows
			saysOf(t, s.up.awaitType(p.key(), "unresolved"), failure("ambiguous", "99"))
			continue
		}
		e := s.up.awaitFinal(p.key())
		saysOf(t, e, with(failure("rejected", code), "state", "failed", "error.retryable", "false"))
		s.pathIs(p, "accepted placing failed")
	}
}
