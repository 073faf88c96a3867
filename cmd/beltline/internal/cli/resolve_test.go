package cli_test

import (
	"context"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// The shop has bought, but the worker's connection to NATS is stuck until its
// lease is over and another worker has given the orders to an operator. Then
// the answers come: of one order while the operator is about to decide, of the
// other when they have decided.
func TestResolve_AnswersThatComeLateAreNeitherLostNorOverruled(t *testing.T) {
	t.Parallel()
	// The test must hold the connection while the shop holds its answers.
	p := newPipeline(t, "", map[string]string{"BALANCESTEAM_TIMEOUT": "9s", "LEASE": "10s", "ACK_WAIT": "12s", "HOLD_DOWN": "16s"})
	between := newWire(t, p.server.URL())
	p.worker(between.url())
	defer between.release()
	for range 2 {
		p.lose(providertest.Fault{Kind: providertest.Slow, Delay: 7 * time.Second})
	}
	must(t, p.env("acme"), app.ExitOK, topup("before")+"\n"+topup("after"), "order", "submit", "-", "--wait", "none")
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for _, id := range []string{"before", "after"} {
		if _, err := p.shop.Door().Book.Wait(ctx, func(e providertest.Entry) bool {
			return e.Phase == providertest.Committed && e.OrderKey == id
		}); err != nil {
			t.Fatal(err)
		}
	}
	between.hold()
	p.worker(p.server.URL())
	for _, id := range []string{"before", "after"} {
		p.awaits(id, stuck)
	}
	found := must(t, p.env(""), app.ExitOK, "", "order", "list", "--needs-operator")
	found.stdout.shows(t, `acme/before .*unresolved \(operator\)`)
	found.stdout.shows(t, `acme/after .*unresolved \(operator\)`)

	decision := []string{"--decision", "succeeded", "--evidence", "payment in the cabinet", "--by", "ada"}
	open, keys := atTerminal(t, p.env(""), append([]string{"resolve", "acme/before"}, decision...)...)
	open.stdout.shows(t, "the worker ended before it recorded an answer")
	open.stderr.shows(t, "^This writes `succeeded` for acme/before, resting on event [0-9]+, decided by ada: payment in the cabinet$")
	open.stderr.shows(t, "^Type yes to write it: $")
	must(t, p.env(""), app.ExitOK, "", append([]string{"resolve", "acme/after", "--yes"}, decision...)...).
		stdout.shows(t, `^acme/after\tsucceeded\tevent [0-9]+, decided by ada$`)
	between.release()
	p.awaits("before", `"type":"succeeded".*"provider_ref":{"id":"[0-9]+"}`)
	p.awaits("after", `"type":"late_evidence","state":"succeeded".*"needs_operator":false`)

	if _, err := io.WriteString(keys, "yes\n"); err != nil {
		t.Fatal(err)
	}
	open.ends(app.ExitFailure)
	open.stderr.shows(t, "beltline: nothing was written: the order has moved since event [0-9]+$")
	open.stderr.shows(t, "^  event [0-9]+, .*: succeeded: bought; accepted by BalanceSteam")
	open.stderr.shows(t, "^It has ended as succeeded; there is nothing left to decide$")
	if strings.Contains(open.stdout.String(), "decided by ada") {
		t.Errorf("it says that it was decided:\n%s", open.stdout)
	}
	must(t, p.env(""), app.ExitOK, "", "order", "list", "--needs-operator").stderr.shows(t, "^no orders$")
	p.mustHaveBought("before", 1)
	p.mustHaveBought("after", 1)
}

// Nothing was bought, and nobody can know but the operator.
func TestResolve_WhatRulesAPurchaseOutWaitsForTheHoldDownAndThenBuysOnceOrNever(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, "", nil)
	p.worker(p.server.URL())
	for _, id := range []string{"again", "never"} {
		p.lose(providertest.Fault{Kind: providertest.ResetBeforeCommit})
		p.submit(id)
		p.awaits(id, stuck)
	}
	decide := func(id, decision string, more ...string) *running {
		t.Helper()
		args := append([]string{"resolve", "acme/" + id, "--decision", decision, "--evidence", "not in the cabinet", "--by", "ada", "--yes"}, more...)
		for deadline := time.Now().Add(within); ; {
			r := begin(t, p.env(""), "", args...)
			code := <-r.code
			if code == app.ExitOK {
				return r
			}
			r.stderr.shows(t, "nothing was written: it is too early for "+decision)
			r.stderr.shows(t, "^If there is evidence that it was bought, succeeded can be decided now$")
			if time.Now().After(deadline) {
				t.Fatalf("it is always too early:\n%s", r.stderr)
			}
		}
	}
	// inTime judges by the ledger, whatever the time is by now.
	inTime := func(id string) {
		t.Helper()
		var doubt *messages.Event
		for line := range strings.Lines(must(t, p.env("acme"), app.ExitOK, "", "order", "history", id, "-o", "json").stdout.String()) {
			e, err := messages.DecodeEvent([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			if e.State == messages.Unresolved {
				doubt = e
			} else if doubt != nil {
				if doubt.NotBefore == nil || e.Time.Before(*doubt.NotBefore) {
					t.Errorf("%s was decided at %s, and was not to be before %v", id, e.Time, doubt.NotBefore)
				}
				return
			}
		}
		t.Errorf("nothing was decided about %s", id)
	}
	again := decide("again", "place-again", "--new-reference")
	again.stdout.shows(t, `^acme/again\tretrying\tevent [0-9]+, decided by ada$`)
	again.stdout.shows(t, "^next: place at ")
	again.stderr.shows(t, "`beltline order watch again --tenant acme` follows it")
	must(t, p.env("acme"), app.ExitOK, "", "order", "watch", "again").stdout.shows(t, "placing → succeeded")
	inTime("again")
	p.mustHaveBought("again", 1)

	decide("never", "failed").stdout.shows(t, `^acme/never\tfailed\tevent [0-9]+, decided by ada$`)
	never := must(t, p.env("acme"), app.ExitOK, "", "order", "get", "never")
	never.stdout.shows(t, "failed")
	never.stdout.shows(t, "by: ada")
	inTime("never")
	p.mustHaveBought("never", 0)
}

func TestResolve_NothingIsWrittenThatNobodyConfirmed(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, "", nil)
	p.worker(p.server.URL())
	p.lose(providertest.Fault{Kind: providertest.ResetAfterCommit})
	p.submit("a")
	n := p.awaits("a", stuck)
	args := []string{"resolve", "acme/a", "--decision", "succeeded", "--by", "ada"}
	begun := func(more ...string) (*running, func(string)) {
		t.Helper()
		r, keys := atTerminal(t, p.env(""), append(args, more...)...)
		return r, func(text string) {
			t.Helper()
			if _, err := io.WriteString(keys, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, answer := range []string{"no\n", "\n", "y\n", "yess\n", "succeeded\n"} {
		r, typing := begun("--evidence", "x")
		r.stderr.shows(t, "Type yes to write it: $")
		typing(answer)
		r.ends(app.ExitFailure)
		r.stderr.shows(t, "^beltline: nothing was written: it was not confirmed$")
	}
	r, typing := begun()
	r.stderr.shows(t, "^What does the decision rest on\\? $")
	typing("\n")
	r.ends(app.ExitFailure)
	r, _ = begun("--evidence", "x")
	r.stderr.shows(t, "Type yes to write it: $")
	r.signals <- syscall.SIGINT
	r.ends(app.ExitSignal)
	r.stderr.shows(t, "^beltline: nothing was written: it was not confirmed$")
	p.awaits("a", `"n":`+n+`,"type":"unresolved"`)
	if all := must(t, p.env("acme"), app.ExitOK, "", "order", "history", "a", "-o", "json").stdout.String(); strings.Contains(all, `"decision"`) {
		t.Errorf("something was written:\n%s", all)
	}

	r, typing = begun()
	typing("payment 10000\nYES\n")
	r.ends(app.ExitOK)
	r.stdout.shows(t, `^acme/a\tsucceeded\t`)
	must(t, p.env("acme"), app.ExitOK, "", "order", "get", "a").stdout.shows(t, "evidence: payment 10000")
	p.mustHaveBought("a", 1)
}
