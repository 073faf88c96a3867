package cli_test

import (
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
)

// TestDemo_KeepsThePromiseOfTheReadme runs the demonstration as a person does.
func TestDemo_KeepsThePromiseOfTheReadme(t *testing.T) {
	t.Parallel()
	r := must(t, nil, app.ExitOK, "", "demo", "--plain")
	table := r.stdout.String()
	for id, outcome := range map[string]string{
		"ord-1001": "succeeded", "ord-1004": "failed", "ord-1005": "unresolved", "ord-1006": "failed",
		"ord-2003": "succeeded", "ord-2004": "succeeded", "ord-2005": "succeeded", "ord-2006": "succeeded",
		"ord-2007": "failed", "ord-2008": "failed", "ord-2009": "failed", "ord-2010": "unresolved", "ord-2011": "succeeded",
		"ord-2012": "rejected", "ord-1101": "canceled", "ord-1102": "succeeded", "ord-1103": "succeeded", "ord-1104": "expired",
		"ord-3001": "succeeded", "ord-3002": "failed", "ord-3003": "reversed", "ord-3004": "succeeded",
		"ord-4001": "succeeded", "ord-4002": "canceled", "ord-4003": "failed", "ord-4004": "succeeded", "ord-4005": "succeeded",
	} {
		if !regexp.MustCompile(`(?m)^\| ` + id + ` +\|[^|]*\| ` + outcome + ` +\|`).MatchString(table) {
			t.Errorf("the table does not say that %s is %s", id, outcome)
		}
	}
	for _, want := range []string{
		"| no effect", "| dead letter", "31 orders in",
		"bought twice: 0, lost: 0, wrong amount: 0, said to be not bought but bought: 0",
		// ord-1005 and ord-2010 are in the books and in doubt; 12 others were sold,
		// two deposits and two exchanges were paid, and there was a payout.
		"kept 19 purchases",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
	if strings.Contains(table+r.stderr.String(), "\x1b") {
		t.Error("there are colors, though --plain was asked for")
	}
	for _, want := range []string{"lane closed", "lane open", "accepted -> placing", "sent again",
		"has approved it and holds it until", "gives skins worth", "must pay 3030.00 RUB", "nothing to confirm", "Exchanger canceled it as asked"} {
		if !strings.Contains(r.stderr.String(), want) {
			t.Errorf("no line says %q", want)
		}
	}
}

func TestDemo_KeepStaysUpAndTakesOrdersUntilCtrlC(t *testing.T) {
	t.Parallel()
	r := begin(t, nil, "", "demo", "--keep")
	url := r.stderr.shows(t, `^  export NATS_URL=(\S+) BELTLINE_TENANT=demo$`)
	// Not the bare name, which is nowhere to be found after `make demo`.
	r.stderr.shows(t, `\| (?:go run \./cmd/beltline|\S+\.test) order submit -$`)
	r.stderr.shows(t, `^  (?:go run \./cmd/beltline|\S+\.test) order history `)
	environ := map[string]string{"NATS_URL": url, "BELTLINE_TENANT": "demo"}
	order := `{"v":1,"id":"mine-1","provider":"balancesteam","kind":"topup","params":{"login":"me","amount":"100.00"}}`
	if got := must(t, environ, app.ExitOK, order, "order", "submit", "-").stdout.String(); !strings.HasPrefix(got, "mine-1\tsucceeded\t") {
		t.Errorf("my order: %s", got)
	}
	// At a terminal there is progress, and color; on standard output the result
	// is all there is.
	shown := beginAt(t, true, environ, strings.ReplaceAll(order, "mine-1", "mine-2"), "order", "submit", "-")
	shown.ends(app.ExitOK)
	if got := shown.stdout.String(); got != "mine-2\t\x1b[32msucceeded\x1b[0m\t-\tbought; accepted by BalanceSteam, which cannot be asked further\n" {
		t.Errorf("standard output: %q", got)
	}
	shown.stderr.shows(t, "mine-2 +accepted → placing +attempt 1, about to call BalanceSteam")
	r.signals <- syscall.SIGINT
	r.ends(app.ExitOK)
}

func TestDemo_CtrlCEndsIt(t *testing.T) {
	t.Parallel()
	r := begin(t, nil, "", "demo")
	r.stderr.shows(t, "placing")
	r.signals <- syscall.SIGINT
	r.ends(app.ExitSignal)
	if r.stdout.String() != "" {
		t.Errorf("half a demonstration has a table:\n%s", r.stdout)
	}
}
